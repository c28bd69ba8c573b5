package view

import "github.com/pinlab/pinlab/tui/paint"

// Tick is one step on the timeline.
type Tick struct {
	Symbol rune
	Role   paint.Role
}

// The ticks of a timeline.
func plainTick() Tick { return Tick{'●', paint.Text} }

// StepTick is the tick of a step: what is worst about it decides.
func StepTick(observed bool, violations, expected, failures int, stopped bool) Tick {
	switch {
	case failures > 0:
		return Tick{'✗', paint.Bad}
	case violations > expected:
		return Tick{'!', paint.Bad}
	case violations > 0:
		return Tick{'!', paint.Warn}
	case stopped:
		return Tick{'○', paint.Warn}
	case !observed:
		return Tick{'✓', paint.Good}
	}
	return plainTick()
}

// Timeline draws the steps in one line, as many as fit around the current one,
// and returns the first that is shown.
func Timeline(a paint.Area, ticks []Tick, at int) int {
	const step = 2
	room := max(a.W/step, 1)
	from := 0
	if len(ticks) > room {
		from = min(max(at-room/2, 0), len(ticks)-room)
	}
	for i := from; i < len(ticks) && i < from+room; i++ {
		x := (i - from) * step
		attr := paint.Attr(0)
		if i == at {
			attr = paint.Reverse
		}
		a.Set(x, 0, ticks[i].Symbol, ticks[i].Role, attr)
		if i+1 < len(ticks) && i+1 < from+room {
			a.Set(x+1, 0, '─', paint.Border, 0)
		}
	}
	return from
}
