package view

import (
	"strings"

	"github.com/pinlab/pinlab/tui/paint"
)

// Line is a line of text with a role.
type Line struct {
	Text string
	Role paint.Role
}

// Lines gives all lines of a text one role.
func Lines(text string, role paint.Role) []Line {
	var out []Line
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		out = append(out, Line{line, role})
	}
	return out
}

// Wrap cuts lines that are wider than a pane.
func Wrap(lines []Line, width int) []Line {
	out := make([]Line, 0, len(lines))
	for _, l := range lines {
		for _, text := range paint.Wrap(l.Text, width) {
			out = append(out, Line{text, l.Role})
		}
	}
	return out
}

// Text draws wrapped lines from one on, and says at the right edge where there
// is more.
func Text(a paint.Area, lines []Line, from int) {
	for y := range a.H {
		if i := from + y; i >= 0 && i < len(lines) {
			a.Print(0, y, lines[i].Text, lines[i].Role, 0)
		}
	}
	if from > 0 {
		a.Set(a.W-1, 0, '▲', paint.Dim, 0)
	}
	if from+a.H < len(lines) && a.H > 0 {
		a.Set(a.W-1, a.H-1, '▼', paint.Dim, 0)
	}
}

// Rule draws the line above a pane: its name, or the names of its tabs.
func Rule(a paint.Area, tabs []string, active int, focused bool, note string) {
	for x := range a.W {
		a.Set(x, 0, '─', paint.Border, 0)
	}
	x := 1
	for i, tab := range tabs {
		role := paint.Dim
		switch {
		case i == active && focused:
			role = paint.Focus
		case i == active:
			role = paint.Title
		}
		if i > 0 {
			x = a.Print(x, 0, "│", paint.Border, 0)
		}
		x = a.Print(x, 0, " ", role, 0)
		x = a.Print(x, 0, tab, role, 0)
		x = a.Print(x, 0, " ", paint.Text, 0)
	}
	if note != "" && x+4 < a.W {
		room := a.W - x - 2
		runes := []rune(note)
		if len(runes) > room-2 {
			runes = append(runes[:max(room-3, 0)], '…')
		}
		a.Print(a.W-len(runes)-3, 0, " "+string(runes)+" ", paint.Dim, 0)
	}
}

// Down draws a line that parts two panes side by side.
func Down(a paint.Area) {
	for y := range a.H {
		a.Set(0, y, '│', paint.Border, 0)
	}
}
