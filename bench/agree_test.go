package bench_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/perf/benchfmt"

	"github.com/pinlab/pinlab/bench"
	"github.com/pinlab/pinlab/bench/stats"
)

const (
	agreePairs   = 9
	agreeWithin  = 0.05
	agreeTries   = 4
	agreeCalls   = 400
	agreeProfile = "xeon-2s24c-smt2"
)

// TestAgreesWithGoTest measures the same call twice, with pinlab bench and with a
// plain Go benchmark around the bare upstream managers. The two take turns; the
// median of the pairs' ratios must be 1 within 5 %. A machine that does other
// things meanwhile spoils it now and then, so it has a few tries.
func TestAgreesWithGoTest(t *testing.T) {
	if os.Getenv("PINLAB_MEASURE") == "" {
		t.Skip("measures times, which takes a machine without other tests on it: 'make agree'")
	}
	g := NewWithT(t)
	program := filepath.Join(t.TempDir(), "upstream.test")
	out, err := exec.Command("go", "test", "-c", "-o", program, "../sim/kubelet").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	var seen []float64
	for range agreeTries {
		ratios := make([]float64, agreePairs)
		for i := range ratios {
			// Who goes first changes, so that a trend favours nobody.
			var plain, ours float64
			if i%2 == 0 {
				plain, ours = goTest(t, program), pinlabBench(t)
			} else {
				ours, plain = pinlabBench(t), goTest(t, program)
			}
			ratios[i] = ours / plain
		}
		ratio := stats.Median(ratios)
		slices.Sort(ratios)
		t.Logf("pinlab bench / go test -bench: median %.3f of %.3f", ratio, ratios)
		if seen = append(seen, ratio); ratio > 1-agreeWithin && ratio < 1+agreeWithin {
			return
		}
	}
	t.Errorf("pinlab bench and go test -bench never agreed within %.0f %%: ratios %.3f", 100*agreeWithin, seen)
}

// goTest is the median call of a plain Go benchmark. On a busy machine its mean
// is one of interruptions.
func goTest(t *testing.T, program string) float64 {
	t.Helper()
	g := NewWithT(t)
	cmd := exec.Command(program, "-test.run", "^$", "-test.bench", "^BenchmarkUpstreamAdmit$", "-test.benchtime", strconv.Itoa(agreeCalls)+"x")
	cmd.Env = append(os.Environ(), "PINLAB_BENCH_PROFILE="+agreeProfile)
	out, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	for r := benchfmt.NewReader(bytes.NewReader(out), "go test"); r.Scan(); {
		if line, ok := r.Result().(*benchfmt.Result); ok {
			if p50, known := line.Value("p50-sec/op"); known {
				return p50 * 1e9
			}
			p50, known := line.Value("p50-ns/op")
			g.Expect(known).To(BeTrue(), string(out))
			return p50
		}
	}
	t.Fatalf("no benchmark line in: %s", out)
	return 0
}

// pinlabBench is the median of as many samples of pinlab bench, from one process
// as well.
func pinlabBench(t *testing.T) float64 {
	t.Helper()
	g := NewWithT(t)
	p, err := bench.NewPlan(bench.Request{
		Profiles: []string{agreeProfile}, Fills: []string{"empty"}, Storages: []string{"memory"},
		Operations: []string{"admit"}, Repetitions: 1, Samples: agreeCalls, Time: 100 * time.Millisecond,
	})
	g.Expect(err).NotTo(HaveOccurred())
	p.Command = children("worker")
	r, err := bench.Run(context.Background(), p, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Results[0].Status).To(Equal(bench.StatusDone), r.Results[0].Reason)
	return r.Results[0].Of("admit").Summary.P50
}
