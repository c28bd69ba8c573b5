package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
)

// overlay is a box above a view that takes all keys until it is closed.
type overlay interface {
	// key takes a key press. It closes the overlay by setting m.overlay.
	key(m *Model, k tea.KeyPressMsg) tea.Cmd
	paste(text string)
	// arrange works out, for the place of a view, what draw shows there.
	arrange(a paint.Area)
	draw(a paint.Area)
	// click takes a click at a place of the screen.
	click(m *Model, x, y int) tea.Cmd
}

// middle is a place for a box of at most w by h in the middle of an area, with a
// column of nothing at both sides where there is room.
func middle(a paint.Area, w, h int) paint.Area {
	box := centre(a, w, h)
	if x := box.X - a.X; x > 0 {
		a.Sub(x-1, box.Y-a.Y, box.W+2, box.H).Fill(' ', paint.Text, 0)
	}
	return box
}

// centre is the place alone.
func centre(a paint.Area, w, h int) paint.Area {
	w, h = min(w, a.W), min(h, a.H)
	return a.Sub((a.W-w)/2, (a.H-h)/2, w, h)
}
