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
	if u.Reported > 0 {
		text = u.counted() + "  " + text
	}
	view.Progress(a.Sub(0, 0, a.W, 1), u.Part, text)
	note := b.spec.Comparison.Name
	if next := m.nextBench(); !b.running && (next.Profile != b.spec.Profile || next.Comparison.Name != b.spec.Comparison.Name) {
		note = "enter: " + next.Comparison.Name + " on " + next.Profile
	}
	view.Rule(benchRule(a), u.names(), b.tab, true, note)
	b.drawOperation(b.layout(a))
}

// counted says how many samples were taken, and whether all were shown.
func (u *BenchUpdate) counted() string {
	if u.Streamed != u.Reported {
		return fmt.Sprintf("%d of %d samples shown", u.Streamed, u.Reported)
	}
	return fmt.Sprintf("%d samples", u.Reported)
}

// benchRule is where the names of the operations are.
func benchRule(a paint.Area) paint.Area { return a.Sub(0, 1, a.W, 1) }

// leastNotes is how many lines of warnings are shown at least, where there are
// so many.
const leastNotes = 2

// benchLayout is where the parts of an operation are.
type benchLayout struct {
	charts, table, notes paint.Area
	// each is the height of a histogram, warnings are the notes' lines.
	each     int
	warnings []view.Line
}

// layout shares out the screen. The warnings get what the charts can spare: what
// makes figures doubtful is as important as they are.
func (b *bench) layout(a paint.Area) benchLayout {
	a = a.Sub(1, 2, a.W-2, a.H-2)
	op := &b.latest.Operations[b.tab]
	n := len(op.Series)
	var l benchLayout
	for i := range op.Series {
		if s := &op.Series[i]; s.Note != "" && s.N > 0 {
			l.warnings = append(l.warnings, view.Line{Text: "! " + s.Policy + ": " + s.Note, Role: paint.Bad})
		}
	}
	for _, text := range b.latest.Warnings {
		l.warnings = append(l.warnings, view.Line{Text: "! " + text, Role: paint.Warn})
	}
	l.warnings = view.Wrap(l.warnings, a.W-1)
	table := n + 1
	const curves = 4 // lines that the curves want at least, with a line below
	spare := a.H - table - n - 1 - curves
	notes := min(len(l.warnings), max(spare, leastNotes))
	l.each = max(min((a.H-table-notes-3)/(2*max(n, 1)), 3), 1)
	l.charts = a.Sub(0, 0, a.W, a.H-table-notes)
	l.table = a.Sub(0, a.H-table-notes, a.W, table)
	l.notes = a.Sub(0, a.H-notes, a.W, notes)
	return l
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

// drawOperation draws the charts of an operation, and the table and the warnings
// below them.
func (b *bench) drawOperation(l benchLayout) {
	op := &b.latest.Operations[b.tab]
	a := l.charts
	name := 0
	for i := range op.Series {
		name = max(name, len(op.Series[i].Policy))
	}
	name = min(name+3, 30)
	curves := make([]view.Curve, 0, len(op.Series))
	y := 0
	for i := range op.Series {
		s := &op.Series[i]
		letter, role := rune('a'+i), paint.OwnerRole(i)
		a.Set(0, y+l.each-1, letter, role, 0)
		a.Sub(2, y+l.each-1, name-2, 1).Print(0, 0, s.Policy, role, 0)
		view.Histogram(a.Sub(name, y, a.W-name, l.each), s.Counts, role)
		curves = append(curves, view.Curve{Letter: letter, Role: role, Counts: s.Counts})
		y += l.each
	}
	if k := len(op.Bounds); k > 1 {
		view.Axis(a.Sub(name, y, a.W-name, 1), op.Bounds[0], op.Bounds[k-1])
	}
	y++
	if h := a.H - y - 1; h >= 3 {
		// The curves share the histograms' axis.
		view.ECDF(a.Sub(name-5, y, a.W-name+5, h), curves)
	}
	benchTable(op).Draw(l.table)
	view.Text(l.notes, l.warnings, b.from)
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
		if s.Note != "" { // said below: the figures are not what they look like
			row[1] = view.Cell{Text: s.Policy + " !", Role: paint.Bad}
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
