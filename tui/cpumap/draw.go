package cpumap

import (
	"fmt"
	"slices"

	"github.com/pinlab/pinlab/tui/paint"
)

// Draw draws a plan from a line on. The cell with the selected CPU is reversed.
func (p *Plan) Draw(a paint.Area, marks Marks, selected, from int) {
	for _, l := range p.Labels {
		a.Print(l.X, l.Y-from, l.Text, l.Role, 0)
	}
	for i := range p.Cells {
		c := &p.Cells[i]
		if y := c.Y - from; y >= 0 && y < a.H {
			p.cell(a, c, y, marks, selected >= 0 && slices.Contains(c.CPUs, selected))
		}
	}
}

func (p *Plan) cell(a paint.Area, c *Cell, y int, marks Marks, selected bool) {
	attr := paint.Attr(0)
	if selected {
		attr = paint.Reverse
	}
	switch {
	case c.Bar:
		for x, mark := range marks.bar(c.CPUs, c.W) {
			a.Set(c.X+x, y, mark.Symbol, mark.Role, mark.Attr|attr)
		}
		if c.Free {
			text := fmt.Sprintf("free %d of %d", marks.free(c.CPUs), len(c.CPUs))
			a.Print(c.X+c.W+2, y, text, paint.Dim, 0)
		}
	case c.ID != "":
		mark := marks.of(c.CPUs)
		a.Set(c.X, y, mark.Symbol, mark.Role, mark.Attr|attr)
		a.Print(c.X+1, y, c.ID, mark.Role, attr)
	default:
		mark := marks.of(c.CPUs)
		a.Set(c.X, y, mark.Symbol, mark.Role, mark.Attr|attr)
	}
}

// free counts the CPUs that a container could get for itself.
func (m Marks) free(cpus []int) int {
	n := 0
	for _, id := range cpus {
		if id >= 0 && id < len(m) && m[id].Symbol == symbolShared {
			n++
		}
	}
	return n
}

// bar shares out columns among the marks of CPUs: each mark that is there has a
// column at least where there are columns enough, the rest goes by number.
func (m Marks) bar(cpus []int, width int) []Mark {
	type share struct {
		mark    Mark
		count   int
		columns int
	}
	var shares []share
	for _, id := range cpus {
		mark := m.of([]int{id})
		i := slices.IndexFunc(shares, func(s share) bool { return s.mark.Symbol == mark.Symbol && s.mark.Role == mark.Role })
		if i < 0 {
			i = len(shares)
			shares = append(shares, share{mark: mark})
		}
		shares[i].mark.Attr |= mark.Attr
		shares[i].count++
	}
	// What is free comes last, what is wrong first.
	slices.SortStableFunc(shares, func(a, b share) int { return order(a.mark.Symbol) - order(b.mark.Symbol) })
	left := width
	for i := range shares {
		s := &shares[i]
		others := len(shares) - i - 1 // each wants a column
		s.columns = min(max(1, s.count*width/max(len(cpus), 1)), max(1, left-others), left)
		left -= s.columns
	}
	for left > 0 && len(shares) > 0 {
		// The columns that rounding left over go to those who lost most by it.
		most := 0
		for i := range shares {
			if short(shares[i].count, shares[i].columns, len(cpus), width) > short(shares[most].count, shares[most].columns, len(cpus), width) {
				most = i
			}
		}
		shares[most].columns++
		left--
	}
	out := make([]Mark, 0, width)
	for _, s := range shares {
		for range s.columns {
			out = append(out, s.mark)
		}
	}
	return out
}

// short is by how much a share has fewer columns than its part, times total.
func short(count, columns, total, width int) int { return count*width - columns*total }

func order(symbol rune) int {
	switch symbol {
	case symbolClash:
		return 0
	case symbolReserved:
		return 1
	case symbolNobody:
		return 3
	case symbolShared:
		return 4
	case symbolOffline:
		return 5
	}
	return 2
}
