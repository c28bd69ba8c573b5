package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/owners"
)

// MapOptions say how a CPU map looks.
type MapOptions struct {
	// Color turns ANSI colours on; every owner has a letter without them too.
	Color bool
	// Width is the number of columns to fit into; 0 means 80.
	Width int
}

func (o MapOptions) width() int {
	if o.Width <= 0 {
		return 80
	}
	return max(o.Width, 40)
}

// CPUMap draws the machine and who owns which CPU. A core is a column, its
// sibling CPUs stand below each other; one space parts eight cores, two
// spaces part the cores of different L3 caches. The numbers at the beginning
// of a line name its CPUs. A legend follows.
func CPUMap(w io.Writer, o observe.Observation, p *hwprofiles.Profile, opts MapOptions) error {
	out := bufio.NewWriter(w)
	m := &cpuMap{w: out, paint: screen.Painter{Color: opts.Color}, owners: newOwners(&o, p), width: opts.width()}
	m.draw(p)
	m.legend()
	return out.Flush()
}

type cpuMap struct {
	w      *bufio.Writer
	paint  screen.Painter
	owners *drawnOwners
	width  int

	labelWidth, rulerWidth int
	// siblings and caches say what the map shows, for the line that explains it.
	siblings, caches bool
}

func (m *cpuMap) draw(p *hwprofiles.Profile) {
	all := blocks(p)
	for i := range all {
		b := &all[i]
		m.labelWidth = max(m.labelWidth, len(b.label()))
		// The lines of a block are cut before their rulers are known, so room
		// is left for the longest possible.
		for t := range b.threads() {
			m.rulerWidth = max(m.rulerWidth, len(ruler(b.row(0, len(b.cores), t))))
		}
		if len(b.detached) > 0 {
			m.rulerWidth = max(m.rulerWidth, len(ruler(b.detached)))
		}
		m.siblings = m.siblings || b.threads() > 1
		for j := 1; j < len(b.cores); j++ {
			m.caches = m.caches || b.gap(j) == 2
		}
	}
	for i := range all {
		b := &all[i]
		if i == 0 || all[i-1].socket != b.socket {
			m.line(m.paint.Paint(screen.Bold, socketName(b.socket)))
		}
		m.block(b)
	}
	if nodes := nodesWithoutCPUs(p); nodes != "" {
		m.line("  " + nodes)
	}
}

func socketName(id int) string {
	if id == hwprofiles.None {
		return "socket not known"
	}
	return fmt.Sprintf("socket %d", id)
}

// label is what stands before a block's first line.
func (b *block) label() string {
	var words []string
	if b.node != hwprofiles.None {
		words = append(words, fmt.Sprintf("node %d", b.node))
	}
	if b.kind != "" {
		words = append(words, b.kind)
	}
	return strings.Join(words, " ")
}

// row lists the CPUs that thread t has in the columns from first to last.
func (b *block) row(first, last, t int) []int {
	var ids []int
	for _, c := range b.cores[first:last] {
		if t < len(c.cpus) {
			ids = append(ids, c.cpus[t])
		}
	}
	return ids
}

// margin is the space taken before the first column.
func (m *cpuMap) margin() int { return 2 + m.labelWidth + 2 + m.rulerWidth + 2 }

func (m *cpuMap) block(b *block) {
	label := b.label()
	begin := func(ids []int) {
		fmt.Fprintf(m.w, "  %-*s  %*s  ", m.labelWidth, label, m.rulerWidth, ruler(ids))
		label = ""
	}
	starts := b.lines(m.width - m.margin())
	for line, first := range starts {
		last := len(b.cores)
		if line+1 < len(starts) {
			last = starts[line+1]
		}
		for t := range b.threads() {
			ids := b.row(first, last, t)
			if len(ids) == 0 {
				continue
			}
			begin(ids)
			m.cells(b, first, last, t)
		}
	}
	for ids := range slices.Chunk(b.detached, max(m.width-m.margin(), 1)) {
		begin(ids)
		run := newRun(m)
		for _, id := range ids {
			run.add(m.owners.symbol(id))
		}
		run.end()
		m.line("")
	}
}

// cells draws one row.
func (m *cpuMap) cells(b *block, first, last, t int) {
	run := newRun(m)
	pending := 0
	for i := first; i < last; i++ {
		if i > first {
			pending += b.gap(i)
		}
		if t >= len(b.cores[i].cpus) {
			pending++ // this core has fewer threads
			continue
		}
		run.spaces(pending)
		pending = 0
		run.add(m.owners.symbol(b.cores[i].cpus[t]))
	}
	run.end()
	m.line("")
}

func (m *cpuMap) line(text string) { fmt.Fprintln(m.w, strings.TrimRight(text, " ")) }

// run gathers neighbouring cells of one style, so that a row of a thousand
// CPUs is not a row of a thousand escape sequences.
type run struct {
	m     *cpuMap
	style screen.Style
	text  strings.Builder
}

func newRun(m *cpuMap) *run { return &run{m: m} }

func (r *run) add(symbol rune, s screen.Style) {
	if s != r.style {
		r.end()
		r.style = s
	}
	r.text.WriteRune(symbol)
}

func (r *run) spaces(n int) {
	if n > 0 {
		r.end()
		r.m.w.WriteString(strings.Repeat(" ", n))
	}
}

func (r *run) end() {
	r.m.w.WriteString(r.m.paint.Paint(r.style, r.text.String()))
	r.text.Reset()
}

