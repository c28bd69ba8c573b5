// Package compare says whether one run is slower than another. It does so only
// where the samples carry it.
package compare

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

// Options say what counts as a change.
type Options struct {
	// Threshold is the change of a median that matters, as a share: 0.1 is 10 %.
	Threshold float64
	// Alpha is the share of false alarms among the changes that are told.
	Alpha float64
}

// Verdict is the answer for one operation in one configuration.
type Verdict string

// The verdicts.
const (
	// Slower and Faster are significant, and beyond the threshold.
	Slower Verdict = "slower"
	Faster Verdict = "faster"
	// Small is significant, but within the threshold.
	Small Verdict = "small"
	// Same says that no difference was seen that could not be chance.
	Same Verdict = "~"
	// NeedMore says that there are too few repetitions for any verdict.
	NeedMore Verdict = "need-more"
	// Broken says that NEW could not measure what OLD measured: it crashed, the
	// kubelet did not start, or rejected the pod. It counts as a regression.
	Broken Verdict = "broken"
	// Incomparable says that the two runs did not measure the same thing.
	Incomparable Verdict = "incomparable"
)

// Row compares one operation in one configuration.
type Row struct {
	Config    record.Config    `json:"config"`
	Operation record.Operation `json:"operation,omitempty"`
	// Old and New are medians of the repetitions' medians, in nanoseconds.
	Old float64 `json:"old"`
	New float64 `json:"new"`
	// Delta is New/Old - 1.
	Delta float64 `json:"delta"`
	// OldN and NewN count the repetitions: the samples of one process are not
	// independent of one another.
	OldN int `json:"oldRepetitions"`
	NewN int `json:"newRepetitions"`
	// P is that of the Mann-Whitney test, and Adjusted the same after the number
	// of comparisons is taken into account (Benjamini and Hochberg, 1995).
	P        float64 `json:"p"`
	Adjusted float64 `json:"pAdjusted"`
	Verdict  Verdict `json:"verdict"`
	// Need is how many repetitions a verdict would need, or with Same, how many
	// it would take to find a change as large as the threshold; 0 when there are
	// enough.
	Need int    `json:"needRepetitions,omitempty"`
	Note string `json:"note,omitempty"`

	toSee int
}

