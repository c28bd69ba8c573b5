package report

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
)

// TableOptions say how a table looks.
type TableOptions struct {
	MapOptions
	// Durations adds the time each replay took.
	Durations bool
	// Elapsed is the time of the whole run, for the last line; 0 leaves it out.
	Elapsed time.Duration
	// Detail shows every step of every result.
	Detail bool
	// Logs adds the kubelet's log lines to the steps.
	Logs bool
	// Profile finds the machine of a result; nil looks the name up in the
	// library.
	Profile func(*scenarios.Result) *hwprofiles.Profile
}

// Table writes the verdicts, then what did not pass with the place in the
// scenario file and the CPU map at that moment, then a summary.
func Table(w io.Writer, report scenarios.RunReport, opts TableOptions) error {
	buffered := bufio.NewWriter(w)
	paint := screen.Painter{Color: opts.Color}
	t := &table{w: &paragraphs{w: screen.Clean(buffered, paint), newlines: 2}, opts: opts, paint: paint}
	if opts.Detail {
		for i := range report.Results {
			t.w.separate()
			t.detail(&report.Results[i])
		}
	} else {
		t.verdicts(report.Results)
		for i := range report.Results {
			if r := &report.Results[i]; r.Verdict != scenarios.Pass {
				t.trouble(r)
			}
		}
	}
	t.w.separate()
	fmt.Fprintln(t.w, t.summary(report.Results))
	return buffered.Flush()
}

// paragraphs knows how its text ends, so that paragraphs are one empty line
// apart whatever comes before them.
type paragraphs struct {
	w        io.Writer
	newlines int
}

// Write implements io.Writer.
func (p *paragraphs) Write(b []byte) (int, error) {
	if body := bytes.TrimRight(b, "\n"); len(body) > 0 {
		p.newlines = len(b) - len(body)
	} else {
		p.newlines += len(b)
	}
	return p.w.Write(b)
}

func (p *paragraphs) separate() {
	if p.newlines < 2 {
		fmt.Fprintln(p)
	}
}

type table struct {
	w     *paragraphs
	opts  TableOptions
	paint screen.Painter
}

func verdictStyle(v scenarios.Verdict) screen.Style {
	switch v {
	case scenarios.Pass:
		return screen.Green
	case scenarios.Skip:
		return screen.Yellow
	default:
		return screen.Red
	}
}

func (t *table) verdicts(results []scenarios.Result) {
	head := screen.Cells("SCENARIO", "PROFILE", "VERDICT", "STEPS")
	if t.opts.Durations {
		head = append(head, screen.Cell{Text: "TIME"})
	}
	rows := [][]screen.Cell{head}
	for i := range results {
		r := &results[i]
		row := append(screen.Cells(r.Scenario, short(r.Profile)), screen.Cell{Text: string(r.Verdict), Style: verdictStyle(r.Verdict)}, screen.Cell{Text: fmt.Sprint(len(r.Steps))})
		if t.opts.Durations {
			row = append(row, screen.Cell{Text: durationText(r.DurationSeconds)})
		}
		rows = append(rows, row)
	}
	screen.Columns(t.w, t.paint, "", rows)
}

// longestProfile keeps a shape from pushing the verdicts off the screen.
const longestProfile = 26

// short cuts a text that is longer than a profile's name.
func short(text string) string {
	if r := []rune(text); len(r) > longestProfile {
		return string(r[:longestProfile-1]) + "…"
	}
	return text
}

