package paint

import (
	"strings"
	"unicode/utf8"
)

// Area is a part of a canvas. What is drawn in it stays in it.
type Area struct {
	c          *Canvas
	X, Y, W, H int
}

// All is the whole canvas as an area.
func (c *Canvas) All() Area { return Area{c: c, W: c.w, H: c.h} }

// Sub is the part that begins at x, y; it is cut at this area's edges.
func (a Area) Sub(x, y, w, h int) Area {
	x, y = max(x, 0), max(y, 0)
	return Area{c: a.c, X: a.X + x, Y: a.Y + y, W: max(min(w, a.W-x), 0), H: max(min(h, a.H-y), 0)}
}

// Contains says whether a cell of the canvas lies in the area.
func (a Area) Contains(x, y int) bool {
	return x >= a.X && y >= a.Y && x < a.X+a.W && y < a.Y+a.H
}

// Set draws one rune.
func (a Area) Set(x, y int, r rune, role Role, attr Attr) {
	if x >= 0 && y >= 0 && x < a.W && y < a.H {
		a.c.Set(a.X+x, a.Y+y, r, role, attr)
	}
}

// Print draws a line of text and returns the column after it. Text that does
// not fit ends with an ellipsis.
func (a Area) Print(x, y int, text string, role Role, attr Attr) int {
	if y < 0 || y >= a.H || x >= a.W {
		return x
	}
	over := a.W < x+utf8.RuneCountInString(text)
	for _, r := range text {
		if over && x >= a.W-1 {
			a.Set(x, y, '…', role, attr)
			return x + 1
		}
		a.Set(x, y, r, role, attr)
		x++
	}
	return x
}

// Right draws text that ends at the area's right edge and returns its column.
func (a Area) Right(y int, text string, role Role, attr Attr) int {
	x := max(a.W-len([]rune(text)), 0)
	a.Print(x, y, text, role, attr)
	return x
}

// Fill draws one rune over the whole area.
func (a Area) Fill(r rune, role Role, attr Attr) {
	for y := range a.H {
		for x := range a.W {
			a.Set(x, y, r, role, attr)
		}
	}
}

// Invert marks a line of the area as selected: one bar, in which only what is
// wrong keeps its colour.
func (a Area) Invert(y int) {
	if y < 0 || y >= a.H {
		return
	}
	for x := range a.W {
		a.c.Select(a.X+x, a.Y+y)
	}
}

// Box draws a frame around the area, over nothing, and returns its inside.
func (a Area) Box(title string) Area {
	a.Fill(' ', Text, 0)
	for x := range a.W {
		a.Set(x, 0, '─', Border, 0)
		a.Set(x, a.H-1, '─', Border, 0)
	}
	for y := range a.H {
		a.Set(0, y, '│', Border, 0)
		a.Set(a.W-1, y, '│', Border, 0)
	}
	a.Set(0, 0, '┌', Border, 0)
	a.Set(a.W-1, 0, '┐', Border, 0)
	a.Set(0, a.H-1, '└', Border, 0)
	a.Set(a.W-1, a.H-1, '┘', Border, 0)
	a.Sub(2, 0, a.W-4, 1).Print(0, 0, " "+title+" ", Title, 0)
	return a.Inside()
}

// Inside is what a Box around the area leaves.
func (a Area) Inside() Area { return a.Sub(2, 1, a.W-4, a.H-2) }

// Wrap cuts text into lines of at most so many columns, at spaces where there
// are any; continued lines are indented like the first, and two more.
func Wrap(text string, width int) []string {
	width = max(width, 8)
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		rest := []rune(line)
		limit := width
		lead := ""
		for len(rest) > limit {
			cut := limit
			for cut > limit/2 && rest[cut] != ' ' {
				cut--
			}
			if rest[cut] != ' ' {
				cut = limit
			}
			out = append(out, lead+strings.TrimRight(string(rest[:cut]), " "))
			lead = strings.Repeat(" ", min(indent+2, width/2))
			limit = width - len(lead)
			rest = []rune(strings.TrimLeft(string(rest[cut:]), " "))
		}
		out = append(out, lead+string(rest))
	}
	return out
}
