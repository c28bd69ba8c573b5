package report

import (
	"fmt"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
)

// detail writes one result step by step.
func (t *table) detail(r *scenarios.Result) {
	head := [][]screen.Cell{screen.Cells("scenario", r.Scenario)}
	if r.Title != "" {
		head = append(head, screen.Cells("story", r.Title))
	}
	if r.File != "" {
		head = append(head, screen.Cells("file", r.File))
	}
	head = append(head, screen.Cells("profile", r.Profile))
	if r.KubeletVersion != "" {
		head = append(head, screen.Cells("kubelet", r.KubeletVersion+" ("+r.Target+")"))
	}
	verdict := screen.Cell{Text: string(r.Verdict), Style: verdictStyle(r.Verdict)}
	head = append(head, []screen.Cell{{Text: "verdict"}, verdict})
	if r.Reason != "" {
		head = append(head, screen.Cells("reason", r.Reason))
	}
	if t.opts.Durations {
		head = append(head, screen.Cells("time", durationText(r.DurationSeconds)))
	}
	screen.ColumnsWithin(t.w, t.paint, "", t.opts.width(), head)

	var teller teller
	drawn := false
	for i := range r.Steps {
		s := &r.Steps[i]
		t.w.separate()
		fmt.Fprintln(t.w, t.paint.Paint(screen.Bold, fmt.Sprintf("STEP %d  %s", s.Index, s.Event))+t.place(r, s))
		if observed(s) {
			t.state(&teller, &s.Observation)
		}
		t.findings(s, "  ")
		if t.opts.Logs {
			for _, l := range s.Log {
				fmt.Fprintf(t.w, "  %s %s\n", l.Severity, l.Text)
			}
		}
		if len(s.Violations) > 0 && !drawn && i < len(r.Steps)-1 {
			// Where it first goes wrong; the map at the end may be healthy again.
			t.cpuMap(r, i, "  ")
			drawn = true
		}
		switch {
		case s.Skipped != "":
			t.wrapped("  ", "skipped: "+s.Skipped)
		case s.Error != "":
			t.wrapped("  ", t.paint.Paint(screen.Red, "error: "+s.Error))
		case !observed(s) && len(s.Failures) == 0:
			t.wrapped("  ", t.paint.Paint(screen.Green, "holds"))
		}
	}
	t.cpuMap(r, len(r.Steps)-1, "")
	for _, f := range r.Closing() {
		t.wrapped("", t.paint.Paint(screen.Red, f))
	}
	if r.Reproducer != "" {
		t.wrapped("", "reproduce: "+r.Reproducer)
	}
	t.stack(r, "")
}

// place is where in the file a step stands that went wrong.
func (t *table) place(r *scenarios.Result, s *observe.Step) string {
	if r.File == "" || s.Line == 0 || (len(s.Failures) == 0 && s.Skipped == "" && s.Error == "" && !unexpected(s)) {
		return ""
	}
	return fmt.Sprintf("  (%s:%d)", r.File, s.Line)
}

func unexpected(s *observe.Step) bool {
	for _, v := range s.Violations {
		if !v.Expected {
			return true
		}
	}
	return false
}

// state writes the node after a step: what changed of the node itself, the
// answers, and all containers.
func (t *table) state(tell *teller, o *observe.Observation) {
	d := tell.next(o)
	d.kubelet()
	d.config(tell)
	d.machine()
	d.admissions()
	d.stale()
	d.checkpoint()
	d.memory()
	for _, line := range d.lines {
		t.wrapped("  ", line)
	}
	if o.SharedPool != d.before.SharedPool || d.first {
		t.wrapped("  ", "shared pool "+listOr(o.SharedPool, "empty"))
	}
	if len(o.Containers) > 0 {
		screen.ColumnsWithin(t.w, t.paint, "  ", t.opts.width(), containerRows(o))
	}
}

// containerRows is the table of containers.
func containerRows(o *observe.Observation) [][]screen.Cell {
	rows := [][]screen.Cell{screen.Cells("POD/CONTAINER", "QOS", "STATE", "CPUS", "ACTUAL", "NUMA", "WHY")}
	for i := range o.Containers {
		c := &o.Containers[i]
		name := c.Ref()
		if c.Kind != observe.KindApp && c.Kind != "" {
			name += " (" + string(c.Kind) + ")"
		}
		actual := screen.Cell{Text: "same"}
		switch {
		case c.State != observe.StateRunning:
			actual.Text = "-"
		case drifted(c):
			actual = screen.Cell{Text: listOr(c.Actual, "empty"), Style: screen.Red}
		case c.Actual != c.Assigned:
			actual.Text = string(c.Actual)
		}
		numa := "-"
		if c.Exclusive && len(c.NUMANodes) > 0 {
			numa = intList(c.NUMANodes)
		}
		rows = append(rows, append(screen.Cells(name, c.QoS, string(c.State), containerCPUs(o, c)), actual, screen.Cell{Text: numa}, screen.Cell{Text: c.Reason}))
	}
	return rows
}
