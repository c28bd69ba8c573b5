package explore

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/invariant"
)

func TestParseKnown(t *testing.T) {
	for text, want := range map[string]string{
		"known:\n- name: a\n  why: b\n  byDesign: true\n  broken:\n  - aligned\n  - alinged\n":         `k.yaml:7: known[0] (a): broken: unknown invariant "alinged"; did you mean "aligned"?`,
		"known:\n- {name: a, why: b, issue: c, broken: [hang]}\n- {name: a, why: b, broken: [hang]}\n": `k.yaml:3: known[1] (a): nothing shows that it is known`,
	} {
		_, err := ParseKnown([]byte(text), "k.yaml")
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

// TestKnownRoot lets a root explain what follows from it, but nothing by design explain
// what does more harm.
func TestKnownRoot(t *testing.T) {
	g := NewWithT(t)
	list, err := ParseKnown([]byte("known:\n- {name: meant, why: w, byDesign: true, broken: [aligned]}\n- {name: bug, why: w, issue: i, broken: [no-leak]}\n"), "k.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	of := func(broken, root string) string {
		if k := list.of(Cause{Broken: broken}, Cause{Broken: root}, nil); k != nil {
			return k.Name
		}
		return ""
	}
	g.Expect(of(invariant.NoLeak, invariant.Aligned)).To(Equal("bug"))
	g.Expect(of(invariant.PoolAccounted, invariant.NoLeak)).To(Equal("bug"))
	g.Expect(of(invariant.PoolAccounted, invariant.Aligned)).To(BeEmpty())
	g.Expect(of(invariant.RestartStarts, invariant.NoLeak)).To(BeEmpty())
}

// TestKnownPath lets an entry speak of the code: the same invariant broken elsewhere is
// another cause.
func TestKnownPath(t *testing.T) {
	g := NewWithT(t)
	list, err := ParseKnown([]byte("known:\n- {name: a, why: w, issue: i, broken: [no-leak], path: [cpumanager.f, cpumanager.g]}\n"), "k.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	find := func(path ...string) *Known { return list.Find(Cause{Broken: invariant.NoLeak, Path: path}, nil) }
	g.Expect(find("cpumanager.f", "cpumanager.g", "cpumanager.h")).NotTo(BeNil())
	g.Expect(find("cpumanager.f")).To(BeNil())
	g.Expect(find()).To(BeNil())
}

// TestKnownNeedsAny: a kubelet comes back in several ways, and one is enough.
func TestKnownNeedsAny(t *testing.T) {
	g := NewWithT(t)
	list, err := ParseKnown([]byte("known:\n- {name: a, why: w, issue: i, needs: [pods], needsAny: [restart, reboot], without: [faults]}\n"), "k.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	find := func(needs ...string) *Known { return list.Find(Cause{Broken: invariant.NoLeak}, needs) }
	g.Expect(find("pods", "restart")).NotTo(BeNil())
	g.Expect(find("pods", "reboot", "more")).NotTo(BeNil())
	g.Expect(find("pods")).To(BeNil())
	g.Expect(find("restart")).To(BeNil())
	g.Expect(find("pods", "restart", "faults")).To(BeNil())
}
