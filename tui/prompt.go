package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
)

// prompt asks for a line of text.
type prompt struct {
	title string
	help  []string
	input input
	// problem says why the last answer was not taken; the text stays.
	problem string
	done    func(m *Model, text string) (tea.Cmd, error)
}

func newPrompt(title, value string, help []string, done func(m *Model, text string) (tea.Cmd, error)) *prompt {
	return &prompt{title: title, help: help, input: newInput(value), done: done}
}

func (p *prompt) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "esc", "ctrl+c":
		m.overlay = nil
		return nil
	case "enter":
		m.overlay = nil
		cmd, err := p.done(m, p.input.String())
		if err != nil {
			p.problem = err.Error()
			m.overlay = p
		}
		return cmd
	}
	p.problem = ""
	p.input.key(k)
	return nil
}

func (p *prompt) paste(text string) {
	p.input.insert(text)
}

func (p *prompt) arrange(paint.Area) {}

func (p *prompt) click(*Model, int, int) tea.Cmd { return nil }

func (p *prompt) draw(a paint.Area) {
	width := min(max(a.W-4, 20), 100)
	var problem []string
	if p.problem != "" {
		problem = paint.Wrap(p.problem, width-4)
	}
	var help []string
	for _, line := range p.help {
		help = append(help, paint.Wrap(line, width-4)...)
	}
	in := middle(a, width, 5+len(problem)+len(help)).Box(p.title)
	y := 0
	for _, line := range help {
		in.Print(0, y, line, paint.Dim, 0)
		y++
	}
	p.input.draw(in.Sub(0, y, in.W, 1))
	y++
	for _, line := range problem {
		in.Print(0, y, line, paint.Bad, 0)
		y++
	}
	in.Print(0, in.H-1, "enter takes it, esc closes", paint.Dim, 0)
}

// confirm asks before something is lost.
type confirm struct {
	title, question string
	yes             func(m *Model) tea.Cmd
	line            paint.Area // with the answers
}

func (c *confirm) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	switch k.String() {
	case "y", "Y":
		m.overlay = nil
		return c.yes(m)
	case "n", "N", "esc", "q", "ctrl+c":
		m.overlay = nil
	}
	return nil
}

func (c *confirm) paste(string) {}

// click takes the words of the last line for their keys.
func (c *confirm) click(m *Model, x, y int) tea.Cmd {
	switch {
	case y != c.line.Y || x < c.line.X || x >= c.line.X+len(confirmYes)+len(confirmNo):
		return nil
	case x < c.line.X+len(confirmYes):
		m.overlay = nil
		return c.yes(m)
	}
	m.overlay = nil
	return nil
}

// The last line of a confirm.
const (
	confirmYes = "y yes   "
	confirmNo  = "n no"
)

func (c *confirm) place(a paint.Area) (width int, lines []string) {
	width = min(max(a.W-4, 20), 72)
	return width, paint.Wrap(c.question, width-4)
}

func (c *confirm) arrange(a paint.Area) {
	width, lines := c.place(a)
	in := centre(a, width, len(lines)+4).Inside()
	c.line = in.Sub(0, in.H-1, in.W, 1)
}

func (c *confirm) draw(a paint.Area) {
	width, lines := c.place(a)
	in := middle(a, width, len(lines)+4).Box(c.title)
	for y, line := range lines {
		in.Print(0, y, line, paint.Text, 0)
	}
	x := in.Print(0, in.H-1, confirmYes[:1], paint.Key, 0)
	x = in.Print(x, in.H-1, confirmYes[1:], paint.Dim, 0)
	x = in.Print(x, in.H-1, confirmNo[:1], paint.Key, 0)
	in.Print(x, in.H-1, confirmNo[1:], paint.Dim, 0)
}
