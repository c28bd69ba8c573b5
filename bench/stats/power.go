package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/combin"
	"gonum.org/v1/gonum/stat/distuv"
)

// maxRepetitions is where LeastRepetitions gives up.
const maxRepetitions = 200

// LeastP is the smallest p-value that the two-sided Mann-Whitney test can give
// with samples of these sizes: that of one sample lying wholly above the other.
func LeastP(n1, n2 int) float64 {
	if n1 < 1 || n2 < 1 {
		return 1
	}
	return min(1, 2/combin.GeneralizedBinomial(float64(n1+n2), float64(n1)))
}

// LeastRepetitions is the smallest size of two equal samples with which the test
// can reach alpha at all.
func LeastRepetitions(alpha float64) int {
	n := 1
	for n < maxRepetitions && LeastP(n, n) > alpha {
		n++
	}
	return n
}

// RepetitionsToSee estimates how many repetitions each run would need for a
// change of the given share to be found in four of five comparisons. It takes the
// logarithms to be normal with the spread that the two samples have (1.4826 times
// the median absolute deviation, so that one disturbed repetition does not
// count), and the Mann-Whitney test to need π/3 times the samples of a t-test.
// It is 0 when the samples do not say.
func RepetitionsToSee(change, alpha float64, samples ...[]float64) int {
	const power = 0.8
	if !(change > 0) {
		return 0
	}
	var spread float64
	for _, list := range samples {
		logs := make([]float64, len(list))
		for i, v := range list {
			if !(v > 0) {
				return 0
			}
			logs[i] = math.Log(v)
		}
		center := Median(logs)
		for i := range logs {
			logs[i] = math.Abs(logs[i] - center)
		}
		spread = max(spread, 1.4826*Median(logs))
	}
	normal := distuv.UnitNormal
	z := normal.Quantile(1-alpha/2) + normal.Quantile(power)
	n := 2 * sqr(z*spread/math.Log1p(change)) * math.Pi / 3
	if math.IsNaN(n) || n > 1e6 {
		return 0
	}
	return max(int(math.Ceil(n)), LeastRepetitions(alpha))
}
