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

// TestSteadiness by hand: with windows of four the test's p is 2/70 = 0.029 when
// all of one window lie below all of the other, and 0.057 with one exchange.
func TestSteadiness(t *testing.T) {
	g := NewWithT(t)
	s := stats.Steadiness{Window: 4, Tolerance: 0.05}
	g.Expect(s.Needs()).To(Equal(8))
	for _, v := range []float64{900, 800, 700, 600, 500, 450, 400, 350, 120, 121, 119, 118} {
		g.Expect(s.Add(v)).To(BeFalse(), "%v", v)
	}
	g.Expect(s.Drift()).To(BeNumerically("~", 119.5/425-1, 1e-9))
	for _, v := range []float64{100, 117, 90} {
		g.Expect(s.Add(v)).To(BeFalse(), "a window is not full")
	}
	g.Expect(s.Add(116)).To(BeFalse(), "9 %% less, and all of them")
	for _, v := range []float64{150, 80, 170} {
		g.Expect(s.Add(v)).To(BeFalse())
	}
	g.Expect(s.Add(70)).To(BeTrue(), "noise: the medians are within 7 %%, and no trend can be told")
}

// TestSteadinessInNoise counts how many windows a warm-up takes where samples of
// the same thing differ by 30 %: hardly ever more than a few. Where each window
// is a fifth faster than the one before, it goes on.
func TestSteadinessInNoise(t *testing.T) {
	g := NewWithT(t)
	rng := rand.New(rand.NewPCG(3, 5))
	const runs, window = 1000, 8
	late := 0
	for range runs {
		s := stats.Steadiness{Window: window, Tolerance: 0.1}
		n := 1
		for !s.Add(100 * math.Exp(0.3*rng.NormFloat64())) {
			n++
		}
		if n > s.Needs() {
			late++
		}
	}
	g.Expect(late).To(BeNumerically("<", runs/10), "5 %% by chance")
	early := 0
	for range runs {
		s := stats.Steadiness{Window: window, Tolerance: 0.1}
		level, n := 100.0, 0
		for ; n < 5*window; n++ {
			if n%window == 0 {
				level *= 0.8
			}
			if s.Add(level * math.Exp(0.05*rng.NormFloat64())) {
				early++
				break
			}
		}
	}
	g.Expect(early).To(BeNumerically("<", runs/20))
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