// durationText keeps three digits at most: 0.4ms, 12ms, 1.2s, 75s.
func durationText(s float64) string {
	switch ms := s * 1000; {
	case ms < 10:
		return fmt.Sprintf("%.1fms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	case s < 10:
		return fmt.Sprintf("%.1fs", s)
	default:
		return fmt.Sprintf("%.0fs", s)
	}
}

// trouble writes what is wrong with one result.
func (t *table) trouble(r *scenarios.Result) {
	t.w.separate()
	fmt.Fprintln(t.w, t.title(r))
	if r.Verdict != scenarios.Fail && r.Reason != "" {
		line := 0
		if n := len(r.Steps); n > 0 {
			line = r.Steps[n-1].Line // where the replay ended
		}
		t.wrapped("  ", place(r, line)+r.Reason)
	}
	shown := -1
	known := map[string]bool{}
	var same []int
	for i := range r.Steps {
		s := &r.Steps[i]
		if len(s.Failures) == 0 {
			continue
		}
		if !anyNew(known, s.Failures) {
			same = append(same, s.Index)
			continue
		}
		fmt.Fprintf(t.w, "  %sstep %d, %s\n", place(r, s.Line), s.Index, s.Event)
		t.findings(s, "    ")
		if shown < 0 {
			shown = i
			t.cpuMap(r, i, "    ")
		}
	}
	if len(same) > 0 {
		fmt.Fprintf(t.w, "  the same in steps %s\n", intList(same))
	}
	for _, f := range r.Closing() {
		fmt.Fprintf(t.w, "  %s\n", f)
	}
	if shown < 0 && r.Verdict != scenarios.Skip {
		t.cpuMap(r, len(r.Steps)-1, "  ")
	}
	if r.Reproducer != "" {
		fmt.Fprintf(t.w, "  reproduce: %s\n", r.Reproducer)
	}
	t.stack(r, "  ")
}

// title names a result.
func (t *table) title(r *scenarios.Result) string {
	text := t.paint.Paint(verdictStyle(r.Verdict), strings.ToUpper(string(r.Verdict))) + "  " + r.Key().String()
	if r.Known {
		text += " (known to the baseline)"
	}
	return text
}

// maxStack bounds the lines of a stack in a table; JSON has all of them.
const maxStack = 12

func (t *table) stack(r *scenarios.Result, indent string) {
	if r.Stack == "" {
		return
	}
	lines := strings.Split(strings.TrimRight(r.Stack, "\n"), "\n")
	more := len(lines) - maxStack
	if more > 0 {
		lines = lines[:maxStack]
	}
	t.wrapped(indent, strings.Join(lines, "\n"))
	if more > 0 {
		t.wrapped(indent, fmt.Sprintf("and %d more lines", more))
	}
}

// anyNew says whether one of the texts is not known yet, and notes them all.
func anyNew(known map[string]bool, texts []string) bool {
	fresh := false
	for _, text := range texts {
		fresh = fresh || !known[text]
		known[text] = true
	}
	return fresh
}

// findings writes a step's violations and failures.
func (t *table) findings(s *observe.Step, indent string) {
	for _, v := range s.Violations {
		mark, st := "! ", screen.Red
		if v.Expected {
			st = screen.Dim
		}
		t.wrapped(indent, t.paint.Paint(st, mark+violationText(v)))
	}
	for _, f := range ownFailures(s) {
		t.wrapped(indent, t.paint.Paint(screen.Red, f))
	}
}

// wrapped indents a text that may have several lines.
func (t *table) wrapped(indent, text string) {
	for _, line := range strings.Split(text, "\n") {
		fmt.Fprintln(t.w, strings.TrimRight(indent+line, " "))
	}
}

// cpuMap draws the machine as it was in step i, where it is known.
func (t *table) cpuMap(r *scenarios.Result, i int, indent string) {
	o := lastSeen(r.Steps, i)
	p := machineOf(r, o, t.opts.Profile)
	if p == nil {
		return
	}
	opts := t.opts.MapOptions
	opts.Width = opts.width() - len(indent)
	var b bytes.Buffer
	if err := CPUMap(&b, *o, p, opts); err != nil {
		return // a buffer takes everything
	}
	t.w.separate()
	t.wrapped(indent, strings.TrimRight(b.String(), "\n"))
	t.w.separate()
}

// summary counts the verdicts.
func (t *table) summary(results []scenarios.Result) string {
	text := countsText(results, t.paint)
	if t.opts.Elapsed > 0 {
		text += " in " + durationText(t.opts.Elapsed.Seconds())
	}
	return text
}

// Counts says in a line how the runs ended.
func Counts(results []scenarios.Result) string { return countsText(results, screen.Painter{}) }

func countsText(results []scenarios.Result, paint screen.Painter) string {
	count, known := counts(results)
	var words []string
	for _, v := range []struct {
		verdict   scenarios.Verdict
		one, many string
		always    bool
	}{
		{scenarios.Pass, "passed", "passed", true},
		{scenarios.Fail, "failed", "failed", true},
		{scenarios.Errored, "error", "errors", false},
		{scenarios.Hang, "hang", "hangs", false},
		{scenarios.Skip, "skipped", "skipped", false},
	} {
		n, word := count[v.verdict], v.many
		if n == 1 {
			word = v.one
		}
		if n == 0 && !v.always {
			continue
		}
		text := fmt.Sprintf("%d %s", n, word)
		if n > 0 {
			text = paint.Paint(verdictStyle(v.verdict), text)
		}
		words = append(words, text)
	}
	if known > 0 {
		words = append(words, fmt.Sprintf("%d known to the baseline", known))
	}
	return strings.Join(words, ", ")
}
