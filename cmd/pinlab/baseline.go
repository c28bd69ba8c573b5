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

// apply marks what is known, tells what the baseline lists without need, and
// writes the new one, which knows everything.
func (b *baseline) apply(w io.Writer, results []scenarios.Result) error {
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
	return nil
}
