package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// paneLines is the text of the side pane.
func (e *explore) paneLines(width int) []view.Line {
	f := e.last()
	if f == nil {
		return nil
	}
	switch e.tab {
	case tabChanges:
		return view.Wrap(changeLines(f), width)
	case tabLog:
		return view.Wrap(logLines(f.step.Log), width)
	}
	if e.onCPU {
		return view.Wrap(e.coreLines(f, width), width)
	}
	return e.podLines(f, width)
}

// changeLines tell what the last step changed and broke.
func changeLines(f *frame) []view.Line {
	lines := []view.Line{{Text: f.step.Event, Role: paint.Title}}
	for _, v := range f.step.Violations {
		sign, role, note := "! ", paint.Bad, ""
		if v.Expected {
			sign, role, note = "△ ", paint.Warn, " (expected)" // as on the timeline
		}
		lines = append(lines, view.Line{Text: sign + v.Invariant + ": " + v.Detail + note, Role: role})
	}
	for _, text := range f.step.Failures {
		lines = append(lines, view.Line{Text: "✗ " + text, Role: paint.Bad})
	}
	for _, text := range []string{f.step.Error, f.step.Skipped} {
		if text != "" {
			lines = append(lines, view.Line{Text: "✗ " + text, Role: paint.Bad})
		}
	}
	for _, text := range f.changes {
		role := paint.Text
		if strings.HasPrefix(text, "rejected ") || strings.HasPrefix(text, "error: ") {
			role = paint.Bad
		}
		if strings.HasPrefix(text, "!") {
			continue // told above
		}
		lines = append(lines, view.Line{Text: text, Role: role})
	}
	if len(lines) == 1 {
		lines = append(lines, view.Line{Text: "nothing changes", Role: paint.Dim})
	}
	return lines
}

// logLines are the kubelet's own lines, newest last.
func logLines(log []observe.LogLine) []view.Line {
	if len(log) == 0 {
		return []view.Line{{Text: "the kubelet logged nothing in this step", Role: paint.Dim}}
	}
	lines := make([]view.Line, 0, len(log))
	for _, l := range log {
		role := paint.Text
		switch l.Severity {
		case "E":
			role = paint.Bad
		case "W":
			role = paint.Warn
		}
		text := l.Text
		if r := []rune(text); len(r) > 1000 {
			text = string(r[:1000]) + "…"
		}
		lines = append(lines, view.Line{Text: l.Severity + " " + text, Role: role})
	}
	return lines
}

// podLines explain the selected pod: what it has, what the NUMA nodes have, and
// what 'pinlab explain' says.
func (e *explore) podLines(f *frame, width int) []view.Line {
	row := e.row()
	if row == nil {
		lines := []view.Line{{Text: "no pods; a adds one", Role: paint.Dim}, {}}
		return append(append(lines, view.Wrap(kubeletLines(&f.step.Observation), width)...), view.NodeBars(e.nodeBars(0), width)...)
	}
	p := e.pods[row.pod]
	var lines []view.Line
	if row.rejected && p != nil {
		lines = append(lines, view.Line{Text: row.pod + " is rejected: " + p.answer.Reason, Role: paint.Bad},
			view.Line{Text: "  " + strings.Join(strings.Fields(p.answer.Message), " "), Role: paint.Bad})
	} else if c := row.container; c != nil {
		lines = append(lines, containerLines(&f.step.Observation, c)...)
	}
	lines = append(lines, view.NodeBars(e.nodeBars(e.requested(row)), width)...)
	lines = append(lines, view.Line{})
	if p != nil && p.turn == 0 {
		text := "The kubelet has not decided about " + row.pod + ": it is not running."
		if f.step.Observation.Kubelet == observe.KubeletRunning {
			text = "The kubelet has not decided about " + row.pod + " yet."
		}
		lines = append(lines, kubeletLines(&f.step.Observation)...)
		lines = append(lines, view.Line{Text: text + " What it would do, as it is configured:", Role: paint.Warn}, view.Line{})
	}
	lines = view.Wrap(lines, width)
	switch x := &e.explain; {
	case p == nil:
	case x.asking:
		lines = append(lines, view.Line{Text: "asking the managers…", Role: paint.Dim})
	case x.err != nil:
		lines = append(lines, view.Wrap([]view.Line{{Text: "explain: " + x.err.Error(), Role: paint.Warn}}, width)...)
	default:
		lines = append(lines, view.Reflow(explainLines(x.text), width)...)
		if x.memory {
			lines = append(lines, view.Line{})
			lines = append(lines, view.Wrap([]view.Line{{Text: "The memory that other pods hold is not part of this answer.", Role: paint.Dim}}, width)...)
		}
	}
	return lines
}

