package bench_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/bench"
	"github.com/pinlab/pinlab/bench/compare"
	"github.com/pinlab/pinlab/bench/measure"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// delayed tells a slow child by how many nanoseconds an admission takes longer.
const delayed = "PINLAB_TEST_DELAY"

// serveSlowly is a child whose node lets the managers wait: they ask it for the
// active pods in the middle of an admission. It keeps the CPU meanwhile, as slower
// code would.
func serveSlowly() error {
	ns, err := strconv.ParseFloat(os.Getenv(delayed), 64)
	if err != nil {
		return fmt.Errorf("%s: %w", delayed, err)
	}
	return measure.Serve(os.Stdin, os.Stdout, func(n kubelet.Node) kubelet.Node {
		return &slowNode{Node: n, delay: time.Duration(ns)}
	})
}

// slowNode delays the first question for the active pods after each new pod.
type slowNode struct {
	kubelet.Node
	delay time.Duration
	last  string
}

// ActivePods implements kubelet.Node.
func (s *slowNode) ActivePods() []*v1.Pod {
	pods := s.Node.ActivePods()
	if len(pods) == 0 {
		return pods
	}
	if newest := string(pods[len(pods)-1].UID); newest != s.last {
		s.last = newest
		for began := time.Now(); time.Since(began) < s.delay; {
		}
	}
	return pods
}

const (
	slowProfile = "xeon-2s24c-smt2"
	// slowRepetitions are those of each run, as many as pinlab bench takes.
	slowRepetitions = bench.DefaultRepetitions
	slowSamples     = 100
	// slowRounds bounds how often repetitions are added on a noisy machine.
	slowRounds = 6
)

// measureKinds measures repetitions of several kinds of children, which take
// turns, and returns a report for each kind. The kinds are delays of an
// admission in nanoseconds.
func measureKinds(t *testing.T, operations []string, kinds []float64, repetitions int) []*record.Report {
	t.Helper()
	g := NewWithT(t)
	p, err := bench.NewPlan(bench.Request{
		Profiles: []string{slowProfile}, Fills: []string{"empty"}, Storages: []string{"memory"}, Operations: operations,
		Repetitions: repetitions * len(kinds), Samples: slowSamples * repetitions * len(kinds),
		Time: time.Duration(repetitions*len(kinds)) * 20 * time.Millisecond, Deadline: 5 * time.Minute,
	})
	g.Expect(err).NotTo(HaveOccurred())
	n := 0
	p.Command = func(ctx context.Context) *exec.Cmd {
		cmd := children("slow")(ctx)
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%f", delayed, kinds[n%len(kinds)]))
		n++
		return cmd
	}
	r, err := bench.Run(t.Context(), p, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Results[0].Status).To(Equal(bench.StatusDone), r.Results[0].Reason)
	return split(r, len(kinds), func(repetition int) int { return repetition % len(kinds) })
}

// split deals the repetitions of a report out to n reports.
func split(r *record.Report, n int, to func(repetition int) int) []*record.Report {
	out := make([]*record.Report, n)
	for i := range out {
		result := r.Results[0]
		result.Series = nil
		out[i] = &record.Report{Environment: r.Environment, Results: []record.Result{result}}
	}
	for _, s := range r.Results[0].Series {
		for i, samples := range s.Repetitions {
			result := &out[to(i)].Results[0]
			next := 0
			if have := result.Of(s.Operation); have != nil {
				next = len(have.Repetitions)
			}
			result.Add(s.Operation, next, samples)
		}
	}
	return out
}

// join adds the repetitions of the second report to the first.
func join(a, b *record.Report) *record.Report {
	for _, s := range b.Results[0].Series {
		for _, samples := range s.Repetitions {
			next := 0
			if have := a.Results[0].Of(s.Operation); have != nil {
				next = len(have.Repetitions)
			}
			a.Results[0].Add(s.Operation, next, samples)
		}
	}
	return a
}

// TestDetectsSlowdowns makes admissions 5, 10 and 20 % slower than they are, for
// real, and lets the comparison look for it. The kinds take turns, process by
// process, so that what is tested is the detector and not the quietness of the
// machine. On a noisy one the eight repetitions are too few, as the comparison
// says itself; then some are added. Only the 20 % must be found.
func TestDetectsSlowdowns(t *testing.T) {
	if os.Getenv("PINLAB_MEASURE") == "" {
		t.Skip("measures times, which takes a machine without other tests on it: 'make agree'")
	}
	g := NewWithT(t)
	warm := measureKinds(t, []string{"admit"}, []float64{0}, slowRepetitions)[0]
	p50 := medianOf(t, warm, record.Admit)
	slowdowns := []float64{0, 0.05, 0.10, 0.20}
	kinds := make([]float64, len(slowdowns))
	for i, s := range slowdowns {
		kinds[i] = s * p50
	}
	var runs []*record.Report
	found := false
	for range slowRounds {
		more := measureKinds(t, []string{"admit"}, kinds, slowRepetitions)
		if runs == nil {
			runs = more
		} else {
			for i := range runs {
				runs[i] = join(runs[i], more[i])
			}
		}
		for i, s := range slowdowns[1:] {
			for _, threshold := range slices.Compact([]float64{s / 2, 0.10}) {
				row := compared(t, runs[0], runs[i+1], threshold)[0]
				t.Logf("%2.0f %% injected, threshold %4.1f %%, %d repetitions: %+5.1f %%, p=%.4f: %s (needs %d)",
					100*s, 100*threshold, row.NewN, 100*row.Delta, row.Adjusted, row.Verdict, row.Need)
				if s == 0.20 && threshold == 0.10 {
					found = found || row.Verdict == compare.Slower
				}
			}
		}
		if found {
			break
		}
	}
	g.Expect(found).To(BeTrue(), "a slowdown of 20 % is found")
}

// TestReportsFalseAlarms measures the same thing again and again, and counts how
// often one run is told from the next. It asserts nothing about that: a machine
// that drifts between two runs is another machine.
func TestReportsFalseAlarms(t *testing.T) {
	if os.Getenv("PINLAB_MEASURE") == "" {
		t.Skip("measures times, which takes a machine without other tests on it: 'make agree'")
	}
	const runs = 8
	all := measureKinds(t, []string{"admit", "remove", "reconcile"}, []float64{0}, runs*slowRepetitions)[0]
	for _, way := range []struct {
		name string
		to   func(int) int
	}{
		{"one after the other", func(i int) int { return i / slowRepetitions }},
		{"taking turns", func(i int) int { return i % runs }},
	} {
		list := split(all, runs, way.to)
		for _, threshold := range []float64{0, 0.05, 0.10} {
			alarms, rows, pairs := 0, 0, 0
			for i := range list[1:] {
				before := alarms
				for _, row := range compared(t, list[i], list[i+1], threshold) {
					rows++
					if row.Verdict == compare.Slower || row.Verdict == compare.Faster {
						alarms++
					}
				}
				if alarms > before {
					pairs++
				}
			}
			t.Logf("A/A, %s, threshold %2.0f %%: %d false alarms in %d comparisons, in %d of %d pairs of runs", way.name, 100*threshold, alarms, rows, pairs, runs-1)
		}
	}
}

func compared(t *testing.T, before, after *record.Report, threshold float64) []compare.Row {
	t.Helper()
	c, err := compare.Reports(before, after, compare.Options{Threshold: threshold, Alpha: 0.05})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c.Rows
}

func medianOf(t *testing.T, r *record.Report, op record.Operation) float64 {
	t.Helper()
	s, err := bench.Summarize(r.Results[0].Of(op).Repetitions)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return s.P50
}
