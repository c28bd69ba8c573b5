package explore

import (
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// TestDamagedFiles draws every way in which a state file is damaged, always with the
// kubelet down, and a limit on open files that ends again.
func TestDamagedFiles(t *testing.T) {
	g := NewWithT(t)
	gen := newGenerator(hwprofiles.Resolve, kubelet.PreparePod)
	rng := rand.New(rand.NewPCG(1, 1))
	seen := map[string]int{}
	for range 600 {
		s, err := gen.scenario(randomGenome(rng))
		g.Expect(err).NotTo(HaveOccurred())
		for i := range s.Steps {
			how := ""
			switch e := s.Steps[i].Event.(type) {
			case scenarios.WriteStateFile:
				how = "empty"
			case scenarios.EditStateFile:
				how = "appended"
				if e.Truncate != nil {
					how = "truncated"
				} else if e.Set != nil {
					how = "changed"
				}
			case scenarios.LimitOpenFiles:
				seen["limited"]++
				continue
			case scenarios.ClearFaults:
				seen["cleared"]++
				continue
			default:
				continue
			}
			seen[how]++
			g.Expect(s.Steps[i-1].Event).To(Equal(scenarios.StopKubelet{}))
			g.Expect(s.Steps[i+1].Event).To(Equal(scenarios.StartKubelet{}))
		}
	}
	for _, how := range []string{"empty", "truncated", "changed", "appended", "limited"} {
		g.Expect(seen[how]).To(BeNumerically(">", 0), how)
	}
	g.Expect(seen["cleared"]).To(BeNumerically(">=", seen["limited"]))
}
