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

// firstTab is the first of the tabs that a rule shows: where not all fit, the
// active one is in sight.
func firstTab(width int, tabs []string, active int) int {
	end, first := 1, 0
	for i := 0; i <= active && i < len(tabs); i++ {
		end += len([]rune(tabs[i])) + 3
	}
	for end > width && first < active {
		end -= len([]rune(tabs[first])) + 3
		if first == 0 {
			end += 2 // the sign that there are others
		}
		first++
	}
	return first
}

// TabAt is the tab whose name is at a column of a rule; the active one where
// there is none.
func TabAt(width int, tabs []string, active, x int) int {
	first := firstTab(width, tabs, active)
	at := 1
	if first > 0 {
		at += 2
		if x < at {
			return first - 1
		}
	}
	for i := first; i < len(tabs); i++ {
		end := at + len([]rune(tabs[i])) + 3
		if x >= at && x < end {
			return i
		}
		at = end
	}
	return active
}

// Rule draws the line above a pane: its name, or the names of its tabs.
func Rule(a paint.Area, tabs []string, active int, focused bool, note string) {
	for x := range a.W {
		a.Set(x, 0, '─', paint.Border, 0)
	}
	x := 1
	first := firstTab(a.W, tabs, active)
	if first > 0 {
		x = a.Print(x, 0, "‹ ", paint.Dim, 0)
	}
	for i, tab := range tabs {
		if i < first {
			continue
		}
		role := paint.Dim
		switch {
		case i == active && focused:
			role = paint.Focus
		case i == active:
			role = paint.Title
		}
		if i > first {
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
