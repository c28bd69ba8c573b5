package main

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
)

// TestTUIFollowsMachines replays the scenarios that change the machine and holds
// the followed machine against what was seen online.
func TestTUIFollowsMachines(t *testing.T) {
	g := NewWithT(t)
	tools, err := newToolchain()
	g.Expect(err).NotTo(HaveOccurred())
	asPinlab(t)
	replay := replayChild(tools)
	for _, name := range []string{"cpu-offlined-live", "restart-cpu-added", "restart-smt-off", "restart-numa-setting-changed", "first-pin"} {
		rec, err := replay(context.Background(), name, "")
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(rec.Result.Verdict).To(Equal(scenarios.Pass), name)
		g.Expect(rec.Profiles).To(HaveLen(len(rec.Result.Steps)))
		for i, s := range rec.Result.Steps {
			if s.Observation.Online != "" {
				g.Expect(rec.Profiles[i].OnlineCPUs().String()).To(Equal(string(s.Observation.Online)), "%s, step %d", name, s.Index)
			}
		}
	}
}
