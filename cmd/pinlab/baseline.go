package main

import (
	"fmt"
	"io"
	"os"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
)

// baseline is what is known not to hold, and where to write what is found.
type baseline struct {
	known report.Baseline
	file  string
	write string
}

// openBaseline reads the one file and checks that the other can be written,
// before anything is run.
func openBaseline(read, write string) (*baseline, error) {
	b := &baseline{file: read, write: write}
	if write != "" {
		mine := func(data []byte) bool { _, err := report.ParseBaseline(data, write); return err == nil }
		if err := record.Replaceable(write, "baseline", mine); err != nil {
			return nil, fmt.Errorf("--write-baseline: %w", err)
		}
	}
	if read == "" {
		return b, nil
	}
	data, err := os.ReadFile(read)
	if err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	if b.known, err = report.ParseBaseline(data, read); err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	return b, nil
}

// remark marks what is known in reports that were merged; without a baseline it leaves
// them as they are.
func (b *baseline) remark(w io.Writer, r scenarios.RunReport) error {
	if b.file == "" {
		return nil
	}
	var all map[scenarios.Key]bool
	if r.Suite != nil && report.Complete(r) == nil && r.Suite.Shard == "" {
		all = map[scenarios.Key]bool{}
	}
	for i := range r.Results {
		r.Results[i].Known = false
		if all != nil {
			all[r.Results[i].Key()] = true
		}
	}
	return b.apply(w, r.Results, all)
}

// apply marks what is known, tells what the baseline lists without need, and
// writes the new one, which knows everything. all are the runs of the whole suite; nil
// when none is run.
func (b *baseline) apply(w io.Writer, results []scenarios.Result, all map[scenarios.Key]bool) error {
	if b.write != "" {
		made := report.NewBaseline(results)
		made.Apply(results)
		data, err := report.MarshalBaseline(made)
		if err != nil {
			return err
		}
		return record.Write(b.write, data)
	}
	for _, f := range b.known.Apply(results) {
		fmt.Fprintf(w, "pinlab: %s lists %s, which holds now; take it out\n", b.file, f.Key)
	}
	if all != nil {
		for _, key := range b.known.Absent(func(k scenarios.Key) bool { return all[k] }) {
			fmt.Fprintf(w, "pinlab: %s lists %s, which is no run of the suite; take it out\n", b.file, key)
		}
	}
	return nil
}
