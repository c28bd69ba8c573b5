package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// overlay is a box above a view that takes all keys until it is closed.
type overlay interface {
	// key takes a key press. It closes the overlay by setting m.overlay.
	key(m *Model, k tea.KeyPressMsg) tea.Cmd
	paste(text string)
	// arrange works out, for the place of a view, what draw shows there.
	arrange(a paint.Area)
	draw(a paint.Area)
	// click takes a click at a place of the screen, within the box.
	click(m *Model, x, y int) tea.Cmd
	// bounds is where the box is; a click elsewhere closes it.
	bounds() paint.Area
}

// framed is where a box is, and its last line: keys, which may be clicked, too.
type framed struct {
	box, last paint.Area
	hints     []view.Hint
}

func (f *framed) bounds() paint.Area { return f.box }

// frame keeps the place of a box and returns its inside.
func (f *framed) frame(box paint.Area, hints ...view.Hint) paint.Area {
	in := box.Inside()
	f.box, f.last, f.hints = box, in.Sub(0, in.H-1, in.W, 1), hints
	return in
}

// drawLast draws the last line of a box.
func (f *framed) drawLast(in paint.Area) { view.DrawHints(in.Sub(0, in.H-1, in.W, 1), f.hints) }

// hinted is the key of the last line that was clicked.
func (f *framed) hinted(x, y int) (tea.KeyPressMsg, bool) {
	if !f.last.Contains(x, y) {
		return tea.KeyPressMsg{}, false
	}
	i := view.HintAt(f.last.W, f.hints, x-f.last.X)
	if i < 0 {
		return tea.KeyPressMsg{}, false
	}
	return pressOf(f.hints[i].Key), true
}

// pressOf is the press of a key by its name.
func pressOf(name string) tea.KeyPressMsg {
	switch name {
	case "enter":
		return tea.KeyPressMsg{Code: tea.KeyEnter}
	case "esc":
		return tea.KeyPressMsg{Code: tea.KeyEscape}
	case "tab":
		return tea.KeyPressMsg{Code: tea.KeyTab}
	case "space":
		return tea.KeyPressMsg{Code: tea.KeySpace, Text: " "}
	}
	r := []rune(name)[0]
	return tea.KeyPressMsg{Code: r, Text: string(r)}
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
