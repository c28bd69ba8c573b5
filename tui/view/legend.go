package view

import (
	"fmt"

	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/paint"
)

// Legend draws signs of a map and what they stand for, and how many more there
// are than fit.
func Legend(a paint.Area, entries []cpumap.Entry) {
	x := 0
	for i, e := range entries {
		room := a.W
		if i+1 < len(entries) {
			room -= 4 // for the number of the others
		}
		if x+2+len([]rune(e.Text)) > room && x > 0 {
			a.Print(x, 0, fmt.Sprintf("+%d", len(entries)-i), paint.Dim, 0)
			return
		}
		a.Set(x, 0, e.Mark.Symbol, e.Mark.Role, e.Mark.Attr)
		x = a.Print(x+2, 0, e.Text, paint.Dim, 0) + 3
	}
}
