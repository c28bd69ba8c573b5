package verify

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
)

// TableOptions say how a report is shown.
type TableOptions struct {
	Color bool
	Width int
}

// notKnown stands for what is unread.
const notKnown = "unread"

// WriteTable writes a report for a person.
func WriteTable(w io.Writer, r *Report, opts TableOptions) error {
	p := screen.Painter{Color: opts.Color}
	var b strings.Builder
	t := &table{w: screen.Clean(&b, p), p: p, width: opts.Width, r: r}
	t.head()
	t.containers()
	t.unread()
	t.findings()
	t.summary()
	_, err := io.WriteString(w, b.String())
	return err
}

type table struct {
	w     io.Writer
	p     screen.Painter
	width int
	r     *Report
}

func (t *table) line(style screen.Style, format string, args ...any) {
	fmt.Fprintln(t.w, t.p.Paint(style, fmt.Sprintf(format, args...)))
}

func (t *table) head() {
	k, n := &t.r.Kubelet, &t.r.Node
	node := "CPUs " + notKnown
	if n.Online != "" {
		node = "CPUs " + string(n.Online)
		if n.NUMANodes > 0 {
			node += ", " + count(n.NUMANodes, "NUMA node")
		}
	}
	if n.CgroupVersion > 0 {
		node += ", cgroup v" + strconv.Itoa(n.CgroupVersion)
	}
	if n.Isolated != "" {
		node += ", isolated " + string(n.Isolated)
	}
	if n.NoHzFull != "" {
		node += ", nohz_full " + string(n.NoHzFull)
	}
	state := k.State
	if k.PID != 0 {
		state += ", process " + strconv.Itoa(k.PID)
	}
	policy := notKnown
	if k.Config.CPUManagerPolicy != "" {
		policy = "CPU manager " + k.Config.CPUManagerPolicy
		if k.Config.TopologyManagerPolicy != "" {
			policy += ", topology manager " + k.Config.TopologyManagerPolicy + ", memory manager " + k.Config.MemoryManagerPolicy
		}
		if k.Config.Reserved != "" {
			policy += ", reserved CPUs " + string(k.Config.Reserved)
		}
	}
	config := notKnown
	if slices.ContainsFunc(t.r.Findings, func(f Finding) bool { return f.Check == ConfigRefused }) {
		config = stateMalformed
	}
	if len(k.ConfigFrom) > 0 {
		config = strings.Join(k.ConfigFrom, " ")
	}
	file := k.CPUState
	if k.CPUState == stateRead {
		file = "shared pool " + list(*k.SharedPool)
		if len(k.Entries) > 0 {
			file += fmt.Sprintf(", %s with CPUs of their own", count(len(k.Entries), "container"))
		}
	}
	rows := [][]screen.Cell{
		screen.Cells("Node", node), screen.Cells("Kubelet", state), screen.Cells("Policies", policy),
		screen.Cells("Config", config), screen.Cells("State file", file),
	}
	for _, s := range t.r.Starts {
		text := "the kubelet starts with it"
		switch s.Result {
		case Refused:
			text = "the kubelet does not start with it"
		case Unchecked:
			text = "unchecked: " + s.Unchecked
		}
		if s.KubeletVersion != "" {
			text += " (asked " + s.KubeletVersion + ")"
		}
		rows = append(rows, screen.Cells("Next start", s.Config+": "+text))
	}
	screen.ColumnsWithin(t.w, t.p, "", t.width, rows)
}

// same stands for what is as the field before it.
const same = "="

func show(cpus *observe.CPUs) string {
	switch {
	case cpus == nil:
		return notKnown
	case *cpus == "":
		return "-"
	}
	return string(*cpus)
}

func after(before *observe.CPUs, cpus *observe.CPUs) string {
	if before != nil && cpus != nil && *before == *cpus && *cpus != "" {
		return same
	}
	return show(cpus)
}

func (t *table) cells(c *Container) []screen.Cell {
	assigned := show(c.Assigned)
	style := screen.Plain
	switch {
	case c.Sandbox, t.r.Kubelet.Config.CPUManagerPolicy == "none":
		assigned = "-"
	case c.Exclusive:
		style = screen.Green
	case c.Assigned != nil:
		assigned = "shared"
	}
	cgroup := after(c.Assigned, c.CPUs)
	base := c.Effective
	if base == nil {
		base = c.CPUs
	}
	threads := notKnown
	switch {
	case c.Running == nil:
	case !c.Runs():
		threads = "none"
	case len(c.Threads) > 0:
		var parts []string
		for _, a := range c.Threads {
			parts = append(parts, string(a.CPUs))
		}
		threads = strings.Join(parts, " ")
		if len(c.Threads) == 1 && base != nil && c.Threads[0].CPUs == *base {
			threads = same
		}
	}
	memory := "-"
	if c.Memory != nil {
		memory = fmt.Sprintf("%.0f%%", 100*c.Memory.Local)
	}
	row := []screen.Cell{
		{Text: c.name()},
		{Text: assigned, Style: style},
		{Text: cgroup},
		{Text: after(c.CPUs, c.Effective)},
		{Text: threads},
		{Text: show(c.Mems)},
		{Text: memory},
	}
	for i := range row {
		if row[i].Text == notKnown {
			row[i].Style = screen.Yellow
		}
	}
	if c.Assigned != nil && c.Effective != nil && *c.Assigned != *c.Effective && !c.Sandbox && c.Runs() {
		row[3].Style = screen.Red
	}
	return row
}

var columns = screen.Cells("CONTAINER", "ASSIGNED", "CPUSET", "EFFECTIVE", "THREADS", "MEMS", "LOCAL")

