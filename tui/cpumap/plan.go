package cpumap

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/tui/paint"
)

// Cell is one place of the map: a CPU, a core, or a bar of many CPUs.
type Cell struct {
	X, Y, W int
	CPUs    []int
	// ID is the CPU's number as it stands beside its sign; empty where there is
	// a sign alone.
	ID string
	// Bar says that the cell's columns are shared out among its CPUs' owners,
	// and Free that the number of free CPUs follows.
	Bar, Free bool
}

// Label is a text of the map.
type Label struct {
	X, Y int
	Text string
	Role paint.Role
}

// Plan is where everything of a map is drawn.
type Plan struct {
	Level        Level
	Width, Lines int
	Cells        []Cell
	Labels       []Label
}

// planner lays out one map.
type planner struct {
	*Plan
	m                      *Machine
	width                  int
	labelWidth, rulerWidth int
}

// Plan lays out a scope at a level.
func (m *Machine) Plan(s Scope, level Level, width int) *Plan {
	l := &planner{Plan: &Plan{Level: level}, m: m, width: width}
	blocks := m.within(s)
	for i := range blocks {
		l.labelWidth = max(l.labelWidth, len(blocks[i].label(level)))
	}
	switch level {
	case Sockets:
		l.sockets(blocks)
	case Nodes:
		l.nodes(blocks)
	case Caches:
		l.caches(blocks)
	default:
		l.cores(blocks)
	}
	if len(m.empty) > 0 && s.Depth == 0 {
		l.text(0, emptyText(m.empty), paint.Dim)
		l.Lines++
	}
	return l.Plan
}

func emptyText(nodes []int) string {
	if len(nodes) == 1 {
		return fmt.Sprintf("NUMA node %d has no CPUs", nodes[0])
	}
	return fmt.Sprintf("NUMA nodes %s have no CPUs", list(nodes))
}

func (l *planner) text(x int, text string, role paint.Role) int {
	l.Labels = append(l.Labels, Label{X: x, Y: l.Lines, Text: text, Role: role})
	l.Width = max(l.Width, x+len([]rune(text)))
	return x + len([]rune(text))
}

func (l *planner) cell(c Cell) {
	c.Y = l.Lines
	l.Cells = append(l.Cells, c)
	l.Width = max(l.Width, c.X+c.W)
}

// label is what stands before a block.
func (b *block) label(level Level) string {
	text := ""
	switch {
	case b.node != hwprofiles.None && level >= Caches:
		text = fmt.Sprintf("node %d", b.node)
	case b.node != hwprofiles.None:
		text = nodeName(b.node)
	}
	if b.kind != "" {
		if text != "" {
			text += " "
		}
		text += b.kind
	}
	return text
}

// head heads the first block of a socket.
func (l *planner) head(blocks []block, i int) {
	if i == 0 || blocks[i-1].socket != blocks[i].socket {
		l.text(0, socketName(blocks[i].socket), paint.Title)
		l.Lines++
	}
}

// countWidth is the room for "free 1024 of 1024".
func (l *planner) countWidth() int {
	return len("  free  of ") + 2*len(strconv.Itoa(max(l.m.largest+1, 1)))
}

// bar draws a line with a name and a bar of all of its CPUs.
func (l *planner) bar(x int, name string, nameWidth int, ids []int) {
	l.text(x, name, paint.Text)
	x += nameWidth + 1
	room := max(l.width-x-l.countWidth(), 4)
	l.cell(Cell{X: x, W: min(room, max(len(ids), 4)), CPUs: ids, Bar: true, Free: true})
	l.Lines++
}

func (l *planner) sockets(blocks []block) {
	var ids []int
	for i := range blocks {
		ids = append(ids, blocks[i].all()...)
		if i+1 == len(blocks) || blocks[i+1].socket != blocks[i].socket {
			l.bar(0, socketName(blocks[i].socket), len("socket 00"), ids)
			ids = nil
		}
	}
}

func (l *planner) nodes(blocks []block) {
	for i := range blocks {
		l.head(blocks, i)
		l.bar(2, blocks[i].label(Nodes), l.labelWidth, blocks[i].all())
	}
}

// cacheBar is the widest bar of one cache among several.
const cacheBar = 8

func (l *planner) caches(blocks []block) {
	digits := len(strconv.Itoa(len(l.m.Profile.UncoreCaches)))
	for i := range blocks {
		b := &blocks[i]
		l.head(blocks, i)
		l.text(2, b.label(Caches), paint.Text)
		start := 2 + l.labelWidth + 2
		x := start
		for _, group := range b.groups() {
			name := "L3"
			if id := group[0].cache; id != hwprofiles.None {
				name = fmt.Sprintf("L3 %*d", digits, id)
			}
			var ids []int
			for _, c := range group {
				ids = append(ids, c.cpus...)
			}
			w := min(cacheBar, len(ids))
			if need := len(name) + 1 + w; x > start && x+need > l.width {
				l.Lines++
				x = start
			}
			x = l.text(x, name, paint.Dim) + 1
			l.cell(Cell{X: x, W: w, CPUs: ids, Bar: true})
			x += cacheBar + 2
		}
		if len(b.detached) > 0 {
			l.cell(Cell{X: x, W: min(cacheBar, len(b.detached)), CPUs: b.detached, Bar: true})
		}
		l.Lines++
	}
}

// groups are the cores of each cache.
func (b *block) groups() [][]core {
	var out [][]core
	for i := range b.cores {
		if i == 0 || b.cores[i].cache != b.cores[i-1].cache {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], b.cores[i])
	}
	return out
}

// list is a kernel list of ids.
func list(ids []int) string {
	ids = slices.Sorted(slices.Values(ids))
	text := ""
	for i := 0; i < len(ids); i++ {
		first := ids[i]
		for i+1 < len(ids) && ids[i+1] == ids[i]+1 {
			i++
		}
		if text != "" {
			text += ","
		}
		text += strconv.Itoa(first)
		if ids[i] != first {
			text += "-" + strconv.Itoa(ids[i])
		}
	}
	return text
}
