// Package screen lays out text for terminals: aligned columns and colours that
// can be left out.
package screen

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Style is an ANSI rendition; the zero value is plain text.
type Style string

// The styles that mean the same everywhere.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Dim    Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// Painter applies styles, or not.
type Painter struct{ Color bool }

// Paint puts text into a style.
func (p Painter) Paint(s Style, text string) string {
	if !p.Color || s == Plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// Cell is one field of a table.
type Cell struct {
	Text  string
	Style Style
}

// Cells makes a row of plain fields.
func Cells(texts ...string) []Cell {
	row := make([]Cell, len(texts))
	for i, t := range texts {
		row[i].Text = t
	}
	return row
}

// Columns writes rows as aligned columns three spaces apart, as kubectl does.
// A cell is padded before it is coloured, so that escape sequences do not
// shift the columns.
func Columns(w io.Writer, p Painter, indent string, rows [][]Cell) {
	ColumnsWithin(w, p, indent, 0, rows)
}

// leastRoom is the space below which a text is better read on lines of its own
// than in a column.
const leastRoom = 20

// ColumnsWithin is Columns on a screen of a width, whose last column holds the
// long texts: they continue below their beginning. Where the other columns leave
// too little room, those that do not fit stand below their rows. A width of 0 is
// no bound.
func ColumnsWithin(w io.Writer, p Painter, indent string, width int, rows [][]Cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	last, start := len(widths)-1, utf8.RuneCountInString(indent)
	for i := range last {
		start += widths[i] + 3
	}
	for _, row := range rows {
		var b strings.Builder
		b.WriteString(indent)
		for i, c := range row {
			if i == last && i > 0 && width > 0 && start+utf8.RuneCountInString(c.Text) > width {
				at := start
				if width-start < leastRoom {
					at = utf8.RuneCountInString(indent) + 4
					endLine(&b, at)
				}
				for j, line := range wrap(c.Text, max(width-at, leastRoom)) {
					if j > 0 {
						endLine(&b, at)
					}
					b.WriteString(p.Paint(c.Style, line))
				}
				continue
			}
			b.WriteString(p.Paint(c.Style, c.Text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text)+3))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// endLine begins a new line at a column.
func endLine(b *strings.Builder, column int) {
	text := strings.TrimRight(b.String(), " ")
	b.Reset()
	b.WriteString(text + "\n" + strings.Repeat(" ", column))
}

// wrap breaks a text between words; a word that is too long stays whole, so that
// it can be copied.
func wrap(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		line := &lines[len(lines)-1]
		switch {
		case *line == "":
			*line = word
		case utf8.RuneCountInString(*line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, word)
		default:
			*line += " " + word
		}
	}
	return lines
}
