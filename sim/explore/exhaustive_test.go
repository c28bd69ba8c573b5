package explore

import (
	"context"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/hwprofiles"
)

func exhaustiveStub(b bug) *Explorer {
	x := &Explorer{Resolve: hwprofiles.Resolve, Prepare: func(*v1.Pod) error { return nil }, Simple: SimpleMachines()}
	x.Workers = []Worker{&Local{Runner: Runner{Setup: newStub(b), Resolve: hwprofiles.Resolve, State: true}}}
	return x
}

// TestExhaustiveLevels searches all starts to one depth before the next: when the time
// is up the report says how far all of them were searched, and what was left.
func TestExhaustiveLevels(t *testing.T) {
	g := NewWithT(t)
	whole := exhaustiveStub(noBug)
	g.Expect(whole.Exhaustive(t.Context(), Exhaustive{Depth: 2, Starts: SmallStarts()})).To(Succeed())
	s := whole.Stats()
	g.Expect([]int{s.Depth, s.Left, s.Dropped}).To(Equal([]int{2, 0, 0}))
	g.Expect(s.States).To(BeNumerically(">", 18))

	cut := exhaustiveStub(noBug)
	asked := 0
	g.Expect(cut.Exhaustive(t.Context(), Exhaustive{Depth: 6, Starts: SmallStarts(), Enough: func() bool { asked++; return asked > 2 }})).To(Succeed())
	s = cut.Stats()
	g.Expect(s.Depth).To(Equal(1), "the first level of all starts is done, the second is not")
	g.Expect(s.Left).To(BeNumerically(">", 0))
	r, err := NewReport("stub", "test", 0, cut)
	g.Expect(err).NotTo(HaveOccurred())
	var b strings.Builder
	g.Expect(Table(&b, r)).To(Succeed())
	g.Expect(b.String()).To(MatchRegexp(`every sequence up to depth 1; [\s\S]*the time was up before depth 2 was done: \d+ states`))
}

// TestExhaustiveMemory keeps to the bound: states beyond it are counted, and the depth
// is that of the last level without any.
func TestExhaustiveMemory(t *testing.T) {
	g := NewWithT(t)
	x := exhaustiveStub(noBug)
	x.Memory = 30 * stateBytes
	g.Expect(x.Exhaustive(t.Context(), Exhaustive{Depth: 3, Starts: SmallStarts()})).To(Succeed())
	s := x.Stats()
	g.Expect(s.States).To(Equal(30))
	g.Expect(s.Dropped).To(BeNumerically(">", 0))
	g.Expect(s.Depth).To(Equal(1))
}

// TestInterrupted tells of what a search has seen when it is ended.
func TestInterrupted(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	x := explorer(initLeak, 1)
	x.Progress = func(s Stats) {
		if s.Findings > 0 {
			cancel()
		}
	}
	g.Expect(x.Random(ctx, Random{Seed: 1, Runs: 5000})).To(MatchError(context.Canceled))
	g.Expect(x.Findings()).NotTo(BeEmpty())
}