// kubeletLines say in full why a kubelet has not started.
func kubeletLines(o *observe.Observation) []view.Line {
	if o.Kubelet != observe.KubeletFailed || o.KubeletError == "" {
		return nil
	}
	return []view.Line{{Text: "kubelet failed: " + strings.Join(strings.Fields(o.KubeletError), " "), Role: paint.Bad}}
}

// explainLines colour what 'pinlab explain' says.
func explainLines(text string) []view.Line {
	lines := view.Lines(text, paint.Text)
	for i := range lines {
		switch t := lines[i].Text; {
		case strings.Contains(t, "NOT PINNED") || strings.Contains(t, "REJECTED"):
			lines[i].Role = paint.Bad
		case strings.Contains(t, "PINNED"):
			lines[i].Role = paint.Good
		case strings.HasPrefix(t, "Assumed") || strings.HasPrefix(t, "Machine") || strings.HasPrefix(t, "Order"):
			lines[i].Role = paint.Dim
		case i > 0 && lines[i-1].Role == paint.Dim && strings.HasPrefix(t, "  "):
			lines[i].Role = paint.Dim // goes on
		}
	}
	return lines
}

func containerLines(o *observe.Observation, c *observe.Container) []view.Line {
	what := "in the shared pool " + string(c.Assigned)
	role := paint.Text
	switch {
	case c.Exclusive:
		what, role = "exclusive CPUs "+string(c.Assigned), paint.Good
	case c.Assigned == "":
		what = "no CPUs assigned"
	case c.Assigned != o.SharedPool:
		what, role = "in its pod's pool "+string(c.Assigned), paint.Good
	}
	lines := []view.Line{{Text: c.Ref() + ": " + what, Role: role}}
	if drifted(c) {
		lines = append(lines, view.Line{Text: "drift: its cgroup says " + listOr(c.Actual, "nothing"), Role: paint.Bad})
	}
	if c.Reason != "" {
		lines = append(lines, view.Line{Text: c.Reason, Role: paint.Dim})
	}
	return lines
}

func listOr(list observe.CPUs, empty string) string {
	if list == "" {
		return empty
	}
	return string(list)
}

// requested is how many CPUs the row's pod asks for and does not have.
func (e *explore) requested(row *podRow) int {
	p := e.pods[row.pod]
	if p == nil || (row.container != nil && row.container.Exclusive) {
		return 0
	}
	if row.container != nil && row.container.Requested > 0 {
		return row.container.Requested
	}
	if !row.rejected {
		return 0
	}
	n := 0
	for i := range p.pod.Spec.Containers {
		n += int(p.pod.Spec.Containers[i].Resources.Requests.Cpu().Value())
	}
	return n
}

// nodeBars counts the CPUs of each NUMA node.
func (e *explore) nodeBars(requested int) []view.NodeBar {
	if !e.ready() {
		return nil
	}
	bars := map[int]*view.NodeBar{}
	for i := range e.machine.Profile.CPUs {
		c := &e.machine.Profile.CPUs[i]
		if !c.Online {
			continue
		}
		node := max(c.NUMANode, 0)
		if bars[node] == nil {
			bars[node] = &view.NodeBar{Node: node, Requested: requested}
		}
		bars[node].Total++
		if e.owners.Shared.Contains(c.ID) && e.owners.Of(c.ID) == nil {
			bars[node].Free++
		}
	}
	out := make([]view.NodeBar, 0, len(bars))
	for _, b := range bars {
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b view.NodeBar) int { return a.Node - b.Node })
	return out
}