// Comparison is all of it.
type Comparison struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Threshold  float64 `json:"threshold"`
	Alpha      float64 `json:"alpha"`
	Rows       []Row   `json:"rows"`
	// OnlyOld and OnlyNew name configurations that the other run does not have.
	OnlyOld  []string `json:"onlyOld,omitempty"`
	OnlyNew  []string `json:"onlyNew,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// Kind heads a comparison.
const Kind = "BenchComparison"

// Regressions counts the rows that are slower or broken.
func (c *Comparison) Regressions() int {
	n := 0
	for _, r := range c.Rows {
		if r.Verdict == Slower || r.Verdict == Broken {
			n++
		}
	}
	return n
}

// ErrNothingCommon says that no configuration is in both runs.
var ErrNothingCommon = errors.New("the two runs have no configuration in common")

// Reports compares two runs.
func Reports(before, after *record.Report, o Options) (*Comparison, error) {
	c := &Comparison{APIVersion: record.APIVersion, Kind: Kind, Threshold: o.Threshold, Alpha: o.Alpha, Rows: []Row{}}
	byName := map[string]*record.Result{}
	for i := range after.Results {
		byName[after.Results[i].Config.Name()] = &after.Results[i]
	}
	common := 0
	for i := range before.Results {
		name := before.Results[i].Config.Name()
		if byName[name] == nil {
			c.OnlyOld = append(c.OnlyOld, name)
			continue
		}
		common++
		pair := pair{before.Environment, after.Environment, &before.Results[i], byName[name]}
		c.Rows = append(c.Rows, pair.rows(o)...)
		delete(byName, name)
	}
	for i := range after.Results {
		if name := after.Results[i].Config.Name(); byName[name] != nil {
			c.OnlyNew = append(c.OnlyNew, name)
		}
	}
	if common == 0 {
		return nil, fmt.Errorf("%w: OLD has %s, NEW has %s", ErrNothingCommon, short(c.OnlyOld), short(c.OnlyNew))
	}
	judge(c.Rows, o)
	for _, run := range []struct {
		name string
		of   *record.Report
	}{{"OLD", before}, {"NEW", after}} {
		if run.of.Interrupted {
			c.Warnings = append(c.Warnings, run.name+" was interrupted: some configurations have fewer repetitions, or none")
		}
	}
	c.Warnings = append(c.Warnings, environments(before.Environment, after.Environment)...)
	c.Warnings = append(c.Warnings, stored(before.Warnings, after.Warnings)...)
	return c, nil
}

func short(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
}

// test compares two samples of repetitions.
func (r *Row) test(before, after []float64, o Options) {
	r.OldN, r.NewN, r.P, r.Adjusted = len(before), len(after), 1, 1
	if r.OldN == 0 || r.NewN == 0 {
		r.Verdict, r.Note = Incomparable, "no samples"
		return
	}
	r.Old, r.New = stats.Median(before), stats.Median(after)
	switch {
	case r.Old > 0:
		r.Delta = r.New/r.Old - 1
	case r.New > 0:
		r.Verdict, r.Note = Incomparable, "OLD is zero: too short to be measured"
		return
	}
	thresholds := &benchmath.Thresholds{CompareAlpha: o.Alpha}
	a, b := benchmath.NewSample(before, thresholds), benchmath.NewSample(after, thresholds)
	r.P = benchmath.AssumeNothing.Compare(a, b).P
	if math.IsNaN(r.P) {
		r.P = 1
	}
	r.toSee = stats.RepetitionsToSee(o.Threshold, o.Alpha, before, after)
}

// judge gives the verdicts. It looks at all rows together: of a hundred true
// nulls, five have a p below 0.05.
func judge(rows []Row, o Options) {
	var open []int
	for i := range rows {
		if rows[i].Verdict == "" {
			open = append(open, i)
		}
	}
	adjust(rows, open)
	for _, i := range open {
		r := &rows[i]
		needed := stats.LeastRepetitions(o.Alpha / float64(len(open)))
		beyond := math.Abs(r.Delta) > o.Threshold
		switch {
		case stats.LeastP(r.OldN, r.NewN) > o.Alpha:
			r.Verdict, r.Need = NeedMore, stats.LeastRepetitions(o.Alpha)
			r.Note = fmt.Sprintf("need %d repetitions in each run for any verdict", r.Need)
		case r.Adjusted < o.Alpha && r.Delta > o.Threshold:
			r.Verdict = Slower
		case r.Adjusted < o.Alpha && r.Delta < -o.Threshold:
			r.Verdict = Faster
		case r.Adjusted < o.Alpha:
			r.Verdict = Small
		case r.P < o.Alpha && beyond && min(r.OldN, r.NewN) < needed:
			r.Verdict, r.Need = NeedMore, needed
			r.Note = fmt.Sprintf("could be chance among %d comparisons; need %d repetitions in each run", len(open), needed)
		default:
			r.Verdict = Same
			if r.toSee > min(r.OldN, r.NewN) {
				r.Need = r.toSee
			}
		}
	}
}

// adjust sets the p-values that control the share of false alarms.
func adjust(rows []Row, open []int) {
	order := slices.Clone(open)
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case rows[a].P < rows[b].P:
			return 1
		case rows[a].P > rows[b].P:
			return -1
		}
		return 0
	})
	least, m := 1.0, float64(len(order))
	for i, k := range order { // from the largest p to the smallest
		rank := m - float64(i)
		least = min(least, rows[k].P*m/rank)
		rows[k].Adjusted = least
	}
}