// containers writes a table with a line for each pod above its containers. A
// container whose lists do not fit beside each other gets a line for each.
func (t *table) containers() {
	if len(t.r.Containers) == 0 {
		return
	}
	fmt.Fprintln(t.w)
	rows := [][]screen.Cell{columns}
	pods := []string{""}
	for i := range t.r.Containers {
		c := &t.r.Containers[i]
		rows = append(rows, t.cells(c))
		pod := c.podRef()
		if c.QoS != "" {
			pod += "  " + c.QoS
		}
		pods = append(pods, pod)
	}
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c.Text))
		}
	}
	total := 0
	for _, width := range widths {
		total += width + 2
	}
	if t.width > 0 && total > t.width {
		t.tall(rows, pods)
		return
	}
	last := ""
	for r, row := range rows {
		if pods[r] != last {
			t.line(screen.Bold, "%s", pods[r])
			last = pods[r]
		}
		var b strings.Builder
		b.WriteString("  ")
		for i, c := range row {
			style := c.Style
			if r == 0 {
				style = screen.Dim
			}
			b.WriteString(t.p.Paint(style, c.Text))
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.Text)+2))
			}
		}
		fmt.Fprintln(t.w, strings.TrimRight(b.String(), " "))
	}
}

func (t *table) tall(rows [][]screen.Cell, pods []string) {
	last := ""
	for r, row := range rows[1:] {
		if pods[r+1] != last {
			last = pods[r+1]
			t.line(screen.Bold, "%s", last)
		}
		t.line(screen.Plain, "  %s", row[0].Text)
		var lines [][]screen.Cell
		for i, c := range row[1:] {
			lines = append(lines, []screen.Cell{{Text: strings.ToLower(columns[i+1].Text), Style: screen.Dim}, c})
		}
		screen.ColumnsWithin(t.w, t.p, "    ", t.width, lines)
	}
}

func (t *table) unread() {
	rows := [][]screen.Cell{}
	for _, u := range t.r.Unread {
		rows = append(rows, []screen.Cell{{Text: "  " + u.What, Style: screen.Yellow}, {Text: u.Why}})
	}
	for i := range t.r.Containers {
		c := &t.r.Containers[i]
		for _, why := range c.Unread {
			rows = append(rows, []screen.Cell{{Text: "  " + c.Ref(), Style: screen.Yellow}, {Text: why}})
		}
	}
	if len(rows) == 0 {
		return
	}
	fmt.Fprintln(t.w)
	t.line(screen.Bold, "Unread, so that nothing is concluded from it:")
	screen.ColumnsWithin(t.w, t.p, "", t.width, rows)
}

var styles = map[Severity]screen.Style{Critical: screen.Red, Warning: screen.Yellow, Note: screen.Dim}

// mostShown bounds the places of one finding on the screen; JSON has them all.
const mostShown = 12

func (t *table) findings() {
	for _, f := range t.r.Findings {
		fmt.Fprintln(t.w)
		title := strings.ToUpper(string(f.Severity))
		screen.ColumnsWithin(t.w, t.p, "", t.width, [][]screen.Cell{{{Text: title, Style: styles[f.Severity]}, {Text: f.What, Style: screen.Bold}}})
		rows := [][]screen.Cell{{{Text: "check", Style: screen.Dim}, {Text: f.Check}}}
		if f.CPUs != "" {
			rows = append(rows, []screen.Cell{{Text: "CPUs", Style: screen.Dim}, {Text: string(f.CPUs)}})
		}
		for i, where := range f.Where {
			name := "where"
			if i > 0 {
				name = ""
			}
			if i == mostShown-1 && len(f.Where) > mostShown {
				where = fmt.Sprintf("and %d more", len(f.Where)-i)
			}
			rows = append(rows, []screen.Cell{{Text: name, Style: screen.Dim}, {Text: where}})
			if i == mostShown-1 {
				break
			}
		}
		rows = append(rows,
			[]screen.Cell{{Text: "why", Style: screen.Dim}, {Text: f.Why}},
			[]screen.Cell{{Text: "remedy", Style: screen.Dim}, {Text: f.Remedy}})
		screen.ColumnsWithin(t.w, t.p, "  ", t.width, rows)
	}
}

func (t *table) summary() {
	fmt.Fprintln(t.w)
	text, style := "Nothing found", screen.Green
	if t.r.count(Note) > 0 {
		text = "Neither critical findings nor warnings"
	}
	if len(t.r.Incomplete()) > 0 {
		text, style = text+" in what could be read", screen.Yellow
	}
	if !t.r.Held() {
		text, style = "Found", screen.Red
		text += fmt.Sprintf(" %d critical, %s", t.r.count(Critical), count(t.r.count(Warning), "warning"))
	}
	if n := t.r.count(Note); n > 0 {
		text += ", " + count(n, "note")
	}
	text += fmt.Sprintf("; %s", count(len(t.r.Containers), "container"))
	if n := t.unreadCount(); n > 0 {
		text += fmt.Sprintf(", %d unread", n)
	}
	if len(t.r.Skipped) > 0 {
		text += "; skipped " + strings.Join(t.r.Skipped, ", ")
	}
	t.line(style, "%s", text)
	if lacking := t.r.Incomplete(); len(lacking) > 0 {
		var names []string
		for _, u := range lacking {
			names = append(names, u.What)
		}
		t.line(screen.Yellow, "The audit is incomplete: %s could not be read", strings.Join(names, ", "))
	}
}

func (t *table) unreadCount() int {
	n := len(t.r.Unread)
	for i := range t.r.Containers {
		n += len(t.r.Containers[i].Unread)
	}
	return n
}
