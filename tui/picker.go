package tui

import (
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
)

// choice is a line of a picker.
type choice struct {
	name, note string
	do         func(m *Model) tea.Cmd
}

// picker chooses one of a list; typing after / narrows it.
type picker struct {
	title   string
	choices []choice
	shown   []int
	at      int
	filter  string
	typing  bool
	// typed takes a filter that names nothing of the list, such as a shape.
	typed     func(m *Model, text string) tea.Cmd
	typedHint string

	box paint.Area // where the list is
	top int
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
	page := max(p.box.H, 1)
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

func (p *picker) click(m *Model, x, y int) tea.Cmd {
	if !p.box.Contains(x, y) {
		return nil
	}
	i := p.top + y - p.box.Y
	if i >= len(p.shown) {
		return nil
	}
	if i == p.at {
		return p.choose(m)
	}
	p.at = i
	return nil
}

// size is how large the box wants to be, and how wide the column of names is.
func (p *picker) size(a paint.Area) (width, height, name int) {
	width, name = len([]rune(p.title))+8, 0
	for _, c := range p.choices {
		name = max(name, len([]rune(c.name)))
	}
	name = min(name, 40)
	for _, c := range p.choices {
		width = max(width, name+2+len([]rune(c.note))+4)
	}
	return min(max(width, 48), a.W-4), min(len(p.choices)+5, a.H-2), name
}

// list is the part of the box's inside that has the choices.
func (p *picker) list(in paint.Area) paint.Area { return in.Sub(0, 1, in.W, in.H-2) }

func (p *picker) arrange(a paint.Area) {
	width, height, _ := p.size(a)
	p.box = p.list(centre(a, width, height).Inside())
	p.top = min(max(p.top, p.at-p.box.H+1), p.at)
}

func (p *picker) draw(a paint.Area) {
	width, height, name := p.size(a)
	in := middle(a, width, height).Box(p.title)
	hint := "enter chooses, / filters, esc closes"
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
	in.Print(0, in.H-1, hint, paint.Dim, 0)
	box := p.list(in)
	if len(p.shown) == 0 {
		text := "nothing matches"
		if p.typed != nil {
			text = p.typedHint
		}
		box.Print(0, 0, text, paint.Dim, 0)
		return
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
