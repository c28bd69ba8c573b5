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
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		b.WriteString(indent)
		for i, c := range row {
			b.WriteString(p.Paint(c.Style, c.Text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text)+3))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}
