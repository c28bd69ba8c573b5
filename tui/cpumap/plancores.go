package cpumap

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pinlab/pinlab/tui/paint"
)

// cores lays out the levels where a core is a column: its CPUs below each other
// or, folded, as one.
func (l *planner) cores(blocks []block) {
	for i := range blocks {
		b := &blocks[i]
		for t := range l.rows(b) {
			l.rulerWidth = max(l.rulerWidth, len(ruler(l.row(b, 0, len(b.cores), t))))
		}
		if len(b.detached) > 0 {
			l.rulerWidth = max(l.rulerWidth, len(ruler(b.detached)))
		}
	}
	for i := range blocks {
		l.head(blocks, i)
		l.block(&blocks[i])
	}
}

// cellWidth is that of one CPU.
func (l *planner) cellWidth() int {
	if l.Level == IDs {
		return 1 + len(strconv.Itoa(l.m.largest))
	}
	return 1
}

// rows is the number of lines of a core.
func (l *planner) rows(b *block) int {
	if l.Level == Cores {
		return min(1, b.threads())
	}
	return b.threads()
}

// row lists the CPUs that line t shows of the columns from first to last.
func (l *planner) row(b *block, first, last, t int) []int {
	var ids []int
	for _, c := range b.cores[first:last] {
		switch {
		case l.Level == Cores:
			ids = append(ids, c.cpus...)
		case t < len(c.cpus):
			ids = append(ids, c.cpus[t])
		}
	}
	return ids
}

// margin is the space before the first column.
func (l *planner) margin() int {
	x := 2
	if l.labelWidth > 0 {
		x += l.labelWidth + 2
	}
	if l.Level != IDs {
		x += l.rulerWidth + 2
	}
	return x
}

// gap is the space before column i: wider where another cache begins, and after
// each eight cores of a long run.
func (l *planner) gap(b *block, i int) int {
	if i == 0 {
		return 0
	}
	base := 0
	if l.Level == IDs {
		base = 1
	}
	if b.cores[i].cache != b.cores[i-1].cache {
		return base + 2
	}
	run := 0
	for j := i; j > 0 && b.cores[j].cache == b.cores[j-1].cache; j-- {
		run++
	}
	if run%8 == 0 {
		return base + 1
	}
	return base
}

// lines cuts a block into lines: as few as possible, of even length (else the
// first are the longer ones), at gaps where there are any. It returns the index of each line's first core.
func (l *planner) lines(b *block) []int {
	width := max(l.width-l.margin(), l.cellWidth())
	var breaks []int
	for i := range b.cores {
		if i == 0 || l.gap(b, i) > l.gap0() {
			breaks = append(breaks, i)
		}
	}
	for count := 1; count <= len(breaks); count++ {
		starts := make([]int, 0, count)
		for line := range count {
			starts = append(starts, breaks[(line*len(breaks)+count-1)/count])
		}
		if l.fits(b, starts, width) {
			return starts
		}
	}
	// A group wider than the line: cut where it must be.
	var starts []int
	x := 0
	for i := range b.cores {
		step := l.gap(b, i) + l.cellWidth()
		if i == 0 || x+step > width {
			starts = append(starts, i)
			x = l.cellWidth()
			continue
		}
		x += step
	}
	return starts
}

func (l *planner) gap0() int {
	if l.Level == IDs {
		return 1
	}
	return 0
}

func (l *planner) fits(b *block, starts []int, width int) bool {
	for n, first := range starts {
		last := len(b.cores)
		if n+1 < len(starts) {
			last = starts[n+1]
		}
		w := 0
		for i := first; i < last; i++ {
			if i > first {
				w += l.gap(b, i)
			}
			w += l.cellWidth()
		}
		if w > width {
			return false
		}
	}
	return true
}

// begin draws what stands before the cells of a line.
func (l *planner) begin(label string, ids []int) {
	if label != "" {
		l.text(2, label, paint.Text)
	}
	if l.Level != IDs {
		text := ruler(ids)
		l.text(l.margin()-2-len(text), text, paint.Dim)
	}
}

func (l *planner) block(b *block) {
	label := b.label(l.Level)
	starts := l.lines(b)
	for n, first := range starts {
		last := len(b.cores)
		if n+1 < len(starts) {
			last = starts[n+1]
		}
		for t := range l.rows(b) {
			ids := l.row(b, first, last, t)
			if len(ids) == 0 {
				continue
			}
			l.begin(label, ids)
			label = ""
			x := l.margin()
			for i := first; i < last; i++ {
				if i > first {
					x += l.gap(b, i)
				}
				switch cpus := b.cores[i].cpus; {
				case l.Level == Cores:
					l.cell(Cell{X: x, W: 1, CPUs: cpus})
				case t < len(cpus):
					l.cell(Cell{X: x, W: l.cellWidth(), CPUs: cpus[t : t+1], ID: l.id(cpus[t])})
				}
				x += l.cellWidth()
			}
			l.Lines++
		}
	}
	l.detached(b, label)
}

// detached draws offline CPUs whose core is not known.
func (l *planner) detached(b *block, label string) {
	step := l.cellWidth() + l.gap0()
	room := max((l.width-l.margin())/step, 1)
	for ids := range slices.Chunk(b.detached, room) {
		l.begin(label, ids)
		label = ""
		for i, id := range ids {
			l.cell(Cell{X: l.margin() + i*step, W: l.cellWidth(), CPUs: []int{id}, ID: l.id(id)})
		}
		l.Lines++
	}
}

// id is a CPU's number as a cell shows it. It is made with the plan, not with
// every frame.
func (l *planner) id(cpu int) string {
	if l.Level != IDs {
		return ""
	}
	return fmt.Sprintf("%*d", l.cellWidth()-1, cpu)
}

// ruler names the CPUs of a line, shortly.
func ruler(ids []int) string {
	if len(ids) == 0 {
		return ""
	}
	if text := list(ids); len(text) <= 15 {
		return text
	}
	sorted := slices.Sorted(slices.Values(ids))
	return fmt.Sprintf("%d,%d..%d", sorted[0], sorted[1], sorted[len(sorted)-1])
}
