package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// The smallest screen that views are drawn on.
const (
	leastWidth  = 40
	leastHeight = 12
)

// View draws the screen.
func (m *Model) View() tea.View {
	v := tea.NewView(m.screen().String(m.palette))
	v.AltScreen = true
	v.WindowTitle = "pinlab"
	if !m.opts.NoMouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	return v
}

func (m *Model) screen() *paint.Canvas {
	c := paint.NewCanvas(m.w, m.h)
	a := c.All()
	if m.leaving {
		return c
	}
	if m.w < leastWidth || m.h < leastHeight {
		a.Print(0, 0, "too small: needs 40×12", paint.Warn, 0)
		a.Print(0, 1, "q quits", paint.Dim, 0)
		return c
	}
	view.DrawHeader(a.Sub(0, 0, a.W, 1), m.header())
	body := m.body(a)
	switch m.view {
	case ViewReplay:
		m.drawReplay(body)
	case ViewBench:
		m.drawBench(body)
	case ViewVerify:
		m.drawVerify(body)
	default:
		m.drawExplore(body)
	}
	m.foot(a.Sub(0, a.H-2, a.W, 2))
	if m.overlay != nil {
		m.overlay.draw(body)
	}
	return c
}

func (m *Model) header() view.Header {
	h := view.Header{Right: m.subject()}
	for i, name := range names() {
		h.Views = append(h.Views, string(name))
		if name == m.view {
			h.Active = i
		}
	}
	return h
}

// arrange works out, after everything that has happened, what the next frame
// shows: drawing it changes nothing.
func (m *Model) arrange() {
	if m.w < leastWidth || m.h < leastHeight {
		return
	}
	a := m.area()
	switch m.view {
	case ViewReplay:
		m.replay.arrange(a)
	case ViewBench:
		m.bench.arrange(a)
	case ViewVerify:
		m.verify.arrange(a)
	default:
		m.explore.arrange(a)
	}
	if m.overlay != nil {
		m.overlay.arrange(a)
	}
}

// body is the screen without the header and the last two lines.
func (m *Model) body(a paint.Area) paint.Area { return a.Sub(0, 1, a.W, a.H-3) }

// area is the place of the body, for arranging it and for finding out where a
// click was; nothing can be drawn there.
func (m *Model) area() paint.Area { return m.body(paint.Area{W: m.w, H: m.h}) }

// subject is what a view is about.
func (m *Model) subject() string {
	switch m.view {
	case ViewReplay:
		return m.replay.subject()
	case ViewBench:
		return m.bench.subject()
	case ViewVerify:
		return m.verify.node.Name
	}
	return m.explore.ref
}

// foot is the message, or the filter being typed, and the keys.
func (m *Model) foot(a paint.Area) {
	if f := m.filter(); f.typing {
		x := a.Print(0, 0, "/", paint.Key, 0)
		x = a.Print(x, 0, f.text, paint.Text, 0)
		a.Set(x, 0, ' ', paint.Text, paint.Reverse)
		a.Print(x+2, 0, "enter keeps the filter, esc clears it", paint.Dim, 0)
	} else {
		view.DrawMessage(a.Sub(0, 0, a.W, 1), m.message)
	}
	view.DrawHints(a.Sub(0, 1, a.W, 1), m.hints())
}

// onMap says that the map of the view has the focus.
func (m *Model) onMap() bool {
	switch m.view {
	case ViewReplay:
		return m.replay.focus == onMap
	case ViewVerify:
		return m.verify.focus == onMap
	case ViewExplore:
		return m.explore.focus == onMap
	}
	return false
}

// hints are the keys worth knowing in a view; the help has all.
func (m *Model) hints() []view.Hint {
	k := &m.keys
	var list []view.Hint
	for _, b := range k.hints(m.view, m.onMap()) {
		list = append(list, view.Hint{Key: b.Help().Key, Text: b.Help().Desc})
	}
	return list
}
