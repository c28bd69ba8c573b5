package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench/stats"
)

func newRandom(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// TestLeastP is by hand: of the C(8,4) = 70 ways to part eight values in two
// fours, two are wholly apart.
func TestLeastP(t *testing.T) {
	g := NewWithT(t)
	g.Expect(stats.LeastP(4, 4)).To(BeNumerically("~", 2.0/70, 1e-12))
	g.Expect(stats.LeastP(5, 5)).To(BeNumerically("~", 2.0/252, 1e-12))
	g.Expect(stats.LeastP(1, 1)).To(Equal(1.0))
	g.Expect(stats.LeastP(0, 5)).To(Equal(1.0))
	g.Expect(stats.LeastRepetitions(0.05)).To(Equal(4), "3 + 3 gives 2/20 at best")
	g.Expect(stats.LeastRepetitions(0.05/100)).To(Equal(8), "2/C(14,7) = 0.00058, 2/C(16,8) = 0.00016")
	g.Expect(stats.LeastRepetitions(0)).To(Equal(200), "it gives up")
}

func TestSteadiness(t *testing.T) {
	g := NewWithT(t)
	s := stats.Steadiness{Window: 2, Tolerance: 0.05}
	for _, v := range []float64{900, 700, 400, 300, 100, 100, 101, 101} {
		g.Expect(s.Add(v)).To(BeFalse(), "%v", v)
	}
	g.Expect(s.Add(5000)).To(BeFalse(), "a window is not full")
	g.Expect(s.Add(99)).To(BeFalse(), "an outlier makes its window differ")
	for _, v := range []float64{100, 101, 100, 102, 100} {
		g.Expect(s.Add(v)).To(BeFalse())
	}
	g.Expect(s.Add(100)).To(BeTrue())
}

// TestRepetitionsToSee is by hand: a spread of 5 % (deviations of 0.05/1.4826
// around the median), a change of 10 %: 2 × (2.8016 × 0.05 / ln 1.1)² × π/3 = 4.52.
func TestRepetitionsToSee(t *testing.T) {
	g := NewWithT(t)
	spread := math.Exp(0.05 / 1.4826)
	list := []float64{100 / spread, 100, 100 * spread, 100 / spread, 100 * spread}
	g.Expect(stats.RepetitionsToSee(0.1, 0.05, list, list)).To(Equal(5))
	g.Expect(stats.RepetitionsToSee(0.05, 0.05, list)).To(Equal(18), "2 × (2.8016 × 0.05 / ln 1.05)² × π/3 = 17.3")
	g.Expect(stats.RepetitionsToSee(0.1, 0.05, []float64{7, 7, 7})).To(Equal(4), "no spread, but the test needs four")
	g.Expect(stats.RepetitionsToSee(0, 0.05, list)).To(Equal(0))
	g.Expect(stats.RepetitionsToSee(0.1, 0.05, []float64{0, 1})).To(Equal(0))
	g.Expect(stats.RepetitionsToSee(0.1, 0.05, nil)).To(Equal(0))
}
