package bench

import (
	"fmt"
	"math"
	"time"

	"github.com/pinlab/pinlab/bench/measure"
)

// unsteady sums up the warm-ups of a configuration that did not become steady.
type unsteady struct {
	short, drifting int
	// factor is the largest of the short ones', drift the largest of the others'.
	factor, drift float64
}

func (u *unsteady) add(w *measure.Unsteady) {
	switch {
	case w == nil:
	case w.Factor > 0:
		u.short++
		u.factor = max(u.factor, w.Factor)
	default:
		u.drifting++
		u.drift = max(u.drift, math.Abs(w.Drift))
	}
}

// muchPreemption is how often a second is too often.
const muchPreemption = 20

// doubts are those about the children.
func (r *runner) doubts() []Warning {
	var each []Warning
	var all unsteady // counts configurations
	for i := range r.unsteady {
		u, about := &r.unsteady[i], r.results[i].Config.Name()
		if 2*u.short > r.complete[i] {
			all.short++
			all.factor = max(all.factor, u.factor)
			each = append(each, Warning{About: about, Text: fmt.Sprintf(
				"%d of %d warm-ups were too short to say whether the times were steady; --time %v is long enough", u.short, r.complete[i], r.enough(u.factor))})
		}
		if 2*u.drifting > r.complete[i] {
			all.drifting++
			all.drift = max(all.drift, u.drift)
			each = append(each, Warning{About: about, Text: fmt.Sprintf(
				"in %d of %d warm-ups the times were still changing at the end, by up to %.0f %%", u.drifting, r.complete[i], 100*u.drift)})
		}
	}
	var out []Warning
	if all.short > 0 {
		out = append(out, Warning{Text: fmt.Sprintf(
			"in %d of %d configurations most warm-ups were too short to say whether the times were steady; --time %v is long enough (and more --deadline, if need be)",
			all.short, len(r.results), r.enough(all.factor))})
	}
	if all.drifting > 0 {
		out = append(out, Warning{Text: fmt.Sprintf(
			"in %d of %d configurations the times were still changing, by up to %.0f %%, when most warm-ups ended: other work disturbs them, or they need a longer --time than %v",
			all.drifting, len(r.results), 100*all.drift, r.plan.Time)})
	}
	out = append(out, each...)
	if s := r.sampling.Seconds(); s > 0 && float64(r.preempted)/s > muchPreemption {
		out = append(out, Warning{Text: fmt.Sprintf("other work took the CPU away %d times in %.1f s of sampling: look at p50, not at p99 and max", r.preempted, s)})
	}
	return out
}

// enough is a time for sampling with which a warm-up that was too short by a
// factor is long enough: what bounds it is in proportion, or less for the plan as
// it is.
func (r *runner) enough(factor float64) time.Duration {
	limit := max(r.plan.Time, measure.LeastWarm(r.plan.Repetitions))
	d := time.Duration(1.25 * factor * float64(limit))
	return d.Truncate(time.Second) + time.Second
}
