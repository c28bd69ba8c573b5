package tui

import (
	"fmt"
	"strings"
	"time"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

func (m *Model) drawBench(a paint.Area) {
	b := m.bench
	if len(m.deps.Comparisons) == 0 {
		a.Print(0, 1, "the bench is not connected", paint.Dim, 0)
		return
	}
	c := m.deps.Comparisons[b.compare]
	u := &b.latest
	if len(u.Operations) == 0 {
		b.idle(a, c)
		return
	}
	text := u.Phase
	if u.Left > 0 {
		text = "about " + u.Left.Round(time.Second).String() + " left  " + text
	}
	switch {
	case u.Done && b.saved != "":
		text = "saved in " + b.saved
	case u.Done && !u.Stopped:
		text = "done"
	case !b.running:
		text = "stopped"
	}
	view.Progress(a.Sub(0, 0, a.W, 1), u.Part, text)
	b.tab = min(b.tab, len(u.Operations)-1)
	var tabs []string
	for _, op := range u.Operations {
		tabs = append(tabs, op.Name)
	}
	note := b.spec.Comparison.Name
	view.Rule(a.Sub(0, 1, a.W, 1), tabs, b.tab, true, note)
	drawOperation(a.Sub(1, 2, a.W-2, a.H-2), &u.Operations[b.tab], u.Warnings)
}

// idle says what would be measured.
func (b *bench) idle(a paint.Area, c Comparison) {
	lines := []view.Line{
		{Text: "How long the kubelet's managers take, policy beside policy.", Role: paint.Title},
		{},
		{Text: "machine   " + b.profile + "   (p changes it)"},
		{Text: "compare   " + c.Name + ": " + strings.Join(c.Policies, ", ") + "   (c changes it)"},
		{Text: "          " + c.Note, Role: paint.Dim},
		{},
		{Text: "enter measures it, in processes of their own; x stops.", Role: paint.Text},
	}
	if b.running {
		lines[len(lines)-1] = view.Line{Text: "starting…", Role: paint.Dim}
	}
	view.Text(a.Sub(1, 1, a.W-2, a.H-1), view.Wrap(lines, a.W-3), 0)
}

// drawOperation draws the charts of an operation and the table below them.
func drawOperation(a paint.Area, op *BenchOperation, warnings []string) {
	n := len(op.Series)
	name := 0
	for i := range op.Series {
		name = max(name, len(op.Series[i].Policy))
	}
	name = min(name+3, 30)
	table := n + 1
	notes := min(len(warnings), 2)
	room := a.H - table - notes - 3 // an axis, and lines between
	each := max(min(room/(2*max(n, 1)), 3), 1)
	curves := make([]view.Curve, 0, n)
	y := 0
	for i := range op.Series {
		s := &op.Series[i]
		letter, role := rune('a'+i), paint.OwnerRole(i)
		a.Set(0, y+each-1, letter, role, 0)
		a.Sub(2, y+each-1, name-2, 1).Print(0, 0, s.Policy, role, 0)
		view.Histogram(a.Sub(name, y, a.W-name, each), s.Counts, role)
		curves = append(curves, view.Curve{Letter: letter, Role: role, Counts: s.Counts})
		y += each
	}
	if k := len(op.Bounds); k > 1 {
		view.Axis(a.Sub(name, y, a.W-name, 1), op.Bounds[0], op.Bounds[k-1])
	}
	y++
	if h := a.H - y - table - notes - 1; h >= 3 {
		// The curves share the histograms' axis.
		view.ECDF(a.Sub(name-5, y, a.W-name+5, h), curves)
		y += h
	}
	y = max(y, a.H-table-notes)
	benchTable(op).Draw(a.Sub(0, y, a.W, table))
	for i := range notes {
		a.Print(0, y+table+i, "! "+warnings[i], paint.Warn, 0)
	}
}

func benchTable(op *BenchOperation) view.Table {
	t := view.Table{Head: []string{"", "POLICY", "SAMPLES", "MEAN", "P50", "P90", "P99", "MAX"}, Selected: -1}
	for i := range op.Series {
		s := &op.Series[i]
		role := paint.OwnerRole(i)
		row := view.Row{{Text: string(rune('a' + i)), Role: role}, {Text: s.Policy, Role: role}, {Text: fmt.Sprint(s.N)}}
		if s.N == 0 {
			note := s.Note
			if note == "" {
				note = "-"
			}
			t.Rows = append(t.Rows, append(row, view.Cell{Text: note, Role: paint.Dim}))
			continue
		}
		row = append(row, view.Cell{Text: view.Duration(s.Mean)}, view.Cell{Text: view.Duration(s.P50)},
			beyond(s.P90), beyond(s.P99), view.Cell{Text: view.Duration(s.Max)})
		t.Rows = append(t.Rows, row)
	}
	return t
}

// beyond is a percentile, or that it needs more samples.
func beyond(v *float64) view.Cell {
	if v == nil {
		return view.Cell{Text: "need more", Role: paint.Dim}
	}
	return view.Cell{Text: view.Duration(*v)}
}
