package tui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// choice is a line of a picker.
type choice struct {
	name, note string
	do         func(m *Model) tea.Cmd
}

// picker chooses one of a list; typing after / narrows it.
type picker struct {
	framed
	title   string
	choices []choice
	shown   []int
	at      int
	filter  string
	typing  bool
	// typed takes a filter that names nothing of the list, such as a shape.
	typed     func(m *Model, text string) tea.Cmd
	typedHint string

	rows paint.Area // where the list is
	top  int
}

func newPicker(title string, choices []choice) *picker {
	p := &picker{title: title, choices: choices}
	p.narrow()
	return p
}

func (p *picker) narrow() {
	p.shown = p.shown[:0]
	for i, c := range p.choices {
		if p.filter == "" || matches(c.name+" "+c.note, p.filter) {
			p.shown = append(p.shown, i)
		}
	}
	p.at = min(p.at, max(len(p.shown)-1, 0))
}

func (p *picker) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	if p.typing && p.typeKey(k) {
		return nil
	}
	page := max(p.rows.H, 1)
	switch {
	case k.String() == "esc" && p.filter != "":
		p.filter, p.typing = "", false
		p.narrow()
	case k.String() == "esc", key.Matches(k, m.keys.Quit):
		m.overlay = nil
	case key.Matches(k, m.keys.Enter):
		return p.choose(m)
	case key.Matches(k, m.keys.Filter):
		p.typing = true
	case key.Matches(k, m.keys.Up), k.String() == "ctrl+p":
		p.at--
	case key.Matches(k, m.keys.Down), k.String() == "ctrl+n":
		p.at++
	case key.Matches(k, m.keys.PageUp):
		p.at -= page
	case key.Matches(k, m.keys.PageDown):
		p.at += page
	case key.Matches(k, m.keys.Top):
		p.at = 0
	case key.Matches(k, m.keys.Bottom):
		p.at = len(p.shown) - 1
	}
	p.at = max(min(p.at, len(p.shown)-1), 0)
	return nil
}

// typeKey takes a key of the filter and says whether it was one.
func (p *picker) typeKey(k tea.KeyPressMsg) bool {
	switch {
	case k.String() == "backspace":
		if r := []rune(p.filter); len(r) > 0 {
			p.filter = string(r[:len(r)-1])
		} else {
			p.typing = false
		}
	case k.Text != "":
		p.filter += k.Text
	default:
		return false
	}
	p.at = 0
	p.narrow()
	return true
}

func (p *picker) paste(text string) {
	p.typing = true
	p.filter += text
	p.narrow()
}

func (p *picker) choose(m *Model) tea.Cmd {
	m.overlay = nil
	if len(p.shown) == 0 {
		if p.typed != nil && p.filter != "" {
			return p.typed(m, p.filter)
		}
		return nil
	}
	return p.choices[p.shown[p.at]].do(m)
}

// click chooses what is clicked; a click on the first line begins to filter.
func (p *picker) click(m *Model, x, y int) tea.Cmd {
	if k, ok := p.hinted(x, y); ok {
		if k.Text == "/" {
			p.typing = true
			return nil
		}
		return p.key(m, k)
	}
	if y == p.rows.Y-1 {
		p.typing = true
	}
	i := p.top + y - p.rows.Y
	if !p.rows.Contains(x, y) || i >= len(p.shown) {
		return nil
	}
	p.at = i
	return p.choose(m)
}

// size is how large the box wants to be, and how wide the column of names is.
func (p *picker) size(a paint.Area) (width, height, name int) {
	for _, c := range p.choices {
		name = max(name, len([]rune(c.name)))
	}
	name = min(name, 40)
	width = p.wants(name)
	return min(max(width, 48), a.W-4), min(len(p.choices)+5+p.detail(a, width, name), a.H-2), name
}

// wants is the width at which nothing would be cut.
func (p *picker) wants(name int) int {
	width := len([]rune(p.title)) + 8
	for _, c := range p.choices {
		width = max(width, name+2+len([]rune(c.note))+4)
	}
	return width
}

// detail is how many lines there are for the whole note of the selected choice:
// none where all notes have room beside their names.
func (p *picker) detail(a paint.Area, width, name int) int {
	const few = 14 // a list of less lines needs them itself
	room := a.W - 8
	if width <= a.W-4 || a.H < few {
		return 0
	}
	most := 0
	for _, c := range p.choices {
		if len([]rune(c.note)) > room-name-2 {
			most = max(most, len(paint.Wrap(c.note, room)))
		}
	}
	return min(most, 3)
}

// list is the part of the box's inside that has the choices.
func (p *picker) list(in paint.Area, detail int) paint.Area { return in.Sub(0, 1, in.W, in.H-2-detail) }

func (p *picker) arrange(a paint.Area) {
	width, height, name := p.size(a)
	in := p.frame(centre(a, width, height), view.Hint{Key: "enter", Text: "choose"}, view.Hint{Key: "/", Text: "filter"}, view.Hint{Key: "esc", Text: "close"})
	p.rows = p.list(in, p.detail(a, p.wants(name), name))
	p.top = min(max(p.top, p.at-p.rows.H+1), p.at)
}

func (p *picker) draw(a paint.Area) {
	width, height, name := p.size(a)
	in := middle(a, width, height).Box(p.title)
	switch {
	case p.typing || p.filter != "":
		x := in.Print(0, 0, "/", paint.Key, 0)
		x = in.Print(x, 0, p.filter, paint.Text, 0)
		if p.typing {
			in.Set(x, 0, ' ', paint.Text, paint.Reverse)
		}
	default:
		in.Print(0, 0, fmt.Sprintf("%d of %d", min(p.at+1, len(p.shown)), len(p.shown)), paint.Dim, 0)
	}
	p.drawLast(in)
	box := p.list(in, p.detail(a, p.wants(name), name))
	if len(p.shown) == 0 {
		text := "nothing matches"
		if p.typed != nil {
			text = p.typedHint
		}
		box.Print(0, 0, text, paint.Dim, 0)
		return
	}
	for y, line := range paint.Wrap(p.choices[p.shown[p.at]].note, in.W) {
		in.Sub(0, 1+box.H, in.W, in.H-2-box.H).Print(0, y, line, paint.Dim, 0)
	}
	for y := range box.H {
		i := p.top + y
		if i >= len(p.shown) {
			break
		}
		c := p.choices[p.shown[i]]
		box.Sub(0, y, name, 1).Print(0, 0, c.name, paint.Text, 0)
		box.Print(name+2, y, c.note, paint.Dim, 0)
		if i == p.at {
			box.Invert(y)
		}
	}
}
