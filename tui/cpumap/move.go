package cpumap

import "slices"

// Direction is where a key moves the cursor.
type Direction int

// The directions.
const (
	Left Direction = iota
	Right
	Up
	Down
)

// Move is the CPU that the cursor comes to: the first of the nearest cell in a
// direction, or the one it is at.
func (p *Plan) Move(cpu int, d Direction) int {
	at := p.at(cpu)
	if at < 0 {
		if len(p.Cells) > 0 {
			return p.Cells[0].CPUs[0]
		}
		return cpu
	}
	from := &p.Cells[at]
	best, bestCost := at, 0
	for i := range p.Cells {
		c := &p.Cells[i]
		cost, ok := cost(from, c, d)
		if ok && (best == at || cost < bestCost) {
			best, bestCost = i, cost
		}
	}
	if best == at {
		return cpu
	}
	return p.Cells[best].CPUs[0]
}

// cost ranks the cells in a direction: the next line first, then the nearest
// column.
func cost(from, to *Cell, d Direction) (int, bool) {
	dx, dy := to.X+to.W/2-(from.X+from.W/2), to.Y-from.Y
	switch d {
	case Left:
		return -dx, dy == 0 && dx < 0
	case Right:
		return dx, dy == 0 && dx > 0
	case Up:
		return -dy*1000 + abs(dx), dy < 0
	default:
		return dy*1000 + abs(dx), dy > 0
	}
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// at is the cell that shows a CPU, -1 where none does.
func (p *Plan) at(cpu int) int {
	return slices.IndexFunc(p.Cells, func(c Cell) bool { return slices.Contains(c.CPUs, cpu) })
}

// Line is the line of a CPU's cell.
func (p *Plan) Line(cpu int) int {
	if i := p.at(cpu); i >= 0 {
		return p.Cells[i].Y
	}
	return 0
}

// Hit is the CPU at a column and a line of the plan, -1 where there is none.
func (p *Plan) Hit(x, y int) int {
	for i := range p.Cells {
		c := &p.Cells[i]
		if c.Y == y && x >= c.X && x < c.X+c.W {
			return c.CPUs[0]
		}
	}
	return -1
}

// Cell is the CPUs of the cell that shows a CPU.
func (p *Plan) Cell(cpu int) []int {
	if i := p.at(cpu); i >= 0 {
		return p.Cells[i].CPUs
	}
	return nil
}

// Scroll is the line from which so many lines show the selected one, moved as
// little as possible.
func (p *Plan) Scroll(from, height, line int) int {
	from = min(from, max(p.Lines-height, 0))
	if line < from {
		from = line
	}
	if line >= from+height {
		from = line - height + 1
	}
	return max(from, 0)
}
