package invariant_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// TestVeryManyEntries judges state files of very many entries in a time that
// grows with their number, and counts only so many pairs.
func TestVeryManyEntries(t *testing.T) {
	const many = 200_000
	p := machine(2, 1, 24, 2, true)
	disjoint := func(o observe.Observation) []string {
		var out []string
		for _, v := range invariant.Check(o, p) {
			if v.Invariant == invariant.ExclusiveDisjoint {
				out = append(out, v.Detail)
			}
		}
		return out
	}
	for name, c := range map[string]struct {
		pod  func(i int) string
		live bool
		want int
	}{
		"pods that are gone":       {func(i int) string { return fmt.Sprint("pod-", i) }, false, 33},
		"one pod that is gone":     {func(int) string { return "pod" }, false, 0},
		"two pods that are gone":   {func(i int) string { return fmt.Sprint("pod-", min(1, many-1-i)) }, false, 33},
		"init containers of a pod": {func(int) string { return "pod" }, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := node(p, "0")
			for i := range many {
				if c.live {
					x := app(c.pod(i), fmt.Sprint("c", i), "1")
					x.Kind, x.State, x.Actual = observe.KindInit, observe.StateWaiting, ""
					o.Containers = append(o.Containers, x)
					continue
				}
				o.Stale = append(o.Stale, observe.Assignment{Pod: c.pod(i), Container: fmt.Sprint("c", i), CPUs: "1"})
			}
			began := time.Now()
			got := disjoint(o)
			g.Expect(time.Since(began)).To(BeNumerically("<", 30*time.Second), "all pairs would take minutes")
			g.Expect(got).To(HaveLen(c.want))
			if c.want > 0 {
				g.Expect(got[c.want-1]).To(HavePrefix("and at least "))
			}
		})
	}
}
