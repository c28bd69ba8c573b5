package explore

import (
	"fmt"
	"io"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
)

// KindReport is the kind of a Report.
const KindReport = "ExploreReport"

// Report is what a search found. It holds no times, so that the same search gives the
// same bytes.
type Report struct {
	APIVersion     string `json:"apiVersion"`
	Kind           string `json:"kind"`
	KubeletVersion string `json:"kubeletVersion"`
	// Search says in words what was searched.
	Search   string            `json:"search"`
	Seed     uint64            `json:"seed,omitempty"`
	Stats    Stats             `json:"stats"`
	Findings []ReportedFinding `json:"findings"`
	// Flaky were seen once and not again, or there was no time left to see them again.
	Flaky map[string]string `json:"flaky,omitempty"`
}

// ReportedFinding is a Finding in a report.
type ReportedFinding struct {
	ID   string `json:"id"`
	New  bool   `json:"new"`
	Harm string `json:"harm"`
	// Known names the known cause.
	Known    string   `json:"known,omitempty"`
	Issue    string   `json:"issue,omitempty"`
	ByDesign bool     `json:"byDesign,omitempty"`
	Broken   string   `json:"broken"`
	Text     string   `json:"text"`
	Path     []string `json:"path,omitempty"`
	Needs    []string `json:"needs,omitempty"`
	// FollowsFrom is what broke first in the scenario, where it is something else.
	FollowsFrom string `json:"followsFrom,omitempty"`
	From        string `json:"from"`
	Seen        int    `json:"seen"`
	Events      int    `json:"events"`
	Scenario    string `json:"scenario"`
}

// NewReport makes the report of a search.
func NewReport(kubelet, search string, seed uint64, x *Explorer) (Report, error) {
	r := Report{
		APIVersion: scenarios.APIVersion, Kind: KindReport, KubeletVersion: kubelet, Search: search, Seed: seed,
		Stats: x.Stats(), Findings: []ReportedFinding{}, Flaky: x.Flaky(),
	}
	for _, f := range x.Findings() {
		text, err := Format(f.Scenario)
		if err != nil {
			return r, fmt.Errorf("finding %s: %w", f.ID, err)
		}
		_, harm := Harm(f.Cause.Broken)
		item := ReportedFinding{
			ID: f.ID, New: f.Known == nil, Harm: harm, Broken: f.Cause.Broken, Text: f.Hit.Text, Path: f.Cause.Path,
			Needs: f.Needs, From: f.From, Seen: f.Seen, Events: len(f.Scenario.Steps), Scenario: string(text),
		}
		if f.Known != nil {
			item.Known, item.Issue, item.ByDesign = f.Known.Name, f.Known.Issue, f.Known.ByDesign
		}
		if f.Follows() {
			item.FollowsFrom = f.Root.String()
		}
		r.Findings = append(r.Findings, item)
	}
	return r, nil
}

// New counts the findings that are not known.
func (r *Report) New() int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].New {
			n++
		}
	}
	return n
}

// Table writes a report for people: new findings in full, known ones in a line each.
func Table(w io.Writer, r Report) error {
	var b strings.Builder
	s := r.Stats
	fmt.Fprintf(&b, "%s\n%d runs, %d events, %d features reached; %d causes seen, %d after shrinking, %d of them new\n",
		r.Search, s.Runs, s.Events, s.Features, s.Causes, s.Findings, r.New())
	if s.Points > 0 {
		fmt.Fprintf(&b, "%d crash points\n", s.Points)
	}
	if s.States > 0 {
		fmt.Fprintf(&b, "%d states visited, %d duplicates cut, depth %d\n", s.States, s.Cut, s.Depth)
	}
	known := map[string]int{}
	var names []string
	for _, f := range r.Findings {
		if !f.New {
			if known[f.Known] == 0 {
				names = append(names, f.Known)
			}
			known[f.Known]++
			continue
		}
		fmt.Fprintf(&b, "\nNEW  %s (%s)\n  %s: %s\n", f.ID, f.Harm, f.Broken, f.Text)
		if f.FollowsFrom != "" {
			fmt.Fprintf(&b, "  follows from %s\n", f.FollowsFrom)
		}
		for _, p := range f.Path {
			fmt.Fprintf(&b, "  upstream logs: %s\n", p)
		}
		fmt.Fprintf(&b, "  needs: %s\n  first seen in %s; %d events:\n", strings.Join(f.Needs, ", "), f.From, f.Events)
		_, steps, _ := strings.Cut(f.Scenario, "\nprofile:")
		for line := range strings.Lines("profile:" + steps) {
			b.WriteString("    " + line)
		}
	}
	for i, name := range names {
		if i == 0 {
			b.WriteString("\nknown:\n")
		}
		fmt.Fprintf(&b, "  %s (%d)\n", name, known[name])
	}
	_, err := io.WriteString(w, b.String())
	return err
}
