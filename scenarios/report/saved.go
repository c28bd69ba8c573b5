package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
)

// Read reads what JSON wrote of a run. The name is for messages.
func Read(data []byte, name string) (scenarios.RunReport, error) {
	var r scenarios.RunReport
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&r); err != nil {
		return r, fmt.Errorf("%s: not a report that 'pinlab run -o json' wrote: %w", name, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return r, fmt.Errorf("%s: more follows after the report", name)
	}
	if r.APIVersion != scenarios.APIVersion || r.Kind != scenarios.KindRunReport {
		return r, fmt.Errorf("%s: apiVersion %q and kind %q; want %q and %q", name, r.APIVersion, r.Kind, scenarios.APIVersion, scenarios.KindRunReport)
	}
	return r, nil
}

// Comparable puts the results of a suite into the order of their keys and leaves
// out what differs from one run to the next: how long it took.
func Comparable(results []scenarios.Result) []scenarios.Result {
	out := slices.Clone(results)
	for i := range out {
		out[i].DurationSeconds = 0
	}
	slices.SortFunc(out, func(a, b scenarios.Result) int { return a.Key().Compare(b.Key()) })
	return out
}

// Part is one report to be merged; Name is for messages.
type Part struct {
	Name   string
	Report scenarios.RunReport
}

// Merge puts the reports of a suite's shards together. The result is what one
// run of the suite reports. A run that several of them have must have ended the
// same way in all.
func Merge(parts []Part) (scenarios.RunReport, error) {
	if len(parts) == 0 {
		return scenarios.RunReport{}, errors.New("nothing to merge")
	}
	if len(parts) == 1 && parts[0].Report.Suite == nil {
		return parts[0].Report, nil
	}
	var info scenarios.SuiteInfo
	from := map[scenarios.Key]int{}
	var all []scenarios.Result
	for i, p := range parts {
		if p.Report.Suite == nil {
			return scenarios.RunReport{}, fmt.Errorf("%s: not the report of a suite; only those can be merged", p.Name)
		}
		this := *p.Report.Suite
		this.Shard = ""
		if i == 0 {
			info = this
		}
		if this != info {
			return scenarios.RunReport{}, fmt.Errorf("%s and %s are not parts of one run: suite %s (%s) and %s (%s)",
				parts[0].Name, p.Name, info.Name, info.Digest, this.Name, this.Digest)
		}
		for _, r := range Comparable(p.Report.Results) {
			first, twice := from[r.Key()]
			if !twice {
				from[r.Key()] = i
				all = append(all, r)
				continue
			}
			if other := all[slices.IndexFunc(all, func(o scenarios.Result) bool { return o.Key() == r.Key() })]; other.Verdict != r.Verdict || other.Reason != r.Reason {
				return scenarios.RunReport{}, fmt.Errorf("%s: %s in %s and %s in %s", r.Key(), other.Verdict, parts[first].Name, r.Verdict, p.Name)
			}
		}
	}
	merged := scenarios.NewRunReport(Comparable(all))
	merged.Suite = &info
	return merged, nil
}

// Missing says how many runs of its suite a report, that of a shard aside, does
// not have.
func Missing(r scenarios.RunReport) int {
	if r.Suite == nil || r.Suite.Shard != "" {
		return 0
	}
	return max(r.Suite.Runs-len(r.Results), 0)
}

// counts counts the verdicts; what the baseline knows is counted apart.
func counts(results []scenarios.Result) (by map[scenarios.Verdict]int, known int) {
	by = map[scenarios.Verdict]int{}
	for i := range results {
		if results[i].Known {
			known++
			continue
		}
		by[results[i].Verdict]++
	}
	return by, known
}

// heading names a result.
func heading(r *scenarios.Result) string {
	return strings.ToUpper(string(r.Verdict)) + "  " + r.Key().String()
}
