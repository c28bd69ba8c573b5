package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/pinlab/pinlab/bench/compare"
	"github.com/pinlab/pinlab/bench/record"
)

// Comparison writes a comparison for people.
func Comparison(w io.Writer, c *compare.Comparison) error {
	var buf bytes.Buffer
	results := make([]record.Result, len(c.Rows))
	for i, r := range c.Rows {
		results[i] = record.Result{Config: r.Config}
	}
	differ, same := parted(results)
	differ, same = withoutSizes(differ), withoutSizes(same)
	if len(same) > 0 && len(results) > 0 {
		var list []string
		for _, s := range same {
			list = append(list, strings.ToLower(s.title)+" "+s.of(&results[0]))
		}
		fmt.Fprintf(&buf, "the same everywhere: %s\n", strings.Join(list, ", "))
	}
	lines := [][]string{titles(differ, "OPERATION", "OLD", "NEW", "DELTA", "P", "N", "VERDICT")}
	for i, r := range c.Rows {
		lines = append(lines, append(cells(differ, &results[i]), comparedCells(r)...))
	}
	rows(&buf, len(differ)+1, lines)
	notes(&buf, c.Rows)
	for _, name := range c.OnlyOld {
		fmt.Fprintf(&buf, "only in OLD: %s\n", name)
	}
	for _, name := range c.OnlyNew {
		fmt.Fprintf(&buf, "only in NEW: %s\n", name)
	}
	count := map[compare.Verdict]int{}
	for _, r := range c.Rows {
		count[r.Verdict]++
	}
	noisy := 0
	for _, r := range c.Rows {
		if r.Verdict == compare.Same && r.Need > 0 {
			noisy++
		}
	}
	if noisy > 0 {
		fmt.Fprintf(&buf, "noisy: in %d comparisons a change of %.3g %% could have gone unnoticed; the number says how many repetitions would show it\n", noisy, 100*c.Threshold)
	}
	fmt.Fprintf(&buf, "\n%d compared: %d slower, %d faster by more than %.3g %%; %d by less; %d the same",
		len(c.Rows), count[compare.Slower], count[compare.Faster], 100*c.Threshold, count[compare.Small], count[compare.Same])
	if n := count[compare.Broken]; n > 0 {
		fmt.Fprintf(&buf, "; %d broken", n)
	}
	if n := count[compare.NeedMore]; n > 0 {
		fmt.Fprintf(&buf, "; %d need more repetitions", n)
	}
	if n := count[compare.Incomparable]; n > 0 {
		fmt.Fprintf(&buf, "; %d not comparable", n)
	}
	buf.WriteByte('\n')
	_, err := w.Write(buf.Bytes())
	return err
}

// notes writes the rows' notes; one that many rows share stands once.
func notes(w io.Writer, rows []compare.Row) {
	const many = 4
	shared := map[string]int{}
	for _, r := range rows {
		shared[r.Note]++
	}
	for _, r := range rows {
		switch n := shared[r.Note]; {
		case r.Note == "" || n == 0:
		case n < many:
			fmt.Fprintf(w, "note: %s\n", strings.TrimSpace(Subject(r)+": "+r.Note))
		default:
			fmt.Fprintf(w, "note: %d comparisons: %s\n", n, r.Note)
			shared[r.Note] = 0
		}
	}
}

// withoutSizes drops the columns about machines, which a comparison does not
// know.
func withoutSizes(list []column) []column {
	var out []column
	for _, c := range list {
		if c.title != "CPUS" && c.title != "NUMA" && c.title != "PODS" {
			out = append(out, c)
		}
	}
	return out
}

func comparedCells(r compare.Row) []string {
	verdict := strings.ToUpper(string(r.Verdict))
	switch r.Verdict {
	case compare.Same:
		verdict = "~"
		if r.Need > 0 {
			verdict = fmt.Sprintf("~ (noisy: needs %d)", r.Need)
		}
	case compare.Small:
		verdict = string(r.Verdict)
	case compare.NeedMore:
		verdict = fmt.Sprintf("need %d repetitions", r.Need)
	}
	if r.Operation == "" || r.OldN == 0 || r.NewN == 0 {
		return []string{string(r.Operation), "-", "-", "-", "-", "-", verdict}
	}
	return []string{
		string(r.Operation), Time(r.Old), Time(r.New), Percent(r.Delta), fmt.Sprintf("%.3f", r.Adjusted),
		fmt.Sprintf("%d+%d", r.OldN, r.NewN), verdict,
	}
}

// Percent writes a change with its sign.
func Percent(share float64) string { return fmt.Sprintf("%+.1f%%", 100*share) }

// Subject says what a row is about.
func Subject(r compare.Row) string {
	return strings.TrimSpace(string(r.Operation) + " " + r.Config.Name())
}

// Annotations writes what GitHub Actions shows beside a change: an error for each
// regression, a warning for what could not be judged.
func Annotations(w io.Writer, c *compare.Comparison) error {
	var buf bytes.Buffer
	for _, r := range c.Rows {
		level, text := "", r.Note
		switch r.Verdict {
		case compare.Slower:
			level = "error"
			if text == "" {
				text = fmt.Sprintf("%s slower (%s to %s, p=%.3f)", Percent(r.Delta), Time(r.Old), Time(r.New), r.Adjusted)
			}
		case compare.Broken:
			level = "error"
		case compare.NeedMore, compare.Incomparable:
			level = "warning"
		default:
			continue
		}
		fmt.Fprintf(&buf, "::%s title=%s::%s\n", level, property("pinlab bench: "+string(r.Verdict)), message(Subject(r)+": "+text))
	}
	for _, text := range c.Warnings {
		fmt.Fprintf(&buf, "::warning title=%s::%s\n", property("pinlab bench"), message(text))
	}
	_, err := w.Write(buf.Bytes())
	return err
}

// message and property escape what the workflow commands' syntax gives a meaning.
func message(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}
