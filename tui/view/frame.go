package view

import "github.com/pinlab/pinlab/tui/paint"

// Header is the first line of every screen.
type Header struct {
	Views  []string
	Active int
	// Right is what the view is about, a machine mostly.
	Right string
}

// DrawHeader draws it and returns where each view's name ends, for the mouse.
func DrawHeader(a paint.Area, h Header) []int {
	x := a.Print(0, 0, "pinlab", paint.Title, 0) + 2
	ends := make([]int, 0, len(h.Views))
	for i, name := range h.Views {
		role := paint.Dim
		if i == h.Active {
			role = paint.Focus
		}
		x = a.Print(x, 0, string(rune('1'+i))+" ", paint.Key, 0)
		x = a.Print(x, 0, name, role, 0)
		ends = append(ends, x)
		x += 2
	}
	if room := a.W - x; room > 8 {
		runes := []rune(h.Right)
		if len(runes) > room {
			runes = append(runes[:room-1], '…')
		}
		a.Print(a.W-len(runes), 0, string(runes), paint.Text, 0)
	}
	return ends
}

// Hint is a key and what it does.
type Hint struct{ Key, Text string }

// width is the room that a hint takes.
func (h Hint) width() int { return len([]rune(h.Key)) + 1 + len([]rune(h.Text)) }

// DrawHints draws as many hints as fit.
func DrawHints(a paint.Area, hints []Hint) {
	for i, x := range places(a.W, hints) {
		at := a.Print(x, 0, hints[i].Key, paint.Key, 0)
		a.Print(at+1, 0, hints[i].Text, paint.Dim, 0)
	}
}

// places are the columns where hints begin, of those that have room.
func places(width int, hints []Hint) (out []int) {
	x := 0
	for _, h := range hints {
		if x+h.width() > width {
			break
		}
		out = append(out, x)
		x += h.width() + 2
	}
	return out
}

// HintAt is the hint at a column of those that DrawHints draws, -1 where there is
// none.
func HintAt(width int, hints []Hint, column int) int {
	for i, x := range places(width, hints) {
		if column >= x && column < x+hints[i].width() {
			return i
		}
	}
	return -1
}

// Message is what the last action answered.
type Message struct {
	Text string
	Role paint.Role
}

// DrawMessage draws it in one line.
func DrawMessage(a paint.Area, m Message) { a.Print(0, 0, m.Text, m.Role, 0) }
