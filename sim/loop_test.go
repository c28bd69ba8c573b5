package sim_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// TestNoLoopStays: a start that ends after upstream has begun its loop takes the loop
// with it. Its period is a nanosecond: one that stays uses a CPU up.
func TestNoLoopStays(t *testing.T) {
	g := NewWithT(t)
	decoder, err := kubelet.NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	s, err := sim.NewLoader(decoder, nil).Parse([]byte(`
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: loop}
profile: generic-1s4c
kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: "0"}
steps:
- startKubelet: {}
- failCheckpointWrite: {file: cpu, errno: ENOSPC}
- deleteStateFile: cpu
- restartKubelet: {}
`), "loop.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	p, err := hwprofiles.Resolve(s.Profile)
	g.Expect(err).NotTo(HaveOccurred())
	for range 3 {
		n, err := sim.New(s, p, sim.Options{Decoder: decoder})
		g.Expect(err).NotTo(HaveOccurred())
		for i := range s.Steps {
			err = n.Apply(t.Context(), s.Steps[i].Event)
		}
		g.Expect(err).To(MatchError(scenarios.ErrUnsupported))
		g.Expect(n.Close()).To(Succeed())
	}
	loops := func() int {
		stacks := make([]byte, 1<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "cpumanager.(*manager).Start")
	}
	g.Eventually(loops, 10*time.Second).Should(BeZero())
}
