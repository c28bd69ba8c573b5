package stats

import "golang.org/x/perf/benchmath"

// Steadiness decides when a warm-up has gone on for long enough: when the last
// window of samples cannot be told from the one before it. Comparing medians
// alone would never end on a noisy machine, where windows of the same thing lie
// far apart: what matters is a trend, not the noise.
type Steadiness struct {
	// Window is the number of samples in a window; the test has something to say
	// from 4 on.
	Window int
	// Tolerance is a change of the median that does not matter, as a share.
	Tolerance float64

	current, last []float64
	drift         float64
}

// steadyAlpha is the chance that a window which differs only by chance is taken
// for a trend; the warm-up then goes on for another window.
const steadyAlpha = 0.05

// windows have to be full before there is an answer.
const windows = 2

// Needs is the number of samples before there can be an answer.
func (s *Steadiness) Needs() int { return windows * s.Window }

// Add takes a sample and says whether the last two windows agree.
func (s *Steadiness) Add(v float64) bool {
	if s.current = append(s.current, v); len(s.current) < s.Window {
		return false
	}
	before, now := s.last, s.current
	s.last, s.current = now, nil
	if before == nil {
		return false
	}
	s.drift = 0
	if m := Median(before); m > 0 {
		s.drift = Median(now)/m - 1
	}
	if -s.Tolerance <= s.drift && s.drift <= s.Tolerance {
		return true
	}
	thresholds := &benchmath.Thresholds{CompareAlpha: steadyAlpha}
	p := benchmath.AssumeNothing.Compare(benchmath.NewSample(before, thresholds), benchmath.NewSample(now, thresholds)).P
	return !(p < steadyAlpha)
}

// Drift is the change of the median from the window before the last full one to
// that one, as a share; 0 before there are two.
func (s *Steadiness) Drift() float64 { return s.drift }
