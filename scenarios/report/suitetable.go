package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report/screen"
)

// maxTroubles bounds the failures that are told in full in a suite's table; the
// others have a line each.
const maxTroubles = 20

// SuiteTable writes what a person wants to know of thousands of runs: those that
// did not hold, why others were skipped, and the counts.
func SuiteTable(w io.Writer, report scenarios.RunReport, opts TableOptions) error {
	buffered := bufio.NewWriter(w)
	paint := screen.Painter{Color: opts.Color}
	t := &table{w: &paragraphs{w: screen.Clean(buffered, paint), newlines: 2}, opts: opts, paint: paint}
	told := 0
	var short []*scenarios.Result
	for i := range report.Results {
		r := &report.Results[i]
		switch {
		case !bad(r.Verdict):
		case !r.Known && told < maxTroubles:
			told++
			t.trouble(r)
		default:
			short = append(short, r)
		}
	}
	t.short(short)
	if skips := skipReasons(report.Results); len(skips) > 0 {
		t.w.separate()
		fmt.Fprintln(t.w, "skipped:")
		for _, s := range skips {
			fmt.Fprintf(t.w, "  %5d  %s\n", s.runs, s.reason)
		}
	}
	t.w.separate()
	text := t.summary(report.Results)
	if s := report.Suite; s != nil {
		text = s.Name + shard(s) + ": " + text
	}
	fmt.Fprintln(t.w, text)
	return buffered.Flush()
}

func shard(s *scenarios.SuiteInfo) string {
	if s.Shard == "" {
		return ""
	}
	return " " + s.Shard
}

// short writes a line for each of the results that are not told in full.
func (t *table) short(results []*scenarios.Result) {
	if len(results) > 0 {
		t.w.separate()
	}
	for _, r := range results {
		fmt.Fprintf(t.w, "%s: %s\n", t.title(r), r.Reason)
		if !r.Known && r.Reproducer != "" {
			fmt.Fprintf(t.w, "  reproduce: %s\n", r.Reproducer)
		}
	}
}

// skipped is a reason for skipping runs, and how many.
type skipped struct {
	reason string
	runs   int
}

// skipReasons counts them, the commonest first.
func skipReasons(results []scenarios.Result) []skipped {
	count := map[string]int{}
	for i := range results {
		if results[i].Verdict == scenarios.Skip {
			count[results[i].Reason]++
		}
	}
	list := make([]skipped, 0, len(count))
	for reason, runs := range count {
		list = append(list, skipped{reason, runs})
	}
	slices.SortFunc(list, func(a, b skipped) int {
		return cmp.Or(cmp.Compare(b.runs, a.runs), cmp.Compare(a.reason, b.reason))
	})
	return list
}
