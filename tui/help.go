package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// helpBox shows the key map of a view.
type helpBox struct {
	framed
	groups []keyGroup
	from   int
	height int // lines that fit
	total  int
}

func (h *helpBox) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch {
	case key.Matches(k, m.keys.Up):
		h.from--
	case key.Matches(k, m.keys.Down):
		h.from++
	case key.Matches(k, m.keys.PageUp):
		h.from -= h.height
	case key.Matches(k, m.keys.PageDown):
		h.from += h.height
	default:
		m.overlay = nil
	}
	h.from = max(min(h.from, h.total-h.height), 0)
	return nil
}

func (h *helpBox) paste(string) {}

func (h *helpBox) click(m *Model, _, _ int) tea.Cmd {
	m.overlay = nil
	return nil
}

// columns puts the groups into two columns where there is room for them.
func (h *helpBox) columns(a paint.Area) [][]view.Line {
	columns := 2
	if a.W < 76 {
		columns = 1
	}
	parts := make([][]view.Line, columns)
	for _, g := range h.groups {
		least := 0
		for i := range parts {
			if len(parts[i]) < len(parts[least]) {
				least = i
			}
		}
		parts[least] = append(parts[least], h.group(g)...)
	}
	return parts
}

func (h *helpBox) arrange(a paint.Area) {
	h.total = 0
	for _, p := range h.columns(a) {
		h.total = max(h.total, len(p))
	}
	h.total += 2
	h.height = h.frame(centre(a, a.W, h.total+2)).H
	h.from = max(min(h.from, h.total-h.height), 0)
}

func (h *helpBox) draw(a paint.Area) {
	parts := h.columns(a)
	in := middle(a, 4+len(parts)*36, min(h.total+2, a.H)).Box("keys")
	for i, lines := range parts {
		col := in.Sub(i*36, 0, 35, in.H-1)
		for y := range col.H {
			if n := h.from + y; n < len(lines) {
				l := lines[n]
				if l.Role == paint.Title {
					col.Print(0, y, l.Text, l.Role, 0)
					continue
				}
				col.Print(0, y, l.Text[:keyColumn(l.Text)], paint.Key, 0)
				col.Print(keyWidth, y, l.Text[keyColumn(l.Text):], paint.Text, 0)
			}
		}
	}
	text := "any other key closes; the mouse selects, the wheel scrolls"
	if h.total > h.height {
		text = "j k scroll, any other key closes"
	}
	in.Print(0, in.H-1, text, paint.Dim, 0)
}

// keyWidth is the room for the keys of a line of the help.
const keyWidth = 11

func (h *helpBox) group(g keyGroup) []view.Line {
	lines := []view.Line{{Text: g.title, Role: paint.Title}}
	for _, b := range g.keys {
		lines = append(lines, view.Line{Text: b.Help().Key + "\t" + b.Help().Desc, Role: paint.Text})
	}
	return append(lines, view.Line{Role: paint.Title})
}

// keyColumn is where the description of a help line begins.
func keyColumn(text string) int {
	for i, r := range text {
		if r == '\t' {
			return i + 1
		}
	}
	return 0
}