// nodesWithoutCPUs names the nodes that the map has no row for.
func nodesWithoutCPUs(p *hwprofiles.Profile) string {
	var nodes []int
	for _, n := range p.NUMANodes {
		if !slices.ContainsFunc(p.CPUs, func(c hwprofiles.CPU) bool { return c.NUMANode == n.ID }) {
			nodes = append(nodes, n.ID)
		}
	}
	switch len(nodes) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("node %d has no CPUs", nodes[0])
	default:
		return fmt.Sprintf("nodes %s have no CPUs", cpuset.New(nodes...))
	}
}

// legendEntry is one line of the legend.
type legendEntry struct {
	symbol rune
	style  screen.Style
	name   string
	cpus   string
	note   string
}

func (m *cpuMap) legend() {
	ow := m.owners
	var entries []legendEntry
	for i := range ow.list {
		w := &ow.list[i]
		entries = append(entries, legendEntry{w.symbol, w.style, w.Name, w.CPUs.String(), joinNotes(nodesText(ow.profile, w.CPUs), w.Note)})
	}
	special := func(symbol rune, s screen.Style, name string, cpus cpuset.CPUSet, note string) {
		if !cpus.IsEmpty() {
			entries = append(entries, legendEntry{symbol, s, name, cpus.String(), note})
		}
	}
	shared, reserved := "shared pool", "in the shared pool"
	switch {
	case ow.Unmanaged:
		shared, reserved = "not managed", ""
	case ow.Strict:
		reserved = "not in the shared pool"
	}
	special(symbolShared, screen.Dim, shared, ow.Shared, "")
	special(symbolReserved, screen.Yellow, "reserved", ow.Reserved, reserved)
	special(symbolOffline, offline, "offline", ow.Offline, "")
	special(symbolNobody, screen.Red, "nobody's", ow.Nobody, "neither shared nor assigned")

	m.entries(entries)
	for _, c := range ow.Conflicts {
		m.conflict(c)
	}
	switch {
	case m.siblings && m.caches:
		m.explain("a column is a core, sibling CPUs below each other; two spaces part L3 caches")
	case m.siblings:
		m.explain("a column is a core, sibling CPUs below each other")
	case m.caches:
		m.explain("two spaces part L3 caches")
	}
}

func (m *cpuMap) explain(text string) {
	m.line("")
	m.line("  " + m.paint.Paint(screen.Dim, text))
}

// Where the legend's columns would grow wider than this, the next column
// moves on.
const (
	maxName = 32
	maxList = 28
)

// entries writes the legend in columns.
func (m *cpuMap) entries(entries []legendEntry) {
	name, list := 0, 0
	for _, e := range entries {
		name = max(name, min(utf8.RuneCountInString(e.name), maxName))
		if len(e.cpus) <= maxList {
			list = max(list, len(e.cpus))
		}
	}
	m.line("")
	for _, e := range entries {
		m.entry(e, name, list)
	}
}

// entry writes one line, and more where the name or the CPU list is long.
func (m *cpuMap) entry(e legendEntry, nameWidth, listWidth int) {
	const symbolWidth = 5
	indent := symbolWidth + nameWidth + 2
	fmt.Fprintf(m.w, "  %s  %-*s", m.paint.Paint(e.style, string(e.symbol)), nameWidth, e.name)
	if utf8.RuneCountInString(e.name) > nameWidth {
		fmt.Fprintf(m.w, "\n%*s", indent, "")
	} else {
		m.w.WriteString("  ")
	}
	lines := wrapList(e.cpus, m.width-indent)
	last := lines[len(lines)-1]
	if e.note != "" {
		if len(lines) == 1 {
			last = fmt.Sprintf("%-*s", listWidth, last)
		}
		if indent+len(last)+2+utf8.RuneCountInString(e.note) > m.width {
			lines = append(lines, m.paint.Paint(screen.Dim, e.note))
		} else {
			lines[len(lines)-1] = last + "  " + m.paint.Paint(screen.Dim, e.note)
		}
	}
	m.line(strings.Join(lines, fmt.Sprintf("\n%*s", indent, "")))
}

// conflict writes who may run where it must not.
func (m *cpuMap) conflict(c owners.Conflict) {
	cpus := cpuWord(c.CPUs) + ":"
	text := "  " + m.paint.Paint(alarm, string(symbolConflict)) + "  " + cpus
	if 5+len(cpus)+1+utf8.RuneCountInString(c.Text) > m.width {
		m.line(text)
		m.line("     " + c.Text)
		return
	}
	m.line(text + " " + c.Text)
}

// wrapList breaks a CPU list after commas.
func wrapList(list string, width int) []string {
	var lines []string
	for len(list) > width {
		cut := strings.LastIndexByte(list[:width], ',') + 1
		if cut == 0 {
			if cut = strings.IndexByte(list, ',') + 1; cut == 0 {
				break
			}
		}
		lines = append(lines, list[:cut])
		list = list[cut:]
	}
	return append(lines, list)
}

// nodesText says on which NUMA nodes some CPUs are.
func nodesText(p *hwprofiles.Profile, cpus cpuset.CPUSet) string {
	var ids []int
	for _, id := range cpus.UnsortedList() {
		if c, ok := p.CPU(id); ok && c.NUMANode != hwprofiles.None {
			ids = append(ids, c.NUMANode)
		}
	}
	nodes := cpuset.New(ids...)
	switch nodes.Size() {
	case 0:
		return ""
	case 1:
		return "node " + nodes.String()
	default:
		return "nodes " + nodes.String()
	}
}

func cpuWord(cpus cpuset.CPUSet) string {
	if cpus.Size() == 1 {
		return "CPU " + cpus.String()
	}
	return "CPUs " + cpus.String()
}

func joinNotes(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(s string) bool { return s == "" }), ", ")
}
