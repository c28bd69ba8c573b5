package stats_test

import (
	"math"
	"testing"

	. "github.com/onsi/gomega"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/bench/stats"
)

// TestQuantile uses the worked example of the Wikipedia article Percentile
// (interpolation with C = 1, which is Hyndman and Fan's type 7) and R's
// quantile(1:10, 0.9).
func TestQuantile(t *testing.T) {
	g := NewWithT(t)
	list := []float64{15, 20, 35, 40, 50}
	g.Expect(stats.Quantile(0.40, list)).To(BeNumerically("~", 29, 1e-12))
	g.Expect(stats.Quantile(0.05, list)).To(BeNumerically("~", 16, 1e-12))
	g.Expect(stats.Quantile(0, list)).To(Equal(15.0))
	g.Expect(stats.Quantile(1, list)).To(Equal(50.0))
	g.Expect(stats.Quantile(0.9, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})).To(BeNumerically("~", 9.1, 1e-12))
	g.Expect(stats.Median([]float64{4, 1, 3, 2})).To(Equal(2.5))
	g.Expect(stats.Quantile(0.5, []float64{7})).To(Equal(7.0))
	g.Expect(math.IsNaN(stats.Quantile(0.5, nil))).To(BeTrue())
}

// TestMeanInterval uses the NIST/SEMATECH e-Handbook, 1.3.5.2 (ZARR13.DAT): 195
// values, mean 9.261460, standard deviation 0.022789, interval 9.258242 to
// 9.264679. The values are made anew from mean and deviation: half of them lie
// below, half above, and one in the middle.
func TestMeanInterval(t *testing.T) {
	g := NewWithT(t)
	const n, mean, sd = 195, 9.261460, 0.022789
	step := sd * math.Sqrt(float64(n-1)/float64(n-1))
	values := []float64{mean}
	for range (n - 1) / 2 {
		values = append(values, mean-step, mean+step)
	}
	got, ci := stats.MeanInterval(values)
	g.Expect(got).To(BeNumerically("~", mean, 1e-9))
	g.Expect(ci.Low).To(BeNumerically("~", 9.258242, 1e-6))
	g.Expect(ci.High).To(BeNumerically("~", 9.264679, 1e-6))

	// By hand: 1, 2, 3 has mean 2, deviation 1, t(2) = 4.302653.
	got, ci = stats.MeanInterval([]float64{1, 2, 3})
	g.Expect(got).To(Equal(2.0))
	g.Expect(ci.High - 2).To(BeNumerically("~", 4.302653/math.Sqrt(3), 1e-6))
	_, ci = stats.MeanInterval([]float64{5})
	g.Expect(ci).To(BeNil())
}

// norris is the data set of that name of NIST's Statistical Reference Datasets,
// as pairs of y and x.
func norris() (x, y []float64) {
	data := []float64{
		0.1, 0.2, 338.8, 337.4, 118.1, 118.2, 888.0, 884.6, 9.2, 10.1, 228.1, 226.5, 668.5, 666.3, 998.5, 996.3,
		449.1, 448.6, 778.9, 777.0, 559.2, 558.2, 0.3, 0.4, 0.1, 0.6, 778.1, 775.5, 668.8, 666.9, 339.3, 338.0,
		448.9, 447.5, 10.8, 11.6, 557.7, 556.0, 228.3, 228.1, 998.0, 995.8, 888.8, 887.6, 119.6, 120.2, 0.3, 0.3,
		0.6, 0.3, 557.6, 556.8, 339.3, 339.1, 888.0, 887.2, 998.5, 999.0, 778.9, 779.0, 10.2, 11.1, 117.6, 118.3,
		228.9, 229.2, 668.4, 669.1, 449.2, 448.9, 0.2, 0.5,
	}
	for i := 0; i < len(data); i += 2 {
		y, x = append(y, data[i]), append(x, data[i+1])
	}
	return x, y
}

// TestFitPower fits Norris on its logarithms: with e^(v/100) for each value v the
// exponent and its error are the certified slope and its error.
func TestFitPower(t *testing.T) {
	g := NewWithT(t)
	x, y := norris()
	for i := range x {
		x[i], y[i] = math.Exp(x[i]/100), math.Exp(y[i]/100)
	}
	p, err := stats.FitPower(x, y)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Exponent).To(BeNumerically("~", 1.00211681802045, 1e-9))
	g.Expect(p.StdErr).To(BeNumerically("~", 0.429796848199937e-03, 1e-9))
	g.Expect(p.R2).To(BeNumerically("~", 0.999993745883712, 1e-9))
	g.Expect(math.Log(p.Constant) * 100).To(BeNumerically("~", -0.262323073774029, 1e-6))
	// t(34) = 2.032245.
	g.Expect(p.CI95.High - p.Exponent).To(BeNumerically("~", 2.032245*p.StdErr, 1e-8))
}

