package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// TraceOptions say what a trace shows.
type TraceOptions struct {
	// Log adds the kubelet's log lines.
	Log bool
}

// Trace writes a replay as a story: each step, what it changed, what broke.
// It has no times in it, so that the same scenario gives the same text.
func Trace(w io.Writer, r scenarios.Result, opts TraceOptions) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s on %s: %s\n", r.Scenario, r.Profile, verdictText(&r))
	st := story{w: out, opts: opts}
	for i := range r.Steps {
		st.step(&r.Steps[i])
	}
	closing := r.Closing()
	if len(closing) > 0 {
		fmt.Fprintln(out)
	}
	for _, f := range closing {
		fmt.Fprintf(out, "failed: %s\n", f)
	}
	return out.Flush()
}

// verdictText is the verdict, with its reason where the steps do not tell it.
func verdictText(r *scenarios.Result) string {
	if r.Reason == "" || r.Verdict == scenarios.Fail {
		return string(r.Verdict)
	}
	return string(r.Verdict) + ": " + r.Reason
}

// story writes step after step.
type story struct {
	w      io.Writer
	opts   TraceOptions
	teller teller
	broken []observe.Violation // in the last observation
	told   bool                // something of the current step
}

func (st *story) step(s *observe.Step) {
	fmt.Fprintf(st.w, "\n%d  %s\n", s.Index, s.Event)
	st.told = false
	if observed(s) {
		for _, line := range st.teller.changes(&s.Observation) {
			st.tell(line)
		}
		st.violations(s.Violations, s.Observation.Kubelet == observe.KubeletRunning)
	}
	for _, f := range ownFailures(s) {
		st.tell("failed: " + f)
	}
	if s.Skipped != "" {
		st.tell("skipped: " + s.Skipped)
	}
	if s.Error != "" {
		st.tell("error: " + s.Error)
	}
	if st.opts.Log {
		for _, l := range s.Log {
			st.tell("log " + l.Severity + " " + l.Text)
		}
	}
	switch {
	case st.told:
	case observed(s):
		st.tell("nothing changes")
	default:
		st.tell("holds")
	}
}

// violations tells what has broken and what holds again; what was broken
// before in the same way is only named. Without a running kubelet hardly
// anything is judged, so that silence does not mean that it holds.
func (st *story) violations(now []observe.Violation, judged bool) {
	var still, mended []string
	for _, v := range now {
		if !slices.ContainsFunc(st.broken, func(old observe.Violation) bool { return old.Invariant == v.Invariant && old.Detail == v.Detail }) {
			st.tell("! " + violationText(v))
		} else if !slices.Contains(still, v.Invariant) {
			still = append(still, v.Invariant)
		}
	}
	if len(still) > 0 {
		st.tell("! still: " + strings.Join(still, ", "))
	}
	if !judged {
		return
	}
	for _, v := range st.broken {
		if !slices.ContainsFunc(now, func(n observe.Violation) bool { return n.Invariant == v.Invariant }) && !slices.Contains(mended, v.Invariant) {
			mended = append(mended, v.Invariant)
		}
	}
	if len(mended) > 0 {
		st.tell("holds again: " + strings.Join(mended, ", "))
	}
	st.broken = now
}

func (st *story) tell(text string) {
	st.told = true
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			line = "  " + line
		}
		fmt.Fprintln(st.w, strings.TrimRight("   "+line, " "))
	}
}
