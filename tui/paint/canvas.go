package paint

import (
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"
)

// cell is one character of the screen.
type cell struct {
	r    rune
	role Role
	attr Attr
}

// Canvas is a grid of cells. Drawing outside of it is no error: what does not
// fit is not there.
type Canvas struct {
	w, h  int
	cells []cell
}

// NewCanvas makes an empty grid.
func NewCanvas(w, h int) *Canvas {
	c := &Canvas{w: max(w, 0), h: max(h, 0)}
	c.cells = make([]cell, c.w*c.h)
	return c
}

// Size is the grid's width and height.
func (c *Canvas) Size() (w, h int) { return c.w, c.h }

// Set draws one rune.
func (c *Canvas) Set(x, y int, r rune, role Role, attr Attr) {
	if x < 0 || y < 0 || x >= c.w || y >= c.h {
		return
	}
	c.cells[y*c.w+x] = cell{printable(r), role, attr}
}

// Select reverses what is drawn already.
func (c *Canvas) Select(x, y int) {
	if x < 0 || y < 0 || x >= c.w || y >= c.h {
		return
	}
	at := &c.cells[y*c.w+x]
	at.attr |= Reverse
	if at.role != Bad {
		at.role = Text
	}
}

// printable keeps the grid a grid: what takes no column, or two, and what moves
// the cursor is drawn as a question mark.
func printable(r rune) rune {
	switch {
	case r >= ' ' && r < 0x7f:
		return r
	case r == '\t':
		return ' '
	case r == '·' || r == '…' || (r >= '─' && r <= '◿'):
		return r // the map's and the frames' own signs: looked up a thousand times a frame
	case !unicode.IsPrint(r) || lipgloss.Width(string(r)) != 1:
		return '?'
	}
	return r
}

// String is the grid in a palette. Every line ends with the terminal's own
// colours; spaces at a line's end are left out.
func (c *Canvas) String(p *Palette) string {
	var b strings.Builder
	b.Grow(2*c.w*c.h + c.h*16) // a map's signs have more than one byte, and colours
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		c.line(&b, p, c.cells[y*c.w:(y+1)*c.w])
	}
	return b.String()
}

func (c *Canvas) line(b *strings.Builder, p *Palette, cells []cell) {
	end := len(cells)
	for end > 0 && blank(cells[end-1]) {
		end--
	}
	current := ""
	for _, at := range cells[:end] {
		prefix := ""
		if !blank(at) {
			prefix = p.prefix[at.role][at.attr]
		}
		if prefix != current {
			if current != "" {
				b.WriteString(reset)
			}
			b.WriteString(prefix)
			current = prefix
		}
		switch {
		case at.r == 0:
			b.WriteByte(' ')
		default:
			b.WriteRune(at.r)
		}
	}
	if current != "" {
		b.WriteString(reset)
	}
}

// blank says that a cell shows nothing in any palette.
func blank(at cell) bool {
	return (at.r == 0 || at.r == ' ') && at.attr&(Underline|Reverse) == 0
}
