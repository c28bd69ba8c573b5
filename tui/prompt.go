package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// prompt asks for a line of text.
type prompt struct {
	framed
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

// place is where the box is, and what stands above and below the line of input.
func (p *prompt) place(a paint.Area) (box paint.Area, help, problem []string) {
	width := min(max(a.W-4, 20), 100)
	if p.problem != "" {
		problem = paint.Wrap(p.problem, width-4)
	}
	for _, line := range p.help {
		help = append(help, paint.Wrap(line, width-4)...)
	}
	return centre(a, width, 5+len(problem)+len(help)), help, problem
}

func (p *prompt) arrange(a paint.Area) {
	box, help, _ := p.place(a)
	in := p.frame(box, view.Hint{Key: "enter", Text: "take it"}, view.Hint{Key: "esc", Text: "close"})
	p.input.arrange(in.Sub(0, len(help), in.W, 1))
}

// click puts the cursor where the line of input is clicked.
func (p *prompt) click(m *Model, x, y int) tea.Cmd {
	if k, ok := p.hinted(x, y); ok {
		return p.key(m, k)
	}
	p.input.click(x, y)
	return nil
}

func (p *prompt) draw(a paint.Area) {
	box, help, problem := p.place(a)
	in := middle(a, box.W, box.H).Box(p.title)
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
	p.drawLast(in)
}

// confirm asks before something is lost.
type confirm struct {
	framed
	title, question string
	yes             func(m *Model) tea.Cmd
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
	if k, ok := c.hinted(x, y); ok {
		return c.key(m, k)
	}
	return nil
}

func (c *confirm) place(a paint.Area) (width int, lines []string) {
	width = min(max(a.W-4, 20), 72)
	return width, paint.Wrap(c.question, width-4)
}

func (c *confirm) arrange(a paint.Area) {
	width, lines := c.place(a)
	c.frame(centre(a, width, len(lines)+4), view.Hint{Key: "y", Text: "yes"}, view.Hint{Key: "n", Text: "no"})
}

func (c *confirm) draw(a paint.Area) {
	width, lines := c.place(a)
	in := middle(a, width, len(lines)+4).Box(c.title)
	for y, line := range lines {
		in.Print(0, y, line, paint.Text, 0)
	}
	c.drawLast(in)
}
