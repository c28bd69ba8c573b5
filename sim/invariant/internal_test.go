package invariant

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/sim/observe"
)

func drawSet(t *rapid.T, label string, maximum int) cpuset.CPUSet {
	return cpuset.New(rapid.SliceOfN(rapid.IntRange(0, maximum), 0, 5).Draw(t, label)...)
}

func TestSetsAreCPUSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		a, b := drawSet(t, "a", 200), drawSet(t, "b", 200)
		x, y := parseSet(observe.FromSet(a)), parseSet(observe.FromSet(b))
		g.Expect(x.String()).To(Equal(a.String()))
		g.Expect(x.size()).To(Equal(a.Size()))
		g.Expect(x.empty()).To(Equal(a.IsEmpty()))
		g.Expect(x.intersects(y)).To(Equal(!a.Intersection(b).IsEmpty()))
		g.Expect(x.within(y)).To(Equal(a.IsSubsetOf(b)))
		g.Expect(x.and(y).String()).To(Equal(a.Intersection(b).String()))
		g.Expect(x.minus(y).String()).To(Equal(a.Difference(b).String()))
		g.Expect(append(set(nil), x...).merge(y).String()).To(Equal(a.Union(b).String()))
		for id := range 210 {
			g.Expect(x.has(id)).To(Equal(a.Contains(id)))
		}
	})
}

func TestMalformedListsAreEmpty(t *testing.T) {
	g := NewWithT(t)
	for _, list := range []observe.CPUs{"x", "1-", "-1", "3-1", "1,,2", "0-9999", "99999999999999999999"} {
		g.Expect(parseSet(list)).To(BeEmpty(), "%s", list)
		g.Expect(list.Set().IsEmpty()).To(BeTrue(), "%s", list)
	}
}

// TestTheShortcutMissesNoPair compares the single pass with asking about all
// pairs.
func TestTheShortcutMissesNoPair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := observe.Observation{Kubelet: observe.KubeletRunning, Config: observe.Config{CPUManagerPolicy: "static"}, SharedPool: "30"}
		for i := range rapid.IntRange(1, 8).Draw(t, "containers") {
			c := observe.Container{
				Pod: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "pod"), Container: fmt.Sprint(i),
				Kind:      rapid.SampledFrom([]observe.ContainerKind{observe.KindApp, observe.KindInit, observe.KindSidecar}).Draw(t, "kind"),
				State:     rapid.SampledFrom([]observe.ContainerState{observe.StateWaiting, observe.StateRunning, observe.StateTerminated}).Draw(t, "state"),
				Exclusive: rapid.Bool().Draw(t, "exclusive"),
				Assigned:  observe.FromSet(drawSet(t, "assigned", 20)),
			}
			o.Containers = append(o.Containers, c)
		}
		k := NewChecker()
		k.view.load(&o, k.parse)
		collides := false
		for i := range k.view.containers {
			for j := i + 1; j < len(k.view.containers); j++ {
				collides = collides || collide(&k.view.containers[i], &k.view.containers[j])
			}
		}
		if collides && !k.anyOverlap() {
			t.Fatal("a pair collides and the single pass sees no overlap")
		}
	})
}