// coreLines explain the selected CPU: where it is, who has it, who else may run
// there.
func (e *explore) coreLines(f *frame, width int) []view.Line {
	c, ok := e.machine.Profile.CPU(e.cpu)
	if !ok {
		return nil
	}
	lines := cpuLines(&e.mapState, c)
	o := &f.step.Observation
	running := 0
	for i := range o.Containers {
		k := &o.Containers[i]
		if k.State != observe.StateRunning || !k.Actual.Set().Contains(c.ID) {
			continue
		}
		running++
		if running <= 8 {
			lines = append(lines, view.Line{Text: "  " + k.Ref() + " may run here: " + because(o, k), Role: paint.Text})
		}
	}
	switch {
	case running == 0:
		lines = append(lines, view.Line{Text: "  no container may run here", Role: paint.Dim})
	case running > 8:
		lines = append(lines, view.Line{Text: fmt.Sprintf("  and %d more", running-8), Role: paint.Dim})
	}
	lines = append(lines, view.Line{})
	return append(lines, view.NodeBars(e.nodeBars(0), width)...)
}

func because(o *observe.Observation, c *observe.Container) string {
	switch {
	case drifted(c):
		return "drift, assigned " + listOr(c.Assigned, "nothing")
	case c.Exclusive:
		return "exclusive"
	case c.Assigned != o.SharedPool:
		return "its pod's pool"
	}
	return "shared pool"
}

// cpuLines say where a CPU is and whose.
func cpuLines(s *mapState, c hwprofiles.CPU) []view.Line {
	where := fmt.Sprintf("CPU %d: core %s, socket %s, NUMA node %s", c.ID, id(c.Core), id(c.Socket), id(c.NUMANode))
	if c.UncoreCache != hwprofiles.None {
		where += fmt.Sprintf(", uncore cache (L3) %d", c.UncoreCache)
	}
	if c.Kind != "" {
		where += ", " + c.Kind
	}
	lines := []view.Line{{Text: where, Role: paint.Title}}
	if c.Siblings.Size() > 1 {
		lines = append(lines, view.Line{Text: "siblings: CPUs " + c.Siblings.String(), Role: paint.Dim})
	}
	ow := s.owners
	w := ow.Of(c.ID)
	switch {
	case ow.Offline.Contains(c.ID):
		lines = append(lines, view.Line{Text: "offline", Role: paint.Offline})
	case w != nil:
		note := w.Note
		if note != "" {
			note = " (" + note + ")"
		}
		lines = append(lines, view.Line{Text: "owned by " + w.Name + note + ", CPUs " + w.CPUs.String(), Role: w.Role})
	case ow.Reserved.Contains(c.ID):
		lines = append(lines, view.Line{Text: "reserved: never exclusive", Role: paint.Reserved})
	case ow.Shared.Contains(c.ID) && ow.Unmanaged:
		lines = append(lines, view.Line{Text: "not managed: the policy is none", Role: paint.Shared})
	case ow.Shared.Contains(c.ID):
		lines = append(lines, view.Line{Text: "in the shared pool, free to be exclusive", Role: paint.Shared})
	default:
		lines = append(lines, view.Line{Text: "nobody's: neither shared nor assigned", Role: paint.Nobody})
	}
	for _, x := range ow.Conflicts {
		if x.CPUs.Contains(c.ID) {
			lines = append(lines, view.Line{Text: "conflict: " + x.Text, Role: paint.Bad})
		}
	}
	return lines
}

func id(n int) string {
	if n == hwprofiles.None {
		return "-"
	}
	return fmt.Sprint(n)
}
