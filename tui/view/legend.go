package view

import (
	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/paint"
)

// Legend draws the signs of a map that stand for no container.
func Legend(a paint.Area, entries []cpumap.Entry) {
	x := 0
	for _, e := range entries {
		if x+4+len([]rune(e.Text)) > a.W && x > 0 {
			return
		}
		a.Set(x, 0, e.Mark.Symbol, e.Mark.Role, e.Mark.Attr)
		x = a.Print(x+2, 0, e.Text, paint.Dim, 0) + 3
	}
}
