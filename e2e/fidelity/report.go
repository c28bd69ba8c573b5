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
		fmt.Fprintf(&b, "%-*s  %-*s  %-7s  %5d  %5d  %5.0fs\n", width, c.Scenario, shape, c.Profile, c.verdict(), c.Steps, c.Facts, c.RealSeconds)
	}
	for _, c := range r.Comparisons {
		if c.Skipped == "" && len(c.Differences) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n%s on %s\n", c.Scenario, c.Profile)
		if c.Skipped != "" {
			fmt.Fprintf(&b, "  skipped: %s\n", c.Skipped)
		}
		for _, d := range c.Differences {
			fmt.Fprintf(&b, "  step %d (line %d) %s: %s\n    sim   %s\n    real  %s\n", d.Step, d.Line, d.Event, d.What, orNone(d.Sim), orNone(d.Real))
		}
	}
	b.WriteString("\n" + r.Summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (c Comparison) verdict() string {
	switch {
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
	type count struct{ agree, differ, part, skip, facts, differences int }
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
		switch c.verdict() {
		case "agree":
			n.agree++
		case "differ":
			n.differ++
		case "part":
			n.part++
		default:
			n.skip++
		}
	}
	var lines []string
	for _, p := range order {
		n := counts[p]
		lines = append(lines, fmt.Sprintf("%s: %d agree, %d differ, %d in part, %d skipped; %d of %d facts agree",
			p, n.agree, n.differ, n.part, n.skip, n.facts-n.differences, n.facts))
	}
	return strings.Join(lines, "\n")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
