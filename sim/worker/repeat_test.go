package worker

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// replays gives the results in turn, and counts the calls.
func replays(calls *int, results ...scenarios.Result) func() (scenarios.Result, bool) {
	return func() (scenarios.Result, bool) {
		r := results[min(*calls, len(results)-1)]
		*calls++
		return r, false
	}
}

func passed(shared observe.CPUs) scenarios.Result {
	r := scenarios.Result{Verdict: scenarios.Pass}
	r.Steps = []observe.Step{
		{Index: 1, Event: "start kubelet"},
		{Index: 2, Event: "create pod a", Observation: observe.Observation{SharedPool: shared}},
	}
	return r
}

// A replay that goes another way makes the scenario fail, even when both pass.
func TestRepeated(t *testing.T) {
	g := NewWithT(t)
	calls := 0
	r, _ := repeated(5, replays(&calls, passed("0-3")))
	g.Expect(r.Verdict).To(Equal(scenarios.Pass))
	g.Expect(calls).To(Equal(5))

	calls = 0
	r, _ = repeated(5, replays(&calls, passed("0-3"), passed("0-3"), passed("0-2")))
	g.Expect(r.Verdict).To(Equal(scenarios.Fail))
	g.Expect(r.Flaky).To(BeTrue())
	g.Expect(r.Reason).To(Equal("flaky: replay 3 of 5 differs from the first: step 2, create pod a"))

	// How long it took is no difference; another verdict is.
	calls = 0
	slow := passed("0-3")
	slow.DurationSeconds = 10
	r, _ = repeated(2, replays(&calls, passed("0-3"), slow))
	g.Expect(r.Flaky).To(BeFalse())
	calls = 0
	failed := passed("0-3")
	failed.Verdict, failed.Reason = scenarios.Fail, "x"
	r, _ = repeated(2, replays(&calls, passed("0-3"), failed))
	g.Expect(r.Reason).To(ContainSubstring("pass, then fail"))

	// One that was given up is not tried again.
	calls = 0
	r, abandoned := repeated(3, func() (scenarios.Result, bool) {
		calls++
		return scenarios.Result{Verdict: scenarios.Hang}, true
	})
	g.Expect(abandoned).To(BeTrue())
	g.Expect(r.Verdict).To(Equal(scenarios.Hang))
	g.Expect(calls).To(Equal(1))
}
