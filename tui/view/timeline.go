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
		return Tick{'△', paint.Warn}
	case stopped:
		return Tick{'○', paint.Warn}
	case !observed:
		return Tick{'✓', paint.Good}
	}
	return plainTick()
}

// step is the columns of a tick.
const step = 2

// timeline is the first tick that is shown, and how many fit: those around the
// current one.
func timeline(width, ticks, at int) (from, room int) {
	room = max(width/step, 1)
	return max(min(at-room/2, ticks-room), 0), room
}

// TickAt is the tick at a column of a timeline.
func TickAt(width, ticks, at, x int) int {
	from, _ := timeline(width, ticks, at)
	return from + x/step
}

// Timeline draws the steps in one line, as many as fit around the current one.
func Timeline(a paint.Area, ticks []Tick, at int) {
	from, room := timeline(a.W, len(ticks), at)
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
}