func TestFitPowerRefuses(t *testing.T) {
	g := NewWithT(t)
	_, err := stats.FitPower([]float64{1, 2, 2}, []float64{1, 2, 3})
	g.Expect(err).To(MatchError("2 different sizes: need at least 3 for an exponent with an error"))
	_, err = stats.FitPower([]float64{1, 2, 0}, []float64{1, 2, 3})
	g.Expect(err).To(MatchError("point (0, 3): want positive, finite numbers"))
	_, err = stats.FitPower([]float64{1, 2, 3}, []float64{1, 2, math.NaN()})
	g.Expect(err).To(HaveOccurred())
	_, err = stats.FitPower([]float64{1, 2}, []float64{1})
	g.Expect(err).To(MatchError("2 sizes and 1 times"))
}

func TestFitExponential(t *testing.T) {
	g := NewWithT(t)
	e, err := stats.FitExponential([]float64{2, 4, 8}, []float64{12, 48, 768}) // 3 × 2^x
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.Factor).To(BeNumerically("~", 2, 1e-9))
	g.Expect(e.R2).To(BeNumerically("~", 1, 1e-9))
	_, err = stats.FitExponential([]float64{1, 2}, []float64{1, 2})
	g.Expect(err).To(HaveOccurred())
}

func TestSummarize(t *testing.T) {
	g := NewWithT(t)
	// By hand: repetition means 2 and 5, their mean 3.5, t(1) = 12.706205.
	s, err := stats.Summarize([][]float64{{3, 1, 2}, {6, 4, 5}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.N).To(Equal(6))
	g.Expect(s.Mean).To(Equal(3.5))
	g.Expect(s.P50).To(Equal(3.5))
	g.Expect(s.Max).To(Equal(6.0))
	g.Expect(s.MeanCI95.High - s.Mean).To(BeNumerically("~", 12.706205*1.5, 1e-4))
	g.Expect(s.P90).To(BeNil(), "six samples have no 90th percentile")

	_, err = stats.Summarize([][]float64{{}, nil})
	g.Expect(err).To(MatchError(stats.ErrNoSamples))
	_, err = stats.Summarize([][]float64{{1, math.NaN()}})
	g.Expect(err).To(MatchError("sample NaN: want a finite number"))

	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 1000}
	s, err = stats.Summarize([][]float64{ten})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.MeanCI95).To(BeNil(), "one repetition has no interval")
	g.Expect(*s.P90).To(BeNumerically("~", 108.1, 1e-9), "9 + 0.1 × 991")
	g.Expect(s.P99).To(BeNil())
	g.Expect(s.Max).To(Equal(1000.0), "an outlier stays")
	hundred := make([]float64, 100)
	s, err = stats.Summarize([][]float64{hundred})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.P99).NotTo(BeNil())
}

// TestIntervalsCover draws samples from a known distribution: 95 of 100 intervals
// must hold its mean.
func TestIntervalsCover(t *testing.T) {
	g := NewWithT(t)
	random := newRandom(1)
	held, runs := 0, 2000
	for range runs {
		values := make([]float64, 8)
		for i := range values {
			values[i] = 100 + 10*random.NormFloat64()
		}
		if _, ci := stats.MeanInterval(values); ci.Low <= 100 && 100 <= ci.High {
			held++
		}
	}
	g.Expect(float64(held) / float64(runs)).To(BeNumerically("~", 0.95, 0.015))
}

func TestSummaryProperties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := NewWithT(rt)
		reps := rapid.SliceOfN(rapid.SliceOfN(rapid.Float64Range(0, 1e12), 1, 30), 1, 8).Draw(rt, "repetitions")
		s, err := stats.Summarize(reps)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(s.P50).To(BeNumerically("<=", s.Max))
		g.Expect(s.Mean).To(BeNumerically("<=", s.Max*(1+1e-12)))
		if s.P90 != nil {
			g.Expect(*s.P90).To(And(BeNumerically(">=", s.P50), BeNumerically("<=", s.Max)))
		}
		if s.P99 != nil {
			g.Expect(*s.P99).To(And(BeNumerically(">=", *s.P90), BeNumerically("<=", s.Max)))
		}
		all := 0
		for _, r := range reps {
			all += len(r)
		}
		g.Expect(s.N).To(Equal(all))
	})
}

func TestMeansAndMedians(t *testing.T) {
	g := NewWithT(t)
	reps := [][]float64{{1, 2, 9}, {}, {4}}
	g.Expect(stats.Medians(reps)).To(Equal([]float64{2, 4}))
	g.Expect(stats.Means(reps)).To(Equal([]float64{stat.Mean(reps[0], nil), 4}))
}
