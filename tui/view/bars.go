package view

import (
	"fmt"
	"strings"

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

// NodeBars writes a line for each node: free CPUs filled, those of them hatched
// that are asked for, and whether the request fits.
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
		out = append(out, Line{head + bar(b, room) + " " + text, role})
	}
	return out
}

// bar draws a node's free CPUs and what is asked of them.
func bar(b NodeBar, width int) string {
	free := columns(b.Free, b.Total, width)
	asked := min(columns(b.Requested, b.Total, width), free)
	return strings.Repeat("█", free-asked) + strings.Repeat("▒", asked) + strings.Repeat("░", width-free)
}

// columns is a part of a whole in columns: one at least where there is anything.
func columns(part, whole, width int) int {
	if part <= 0 || whole <= 0 {
		return 0
	}
	return min(max(part*width/whole, 1), width)
}
