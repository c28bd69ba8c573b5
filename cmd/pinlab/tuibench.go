package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/pinlab/pinlab/bench"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/tui"
)

// tuiBench runs benches for the explorer and keeps the last report.
type tuiBench struct{ report *bench.Report }

// comparisons are what the bench view can put side by side.
func comparisons() []tui.Comparison {
	return []tui.Comparison{
		{Name: "topology policies", Note: "static CPU manager, half full node", Policies: []string{"none", "best-effort", "restricted", "single-numa-node"}},
		{Name: "CPU manager policies", Note: "best-effort topology, half full node", Policies: []string{"none", "static"}},
		{Name: "policy options", Note: "static CPU manager, best-effort topology", Policies: []string{"no option", "full-pcpus-only", "distribute-cpus-across-numa", "prefer-align-cpus-by-uncorecache"}},
		{Name: "how full the node is", Note: "static CPU manager, best-effort topology", Policies: []string{"empty", "half", "fragmented", "nearly-full"}},
	}
}

// request is the bench's own words for a comparison, and the name of each
// configuration.
func comparisonRequest(spec tui.BenchSpec) (bench.Request, func(bench.Config) string) {
	r := bench.Request{Profiles: []string{spec.Profile}, Fills: []string{"half"}, Storages: []string{string(bench.StorageMemory)}}
	policies := spec.Comparison.Policies
	switch spec.Comparison.Name {
	case "CPU manager policies":
		r.Policies = policies
		return r, func(c bench.Config) string { return c.Policy }
	case "policy options":
		for _, name := range policies {
			set := map[string]string{}
			if name != "no option" {
				set[name] = "true"
			}
			r.Options = append(r.Options, set)
		}
		return r, func(c bench.Config) string {
			for name := range c.Options {
				return name
			}
			return "no option"
		}
	case "how full the node is":
		r.Fills = policies
		return r, func(c bench.Config) string { return c.Fill }
	}
	r.TopologyPolicies = policies
	return r, func(c bench.Config) string { return c.TopologyPolicy }
}

// run measures and tells what it has, a few times a second at most. What was
// measured before somebody stopped it is kept, too.
func (b *tuiBench) run(ctx context.Context, spec tui.BenchSpec, tell func(tui.BenchUpdate)) error {
	request, nameOf := comparisonRequest(spec)
	plan, err := bench.NewPlan(request)
	if err != nil {
		return err
	}
	plan.Command, plan.ProgramBuild = benchCommand, version()
	g := gathering{policies: spec.Comparison.Policies, samples: map[bench.Operation]map[string][][]float64{}, notes: map[string]string{}}
	const pace = 150 * time.Millisecond
	var last time.Time
	b.report = nil
	report, err := bench.Run(ctx, plan, func(e bench.Event) {
		g.take(e, nameOf(e.Config))
		if time.Since(last) >= pace {
			last = time.Now()
			tell(g.update())
		}
	})
	u := g.update()
	u.Left = 0
	switch {
	case err == nil:
		b.report, u.Part, u.Done = report, 1, true
	case report != nil && errors.Is(err, context.Canceled) && measured(report):
		b.report, u.Done, u.Stopped = report, true, true
	}
	if b.report != nil {
		u.Reported = samplesOf(b.report)
		if u.Streamed != u.Reported {
			u.Warnings = append([]string{fmt.Sprintf("%d of the report's %d samples are in these figures", u.Streamed, u.Reported)}, u.Warnings...)
		}
	}
	tell(u)
	return err
}

func (b *tuiBench) save(name string, overwrite bool) error {
	if b.report == nil {
		return fmt.Errorf("nothing has been measured")
	}
	if _, err := os.Stat(name); err == nil && !overwrite {
		return fmt.Errorf("%s: %w", name, fs.ErrExist)
	}
	data, err := record.Marshal(b.report)
	if err != nil {
		return err
	}
	return record.Write(name, data)
}

