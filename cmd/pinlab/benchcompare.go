package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/bench/compare"
	"github.com/pinlab/pinlab/bench/record"
	benchreport "github.com/pinlab/pinlab/bench/report"
	"github.com/pinlab/pinlab/scenarios/report"
)

type compareFlags struct {
	threshold string
	alpha     float64
	output    string
}

func newBenchCompare() *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use: "compare OLD NEW", Short: "Say whether one run is slower than another",
		Long: `Compare two runs that 'pinlab bench --save' kept. A configuration and operation
is slower only when both hold: the medians differ by more than --threshold, and
the difference is significant by the Mann-Whitney test, after the number of
comparisons is taken into account. Where there are too few repetitions for a
verdict, the answer is how many it would need.

What is compared are the medians of the repetitions: samples of one process are
not independent of one another.

With GITHUB_ACTIONS=true regressions are written as annotations, too.

What OLD measured and NEW could not (a crash, a kubelet that does not start, a pod
that is rejected) is broken, which counts as slower. What is not the same in both,
like another machine under the same name, is not compared, and that is said.

Exit codes: 0 nothing is slower or broken, 1 something is, 2 bad input or usage,
3 the answer could not be written.`,
		Example: `  pinlab bench --save old.json
  pinlab bench --save new.json
  pinlab bench compare old.json new.json

  # only what is slower by more than a fifth
  pinlab bench compare old.json new.json --threshold 20

  # for programs
  pinlab bench compare old.json new.json -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("want two files, OLD and NEW, got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runBenchCompare(cmd, args[0], args[1], f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.threshold, "threshold", "10", "change of a median that matters, in percent")
	flags.Float64Var(&f.alpha, "alpha", 0.05, "share of false alarms that is taken into account")
	addOutput(cmd, &f.output)
	return cmd
}

func (f compareFlags) options() (compare.Options, error) {
	o := compare.Options{Alpha: f.alpha}
	switch f.output {
	case "table", "json", "yaml":
	default:
		return o, fmt.Errorf("--output %q: want table, json or yaml", f.output)
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(f.threshold, "%"), 64)
	if err != nil || !(percent >= 0) || math.IsInf(percent, 0) {
		return o, fmt.Errorf("--threshold %q: want a number of percent from 0, like 10", f.threshold)
	}
	if !(f.alpha > 0 && f.alpha < 1) {
		return o, fmt.Errorf("--alpha %v: want a number between 0 and 1, like 0.05", f.alpha)
	}
	o.Threshold = percent / 100
	return o, nil
}

func runBenchCompare(cmd *cobra.Command, before, after string, f compareFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	a, errOld := record.Load(before)
	b, errNew := record.Load(after)
	if err := errors.Join(errOld, errNew); err != nil {
		return err
	}
	c, err := compare.Reports(a, b, o)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", before, after, err)
	}
	w := cmd.OutOrStdout()
	if err := report.Any(w, f.output, c, func(w io.Writer) error { return benchreport.Comparison(w, c) }); err != nil {
		return harness(err)
	}
	for _, text := range c.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "pinlab: warning:", text)
	}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		if f.output != "table" { // what programs read stays whole
			w = cmd.ErrOrStderr()
		}
		if err := benchreport.Annotations(w, c); err != nil {
			return harness(err)
		}
	}
	if c.Regressions() > 0 {
		return &exitError{code: exitBroken}
	}
	return nil
}
