package report

import (
	"fmt"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// detail writes one result step by step.
func (t *table) detail(r *scenarios.Result) {
	head := [][]cell{cells("scenario", r.Scenario)}
	if r.File != "" {
		head = append(head, cells("file", r.File))
	}
	head = append(head, cells("profile", r.Profile))
	if r.KubeletVersion != "" {
		head = append(head, cells("kubelet", r.KubeletVersion+" ("+r.Target+")"))
	}
	verdict := cell{string(r.Verdict), verdictStyle(r.Verdict)}
	head = append(head, []cell{{text: "verdict"}, verdict})
	if r.Reason != "" {
		head = append(head, cells("reason", r.Reason))
	}
	if t.opts.Durations {
		head = append(head, cells("time", durationText(r.DurationSeconds)))
	}
	columns(t.w, t.paint, "", head)

	var teller teller
	for i := range r.Steps {
		s := &r.Steps[i]
		t.w.separate()
		fmt.Fprintln(t.w, t.paint.paint(bold, fmt.Sprintf("STEP %d  %s", s.Index, s.Event))+t.place(r, s))
		if observed(s) {
			t.state(&teller, &s.Observation)
		}
		t.findings(s, "  ")
		if t.opts.Logs {
			for _, l := range s.Log {
				fmt.Fprintf(t.w, "  %s %s\n", l.Severity, l.Text)
			}
		}
		switch {
		case s.Skipped != "":
			t.wrapped("  ", "skipped: "+s.Skipped)
		case !observed(s) && len(s.Failures) == 0:
			t.wrapped("  ", t.paint.paint(green, "holds"))
		}
	}
	t.cpuMap(r, len(r.Steps)-1, "")
	for _, f := range r.Failures {
		t.wrapped("", t.paint.paint(red, f))
	}
	if r.Reproducer != "" {
		t.wrapped("", "reproduce: "+r.Reproducer)
	}
	t.stack(r, "")
}

// place is where in the file a step stands that went wrong.
func (t *table) place(r *scenarios.Result, s *observe.Step) string {
	if r.File == "" || s.Line == 0 || (len(s.Failures) == 0 && s.Skipped == "" && !unexpected(s)) {
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
		columns(t.w, t.paint, "  ", containerRows(o))
	}
}

// containerRows is the table of containers.
func containerRows(o *observe.Observation) [][]cell {
	rows := [][]cell{cells("POD/CONTAINER", "QOS", "STATE", "CPUS", "ACTUAL", "NUMA", "WHY")}
	for i := range o.Containers {
		c := &o.Containers[i]
		name := c.Ref()
		if c.Kind == observe.KindInit || c.Kind == observe.KindSidecar {
			name += " (" + string(c.Kind) + ")"
		}
		actual := cell{text: "same"}
		switch {
		case c.State != observe.StateRunning:
			actual.text = "-"
		case drifted(c):
			actual = cell{listOr(c.Actual, "empty"), red}
		case c.Actual != c.Assigned:
			actual.text = string(c.Actual)
		}
		numa := "-"
		if c.Exclusive && len(c.NUMANodes) > 0 {
			numa = intList(c.NUMANodes)
		}
		rows = append(rows, append(cells(name, c.QoS, string(c.State), containerCPUs(o, c)), actual, cell{text: numa}, cell{text: c.Reason}))
	}
	return rows
}
