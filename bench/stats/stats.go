// Package stats makes numbers of samples. What gonum has is taken from there.
package stats

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/pinlab/pinlab/bench/record"
)

// confidence is that of all intervals.
const confidence = 0.95

// Quantile is the p-quantile of sorted samples, interpolated as R and NumPy do
// by default (type 7 of Hyndman and Fan, 1996); gonum interpolates otherwise,
// and gives 2 as the median of 1, 2, 3, 4. NaN without samples.
func Quantile(p float64, sorted []float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p * float64(len(sorted)-1)
	low := int(math.Floor(at))
	if low >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

// Median is the median of samples in any order.
func Median(samples []float64) float64 {
	return Quantile(0.5, slices.Sorted(slices.Values(samples)))
}

// MeanInterval is the mean of independent values with its confidence interval
// by Student's t; nil with fewer than two values.
func MeanInterval(values []float64) (mean float64, ci *record.Interval) {
	mean, sd := stat.MeanStdDev(values, nil)
	n := float64(len(values))
	if n < 2 {
		return mean, nil
	}
	half := quantileT(n-1) * stat.StdErr(sd, n)
	return mean, &record.Interval{Low: mean - half, High: mean + half}
}

// quantileT is Student's two-sided t at the confidence of this package.
func quantileT(degrees float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degrees}.Quantile((1 + confidence) / 2)
}

// Medians are those of each repetition that has samples: the values that are
// independent of one another.
func Medians(repetitions [][]float64) []float64 { return each(repetitions, Median) }

// Means are those of each repetition that has samples.
func Means(repetitions [][]float64) []float64 {
	return each(repetitions, func(list []float64) float64 { return stat.Mean(list, nil) })
}

func each(repetitions [][]float64, fn func([]float64) float64) []float64 {
	var out []float64
	for _, list := range repetitions {
		if len(list) > 0 {
			out = append(out, fn(list))
		}
	}
	return out
}

// ErrNoSamples says that there is nothing to describe.
var ErrNoSamples = errors.New("no samples")

// Summarize describes all samples of a series; outliers count like any other.
// The interval of the mean is that of the repetitions' means.
func Summarize(repetitions [][]float64) (record.Summary, error) {
	all := slices.Concat(repetitions...)
	if len(all) == 0 {
		return record.Summary{}, ErrNoSamples
	}
	for _, v := range all {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return record.Summary{}, fmt.Errorf("sample %v: want a finite number", v)
		}
	}
	slices.Sort(all)
	s := record.Summary{N: len(all), P50: Quantile(0.5, all), Max: all[len(all)-1]}
	s.Mean = stat.Mean(all, nil)
	if means := Means(repetitions); len(means) > 1 {
		_, s.MeanCI95 = MeanInterval(means)
		// Repetitions may differ in size: the interval keeps its width and lies
		// around the mean that is shown.
		half := (s.MeanCI95.High - s.MeanCI95.Low) / 2
		s.MeanCI95 = &record.Interval{Low: s.Mean - half, High: s.Mean + half}
	}
	s.P90, s.P99 = beyond(0.90, all), beyond(0.99, all)
	return s, nil
}

// beyond is the p-quantile where at least one sample is expected above it, else
// nil: the 99th percentile of 20 samples is their maximum by another name.
func beyond(p float64, sorted []float64) *float64 {
	if float64(len(sorted))*(1-p) < 1-1e-9 {
		return nil
	}
	q := Quantile(p, sorted)
	return &q
}
