package view

import (
	"fmt"

	"github.com/pinlab/pinlab/tui/paint"
)

// NodeBar is one NUMA node's CPUs: how many there are, how many are free, and
// how many somebody asks for.
type NodeBar struct {
	Node        int
	Total, Free int
	// Requested is 0 when nobody asks.
	Requested int
}

// NodeBars writes a line for each node: free CPUs filled, and whether the
// request fits.
func NodeBars(bars []NodeBar, width int) []Line {
	var out []Line
	for _, b := range bars {
		text := fmt.Sprintf("free %d of %d", b.Free, b.Total)
		role := paint.Text
		if b.Requested > 0 {
			text += fmt.Sprintf(", requested %d", b.Requested)
			role = paint.Good
			if b.Requested > b.Free {
				text += ": too few"
				role = paint.Bad
			}
		}
		head := fmt.Sprintf("node %-2d ", b.Node)
		room := max(min(width-len(head)-len(text)-1, 24), 4)
		out = append(out, Line{head + bar(b.Free, b.Total, room) + " " + text, role})
	}
	return out
}

// bar draws a part of a whole.
func bar(part, whole, width int) string {
	filled := 0
	if whole > 0 {
		filled = part * width / whole
		if part > 0 {
			filled = max(filled, 1)
		}
	}
	out := make([]rune, 0, width)
	for i := range width {
		if i < filled {
			out = append(out, '█')
		} else {
			out = append(out, '░')
		}
	}
	return string(out)
}
