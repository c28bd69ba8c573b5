package tui

import "time"

// Comparison is a set of policies that can be measured side by side.
type Comparison struct {
	Name, Note string
	// Policies are the names of what is compared.
	Policies []string
}

// BenchSpec is what is to be measured.
type BenchSpec struct {
	Profile    string
	Comparison Comparison
}

// BenchUpdate is what a bench has so far: a copy, which the receiver may keep.
type BenchUpdate struct {
	// Part of the work that is done, from 0 to 1; Left is the time that the rest
	// will take, 0 when it is not known.
	Part float64
	Left time.Duration
	// Phase says what is being measured.
	Phase string
	// Operations are what is measured of each policy, in the order of the tabs.
	Operations []BenchOperation
	// Warnings say what the figures are not worth.
	Warnings []string
	// Done says that this is the last update, and that its samples can be saved;
	// Stopped that the run was ended before all was measured.
	Done, Stopped bool
	// Streamed counts the samples that were shown, Reported those of the report
	// that can be saved; the latter is 0 before there is one.
	Streamed, Reported int
}

// names are those of the operations.
func (u *BenchUpdate) names() []string {
	names := make([]string, 0, len(u.Operations))
	for _, op := range u.Operations {
		names = append(names, op.Name)
	}
	return names
}

// BenchOperation is one path through the managers, policy beside policy.
type BenchOperation struct {
	Name string
	// Bounds are the upper bounds of the histogram's buckets in nanoseconds, the
	// same for all series so that they can be compared by eye.
	Bounds []float64
	Series []BenchSeries
}

// BenchSeries is one policy's samples of an operation. Times are nanoseconds.
type BenchSeries struct {
	Policy string
	N      int
	// Counts are the samples in each bucket.
	Counts []int
	Mean   float64
	P50    float64
	// P90 and P99 are nil where there are too few samples beyond them.
	P90, P99 *float64
	Max      float64
	// Note says why there are no figures, or what those there are mean: of a run
	// that took too long, or of a pod that was rejected.
	Note string
}