// samplesOf counts the samples of a report.
func samplesOf(r *bench.Report) int {
	n := 0
	for i := range r.Results {
		for _, s := range r.Results[i].Series {
			for _, rep := range s.Repetitions {
				n += len(rep)
			}
		}
	}
	return n
}

// gathering is what has been measured so far.
type gathering struct {
	policies []string
	// samples are by operation, policy and repetition.
	samples  map[bench.Operation]map[string][][]float64
	notes    map[string]string
	warnings []string
	event    bench.Event
	part     float64 // of the work that is done
	streamed int
}

func (g *gathering) take(e bench.Event, policy string) {
	switch e.Kind {
	case bench.Warned:
		if e.Warning != nil && !slices.Contains(g.warnings, e.Warning.Text) {
			g.warnings = append(g.warnings, e.Warning.Text)
		}
		return
	case bench.Finished:
		if note := noteOf(e.Result); note != "" {
			g.notes[policy] = note
		}
	}
	g.event = e
	if all := e.Elapsed + e.Left; e.Left > 0 {
		g.part = float64(e.Elapsed) / float64(all)
	}
	for op, new := range e.Samples {
		g.streamed += len(new)
		if g.samples[op] == nil {
			g.samples[op] = map[string][][]float64{}
		}
		list := g.samples[op][policy]
		for len(list) <= e.Repetition {
			list = append(list, nil)
		}
		list[e.Repetition] = append(list[e.Repetition], new...)
		g.samples[op][policy] = list
	}
}

// noteOf says what the figures of a configuration do not show.
func noteOf(r *bench.Result) string {
	switch {
	case r == nil:
	case r.Rejected != "":
		return "the pod is rejected: " + r.Rejected + "; the figures are of the way to the rejection"
	case r.Status == bench.StatusInterrupted:
		// Somebody has ended all of them, and sees so.
	case r.Status != bench.StatusDone && strings.HasPrefix(r.Reason, "did not finish"):
		return r.Reason
	case r.Status != bench.StatusDone:
		return string(r.Status) + ": " + r.Reason
	}
	return ""
}

// buckets is how fine the histograms are.
const buckets = 96

func (g *gathering) update() tui.BenchUpdate {
	u := tui.BenchUpdate{Part: g.part, Left: g.event.Left, Streamed: g.streamed, Warnings: append([]string{}, g.warnings...)}
	if g.event.Repetitions > 0 {
		u.Phase = fmt.Sprintf("repetition %d of %d", g.event.Repetition+1, g.event.Repetitions)
	}
	for _, op := range bench.Operations() {
		if g.samples[op] != nil {
			u.Operations = append(u.Operations, g.operation(op))
		}
	}
	return u
}

func (g *gathering) operation(op bench.Operation) tui.BenchOperation {
	low, high := math.Inf(1), 0.0
	for _, reps := range g.samples[op] {
		for _, rep := range reps {
			for _, v := range rep {
				high = max(high, v)
				if v > 0 { // what took no time at all has no place on the axis
					low = min(low, v)
				}
			}
		}
	}
	low = max(min(low, high), 1)
	high = max(high, low*1.01)
	o := tui.BenchOperation{Name: string(op)}
	for i := range buckets {
		o.Bounds = append(o.Bounds, low*math.Pow(high/low, float64(i+1)/buckets))
	}
	o.Bounds[buckets-1] = high
	for _, policy := range g.policies {
		s := tui.BenchSeries{Policy: policy, Counts: make([]int, buckets), Note: g.notes[policy]}
		if sum, err := bench.Summarize(g.samples[op][policy]); err == nil {
			s.N, s.Mean, s.P50, s.P90, s.P99, s.Max = sum.N, sum.Mean, sum.P50, sum.P90, sum.P99, sum.Max
		}
		for _, rep := range g.samples[op][policy] {
			for _, v := range rep {
				s.Counts[min(sort.SearchFloat64s(o.Bounds, v), buckets-1)]++
			}
		}
		o.Series = append(o.Series, s)
	}
	return o
}
