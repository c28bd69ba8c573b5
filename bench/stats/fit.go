package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"

	"github.com/pinlab/pinlab/bench/record"
)

// minPoints is how many different sizes a fit needs to have an error.
const minPoints = 3

// Power is y = constant × x^Exponent.
type Power struct {
	Exponent, Constant float64
	// StdErr is the standard error of Exponent, CI95 its confidence interval.
	StdErr float64
	CI95   record.Interval
	R2     float64
}

// At is the fitted y.
func (p Power) At(x float64) float64 { return p.Constant * math.Pow(x, p.Exponent) }

// FitPower fits a power law by least squares on the logarithms.
func FitPower(x, y []float64) (Power, error) {
	if len(x) != len(y) {
		return Power{}, fmt.Errorf("%d sizes and %d times", len(x), len(y))
	}
	different := map[float64]bool{}
	lx, ly := make([]float64, len(x)), make([]float64, len(y))
	for i := range x {
		if !(x[i] > 0) || !(y[i] > 0) || math.IsInf(x[i], 0) || math.IsInf(y[i], 0) {
			return Power{}, fmt.Errorf("point (%v, %v): want positive, finite numbers", x[i], y[i])
		}
		different[x[i]] = true
		lx[i], ly[i] = math.Log(x[i]), math.Log(y[i])
	}
	if len(different) < minPoints {
		return Power{}, fmt.Errorf("%d different sizes: need at least %d for an exponent with an error", len(different), minPoints)
	}
	alpha, beta := stat.LinearRegression(lx, ly, nil, false)
	var residual, spread float64
	mean := stat.Mean(lx, nil)
	for i := range lx {
		residual += sqr(ly[i] - alpha - beta*lx[i])
		spread += sqr(lx[i] - mean)
	}
	degrees := float64(len(x) - 2)
	p := Power{Exponent: beta, Constant: math.Exp(alpha), StdErr: math.Sqrt(residual / degrees / spread)}
	half := quantileT(degrees) * p.StdErr
	p.CI95 = record.Interval{Low: beta - half, High: beta + half}
	p.R2 = stat.RSquared(lx, ly, nil, alpha, beta)
	if math.IsNaN(p.R2) { // all times equal
		p.R2 = 1
	}
	return p, nil
}

// Exponential is y = constant × Factor^x.
type Exponential struct{ Factor, R2 float64 }

// FitExponential fits an exponential by least squares on the logarithm of y.
func FitExponential(x, y []float64) (Exponential, error) {
	if len(x) != len(y) || len(x) < minPoints {
		return Exponential{}, fmt.Errorf("%d sizes and %d times: want as many of each, and at least %d", len(x), len(y), minPoints)
	}
	ly := make([]float64, len(y))
	for i, v := range y {
		if !(v > 0) || math.IsInf(v, 0) {
			return Exponential{}, fmt.Errorf("time %v: want a positive, finite number", v)
		}
		ly[i] = math.Log(v)
	}
	alpha, beta := stat.LinearRegression(x, ly, nil, false)
	return Exponential{Factor: math.Exp(beta), R2: stat.RSquared(x, ly, nil, alpha, beta)}, nil
}

func sqr(v float64) float64 { return v * v }
