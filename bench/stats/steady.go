package stats

import "math"

// Steadiness decides when a warm-up has gone on for long enough: when the
// medians of three successive windows lie close together.
type Steadiness struct {
	// Window is the number of samples in a window, at least 1.
	Window int
	// Tolerance is how far the medians may part, as a share of the smallest.
	Tolerance float64

	current []float64
	medians []float64
}

// windows is how many of them have to agree.
const windows = 3

// Add takes a sample and says whether the last windows agree.
func (s *Steadiness) Add(v float64) bool {
	if s.current = append(s.current, v); len(s.current) < s.Window {
		return false
	}
	s.medians = append(s.medians, Median(s.current))
	s.current = s.current[:0]
	if len(s.medians) < windows {
		return false
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, m := range s.medians[len(s.medians)-windows:] {
		low, high = min(low, m), max(high, m)
	}
	return high-low <= s.Tolerance*low
}
