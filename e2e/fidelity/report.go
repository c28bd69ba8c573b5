package fidelity

import (
	"fmt"
	"io"
	"strings"
)

// Report is a whole comparison.
type Report struct {
	APIVersion  string       `json:"apiVersion"`
	Kind        string       `json:"kind"`
	Comparisons []Comparison `json:"comparisons"`
	Boots       []Boot       `json:"boots,omitempty"`
}

// Boot is one boot of a machine.
type Boot struct {
	Profile string  `json:"profile"`
	Seconds float64 `json:"seconds"`
	Retried bool    `json:"retried,omitempty"`
}

// NewReport heads a list of comparisons.
func NewReport(list []Comparison, boots []Boot) Report {
	if list == nil {
		list = []Comparison{} // an empty list in JSON, not null
	}
	return Report{APIVersion: "pinlab/v1alpha1", Kind: "FidelityReport", Comparisons: list, Boots: boots}
}

// Agree says that no comparison found a difference.
func (r Report) Agree() bool {
	for _, c := range r.Comparisons {
		if len(c.Differences) > 0 {
			return false
		}
	}
	return true
}

// Facts counts the facts that were compared.
func (r Report) Facts() int {
	n := 0
	for _, c := range r.Comparisons {
		n += c.Facts
	}
	return n
}

// Failed counts the comparisons that the harness could not do.
func (r Report) Failed() int {
	n := 0
	for _, c := range r.Comparisons {
		if c.Failed != "" {
			n++
		}
	}
	return n
}

// Table writes the report for people: a line for each scenario, then each
// difference with both sides below each other, then the counts.
func (r Report) Table(w io.Writer) error {
	var b strings.Builder
	width, shape := len("SCENARIO"), len("PROFILE")
	for _, c := range r.Comparisons {
		width, shape = max(width, len(c.Scenario)), max(shape, len(c.Profile))
	}
	fmt.Fprintf(&b, "%-*s  %-*s  %-7s  %5s  %5s  %6s\n", width, "SCENARIO", shape, "PROFILE", "VERDICT", "STEPS", "FACTS", "TIME")
	for _, c := range r.Comparisons {
		fmt.Fprintf(&b, "%-*s  %-*s  %-7s  %5d  %5d  %5.0fs\n", width, c.Scenario, shape, c.Profile, c.Verdict(), c.Steps, c.Facts, c.RealSeconds)
	}
	for _, c := range r.Comparisons {
		if c.Skipped == "" && c.Failed == "" && c.Unread == 0 && len(c.Differences) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s on %s\n", c.Scenario, c.Profile)
		if c.Skipped != "" {
			fmt.Fprintf(&b, "  skipped: %s\n", c.Skipped)
		}
		if c.Failed != "" {
			fmt.Fprintf(&b, "  error: %s\n", c.Failed)
		}
		if c.Unread > 0 {
			fmt.Fprintf(&b, "  unread: the kubelet did not answer %d times; what it had in memory then was not compared\n", c.Unread)
		}
		for _, d := range c.Differences {
			fmt.Fprintf(&b, "  step %d (line %d) %s: %s\n    sim   %s\n    real  %s\n", d.Step, d.Line, d.Event, d.What, orNone(d.Sim), orNone(d.Real))
		}
	}
	b.WriteString("\n" + r.Summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Verdict is the comparison in one word: agree, differ, part (they agree as far
// as they were compared), skip or error.
func (c Comparison) Verdict() string {
	switch {
	case c.Failed != "":
		return "error"
	case len(c.Differences) > 0:
		return "differ"
	case c.Skipped != "" && c.Steps == 0:
		return "skip"
	case c.Skipped != "":
		return "part"
	}
	return "agree"
}

// Summary counts, for each profile, what was compared.
func (r Report) Summary() string {
	type count struct{ agree, differ, part, skip, failed, facts, differences int }
	counts := map[string]*count{}
	var order []string
	for _, c := range r.Comparisons {
		n := counts[c.Profile]
		if n == nil {
			n = &count{}
			counts[c.Profile] = n
			order = append(order, c.Profile)
		}
		n.facts += c.Facts
		n.differences += len(c.Differences)
		switch c.Verdict() {
		case "agree":
			n.agree++
		case "differ":
			n.differ++
		case "part":
			n.part++
		case "error":
			n.failed++
		default:
			n.skip++
		}
	}
	var lines []string
	for _, p := range order {
		n := counts[p]
		line := fmt.Sprintf("%s: %d agree, %d differ, %d in part, %d skipped", p, n.agree, n.differ, n.part, n.skip)
		if n.failed > 0 {
			line += fmt.Sprintf(", %d errors", n.failed)
		}
		lines = append(lines, fmt.Sprintf("%s; %d of %d facts agree", line, n.facts-n.differences, n.facts))
	}
	return strings.Join(lines, "\n")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
