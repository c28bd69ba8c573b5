package sim_test

import (
	"testing"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
)

// BenchmarkRegression replays the runs of the regression suite one after the
// other, as one worker process does: runs/s is for one core. Reading the
// scenarios is not counted; a worker does that, too, and it is small.
func BenchmarkRegression(b *testing.B) {
	w := newWorkbench(b)
	suite, err := w.loader.LoadSuite("regression")
	if err != nil {
		b.Fatal(err)
	}
	runs, err := w.loader.Runs(suite, hwprofiles.Resolve)
	if err != nil {
		b.Fatal(err)
	}
	var applies []scenarios.SuiteRun
	for _, r := range runs {
		if r.Skip == "" {
			applies = append(applies, r)
		}
	}
	setup := sim.Setup(sim.Options{Decoder: w.decoder, OwnProcess: true})
	n := 0
	// A prime step through the list mixes the machines.
	for b.Loop() {
		r := applies[n*1009%len(applies)]
		n++
		if res := (scenarios.Runner{}).RunSetup(b.Context(), r.Scenario, setup, r.Profile); res.Verdict != scenarios.Pass {
			b.Fatalf("%s: %s", r.Key(), res.Reason)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "runs/s")
}
