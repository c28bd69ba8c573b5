package worker

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// repeated replays so many times and compares. The result is the first one's;
// when another went a different way it is a failure that says where. A replay
// that was given up ends it.
func repeated(times int, replay func() (scenarios.Result, bool)) (scenarios.Result, bool) {
	first, abandoned := replay()
	for n := 2; n <= times && !abandoned; n++ {
		var next scenarios.Result
		next, abandoned = replay()
		if where := differs(&first, &next); where != "" {
			first.Verdict, first.Flaky = scenarios.Fail, true
			first.Reason = fmt.Sprintf("flaky: replay %d of %d differs from the first: %s", n, times, where)
			first.Failures = append(first.Failures, first.Reason)
			return first, abandoned
		}
	}
	return first, abandoned
}

// differs says where two replays part, "" when they do not.
func differs(a, b *scenarios.Result) string {
	for i := range min(len(a.Steps), len(b.Steps)) {
		if !same(&a.Steps[i], &b.Steps[i]) {
			s := &a.Steps[i]
			return fmt.Sprintf("step %d, %s", s.Index, s.Event)
		}
	}
	switch {
	case a.Verdict != b.Verdict:
		return fmt.Sprintf("%s, then %s (%s%s)", a.Verdict, b.Verdict, a.Reason, b.Reason)
	case len(a.Steps) != len(b.Steps):
		return fmt.Sprintf("%d steps, then %d", len(a.Steps), len(b.Steps))
	case a.Reason != b.Reason:
		return fmt.Sprintf("%q, then %q", a.Reason, b.Reason)
	}
	return ""
}

// same compares two steps as a reader of the report sees them.
func same(a, b *observe.Step) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}
