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
	seen := map[scenarios.Key]bool{}
	for i := range r.Results {
		res := &r.Results[i]
		if !res.Verdict.Valid() {
			return r, fmt.Errorf("%s: results[%d] (%s): verdict %q; want pass, skip, fail, error or hang", name, i, res.Key(), res.Verdict)
		}
		if r.Suite != nil && seen[res.Key()] {
			return r, fmt.Errorf("%s: results[%d]: %s is there twice", name, i, res.Key())
		}
		seen[res.Key()] = true
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

// Complete says what is wrong with a report, that of a shard aside, that does not have
// the runs of its suite: all of them, and no others.
func Complete(r scenarios.RunReport) error {
	if r.Suite == nil || r.Suite.Shard != "" {
		return nil
	}
	if n := r.Suite.Runs - len(r.Results); n > 0 {
		return fmt.Errorf("%d of the suite's %d runs are in none of the files", n, r.Suite.Runs)
	}
	keys := make([]scenarios.Key, len(r.Results))
	for i := range r.Results {
		keys[i] = r.Results[i].Key()
	}
	if scenarios.KeysDigest(keys) != r.Suite.Keys {
		return fmt.Errorf("the files have %d results, and not those of the suite's %d runs: some are of runs that the suite does not have", len(keys), r.Suite.Runs)
	}
	return nil
}

// NothingRan says that every run of a whole suite was skipped.
func NothingRan(r scenarios.RunReport) bool {
	return r.Suite != nil && r.Suite.Shard == "" && !slices.ContainsFunc(r.Results, func(r scenarios.Result) bool { return r.Verdict != scenarios.Skip })
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
