package explore

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/pinlab/pinlab/scenarios"
)

// KindReport is the kind of a Report.
const KindReport = "ExploreReport"

// Report is what a search found. But for the rate of an exhaustive search it holds no
// times, so that the same search gives the same bytes.
type Report struct {
	APIVersion     string `json:"apiVersion"`
	Kind           string `json:"kind"`
	KubeletVersion string `json:"kubeletVersion"`
	// Search says in words what was searched.
	Search string `json:"search"`
	Seed   uint64 `json:"seed,omitempty"`
	Stats  Stats  `json:"stats"`
	// SequencesPerSecond is the rate of an exhaustive search, shrinking included.
	SequencesPerSecond float64           `json:"sequencesPerSecond,omitempty"`
	Findings           []ReportedFinding `json:"findings"`
	// Flaky were seen once and not again, or there was no time left to see them again.
	Flaky map[string]string `json:"flaky,omitempty"`
}

// ReportedFinding is a Finding in a report.
type ReportedFinding struct {
	ID   string `json:"id"`
	New  bool   `json:"new"`
	Harm string `json:"harm"`
	// Known names the known cause.
	Known    string `json:"known,omitempty"`
	Why      string `json:"why,omitempty"`
	Issue    string `json:"issue,omitempty"`
	ByDesign bool   `json:"byDesign,omitempty"`
	Broken   string `json:"broken"`
	Text     string `json:"text"`
	// Path are the functions of upstream that broke it, Errors what was raised there.
	Path   []string `json:"path,omitempty"`
	Errors []string `json:"errors,omitempty"`
	Needs  []string `json:"needs,omitempty"`
	// Also are the needs of other scenarios with the same cause.
	Also [][]string `json:"also,omitempty"`
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
			ID: f.ID, New: f.Known == nil, Harm: harm, Broken: f.Cause.Broken, Text: f.Hit.Text, Path: f.Cause.Path, Errors: f.Cause.Errors,
			Needs: f.Needs, Also: f.Also, From: f.From, Seen: f.Seen, Events: len(f.Scenario.Steps), Scenario: string(text),
		}
		if f.Known != nil {
			item.Known, item.Why, item.Issue, item.ByDesign = f.Known.Name, f.Known.Why, f.Known.Issue, f.Known.ByDesign
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
		fmt.Fprintf(&b, "%d crash points; those of %d scenarios were all tried\n", s.Points, s.Scenarios)
	}
	if s.States > 0 {
		fmt.Fprintf(&b, "every sequence up to depth %d; %d states visited, %d duplicates cut, %.0f sequences/s\n", s.Depth, s.States, s.Cut, r.SequencesPerSecond)
	}
	if s.Left > 0 {
		fmt.Fprintf(&b, "the time was up before depth %d was done: %d states were not gone on from\n", s.Depth+1, s.Left)
	}
	if s.Dropped > 0 {
		fmt.Fprintf(&b, "%d states were dropped, and not gone on from: the memory holds no more\n", s.Dropped)
	}
	for _, f := range r.Findings {
		if !f.New {
			continue
		}
		fmt.Fprintf(&b, "\nNEW  %s (%s)\n  %s: %s\n", f.ID, f.Harm, f.Broken, f.Text)
		if f.FollowsFrom != "" {
			fmt.Fprintf(&b, "  follows from %s\n", f.FollowsFrom)
		}
		for _, p := range f.Path {
			fmt.Fprintf(&b, "  in %s\n", p)
		}
		for _, e := range f.Errors {
			fmt.Fprintf(&b, "  upstream's error: %s\n", e)
		}
		fmt.Fprintf(&b, "  needs: %s\n", strings.Join(f.Needs, ", "))
		for _, also := range alsoTexts(f.Also) {
			fmt.Fprintf(&b, "  also with: %s\n", also)
		}
		fmt.Fprintf(&b, "  first seen in %s; %d events:\n", f.From, f.Events)
		_, steps, _ := strings.Cut(f.Scenario, "\nprofile:")
		for line := range strings.Lines("profile:" + steps) {
			b.WriteString("    " + line)
		}
	}
	r.knownTable(&b, "KNOWN", false)
	r.knownTable(&b, "BY DESIGN", true)
	r.flakyTable(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// alsoTexts are the needs of other scenarios, a line each, not too many.
func alsoTexts(also [][]string) []string {
	const most = 6
	var out []string
	for i, needs := range also {
		if i == most {
			return append(out, fmt.Sprintf("%d more", len(also)-most))
		}
		out = append(out, strings.Join(needs, ", "))
	}
	return out
}

// flakyTable lists the causes that there is no finding of, which may be new.
func (r *Report) flakyTable(b *strings.Builder) {
	if len(r.Flaky) == 0 {
		return
	}
	b.WriteString("\nSEEN, AND NOT SHOWN AGAIN (by chance, or because the time was up)\n")
	for _, key := range slices.Sorted(maps.Keys(r.Flaky)) {
		broken, _, _ := strings.Cut(key, " | ")
		fmt.Fprintf(b, "%s: %s\n", broken, r.Flaky[key])
	}
}

// knownTable lists known causes, the most harmful first, with the smallest life in
// which each was found.
func (r *Report) knownTable(b *strings.Builder, title string, byDesign bool) {
	type row struct {
		finding  *ReportedFinding
		findings int
	}
	rows := map[string]*row{}
	var order []*row
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.New || f.ByDesign != byDesign {
			continue
		}
		if rows[f.Known] == nil {
			rows[f.Known] = &row{finding: f}
			order = append(order, rows[f.Known])
		}
		one := rows[f.Known]
		if one.findings++; f.Events < one.finding.Events {
			one.finding = f
		}
	}
	if len(order) == 0 {
		return
	}
	b.WriteString("\n")
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "%s\tFINDINGS\tEVENTS\tWHAT\n", title)
	for _, one := range order {
		f := one.finding
		why := f.Why
		if f.Issue != "" {
			why += " (" + f.Issue + ")"
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%s\n", f.Known, one.findings, f.Events, why)
	}
	_ = tw.Flush() // into memory
}
