package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report/screen"
)

// maxAnnotations bounds the annotations of one run: GitHub shows ten of a step,
// the rest is in the job summary.
const maxAnnotations = 50

// GitHub writes workflow commands: an annotation for every run that did not
// hold, a warning where the baseline knows it, and a last line of counts. inRepo
// turns the path of a scenario file into that in the repository, which is where
// GitHub looks for it.
func GitHub(w io.Writer, r scenarios.RunReport, inRepo func(string) string) error {
	out := bufio.NewWriter(w)
	list := newFirst(r.Results)
	for _, res := range list[:min(len(list), maxAnnotations)] {
		annotation(out, res, inRepo)
	}
	if more := len(list) - maxAnnotations; more > 0 {
		fmt.Fprintf(out, "::notice::%d more did not hold\n", more)
	}
	fmt.Fprintln(out, screenSafe(Counts(r.Results)))
	return out.Flush()
}

// newFirst are the runs that did not hold, those that the baseline knows last: where
// there is no room for all, these are left out.
func newFirst(results []scenarios.Result) []*scenarios.Result {
	var fresh, known []*scenarios.Result
	for i := range results {
		switch r := &results[i]; {
		case !bad(r.Verdict):
		case r.Known:
			known = append(known, r)
		default:
			fresh = append(fresh, r)
		}
	}
	return append(fresh, known...)
}

func annotation(w io.Writer, r *scenarios.Result, inRepo func(string) string) {
	kind := "error"
	if r.Known {
		kind = "warning"
	}
	var properties []string
	if r.File != "" && !r.Corpus { // a scenario of the corpus is no file of the repository
		properties = append(properties, "file="+property(inRepo(r.File)))
		if line := firstLine(r); line > 0 {
			properties = append(properties, fmt.Sprintf("line=%d", line))
		}
	}
	properties = append(properties, "title="+property(heading(r)))
	text := r.Reason
	if lines := troubles(r); len(lines) > 0 {
		text = strings.Join(lines, "\n")
	}
	if r.Reproducer != "" {
		text += "\nreproduce: " + r.Reproducer
	}
	fmt.Fprintf(w, "::%s %s::%s\n", kind, strings.Join(properties, ","), data(text))
}

// firstLine is that of the first step that did not hold.
func firstLine(r *scenarios.Result) int {
	for i := range r.Steps {
		if len(r.Steps[i].Failures) > 0 {
			return r.Steps[i].Line
		}
	}
	if n := len(r.Steps); n > 0 {
		return r.Steps[n-1].Line
	}
	return 0
}

// data escapes a command's text, property one of its values.
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(xmlSafe(text))
}

func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(text))
}

// screenSafe keeps a text to one line that is no command.
func screenSafe(text string) string { return strings.TrimLeft(screen.Visible(text, false), ":") }

// Summary writes a job summary in Markdown: the counts, what did not hold with
// its reproducer, and why what was skipped was.
func Summary(w io.Writer, r scenarios.RunReport) error {
	out := bufio.NewWriter(w)
	title := "pinlab"
	if r.Suite != nil {
		title += " " + r.Suite.Name
		if r.Suite.Shard != "" {
			title += " " + r.Suite.Shard
		}
	}
	fmt.Fprintf(out, "## %s\n\n%s\n", cell(title), cell(Counts(r.Results)))
	list := newFirst(r.Results)
	for i, res := range list[:min(len(list), maxRows)] {
		if i == 0 {
			fmt.Fprint(out, "\n| verdict | run | reason | reproduce |\n|---|---|---|---|\n")
		}
		verdict := string(res.Verdict)
		if res.Known {
			verdict += " (known)"
		}
		fmt.Fprintf(out, "| %s | %s | %s | `%s` |\n", verdict, cell(res.Key().String()), cell(res.Reason), strings.ReplaceAll(cell(res.Reproducer), "`", "'"))
	}
	if more := len(list) - maxRows; more > 0 {
		fmt.Fprintf(out, "\n%d more did not hold.\n", more)
	}
	if skips := skipReasons(r.Results); len(skips) > 0 {
		fmt.Fprint(out, "\n<details><summary>Skipped</summary>\n\n| runs | reason |\n|---:|---|\n")
		for _, s := range skips[:min(len(skips), maxRows)] {
			fmt.Fprintf(out, "| %d | %s |\n", s.runs, cell(s.reason))
		}
		if more := len(skips) - maxRows; more > 0 {
			fmt.Fprintf(out, "\n%d more reasons.\n", more)
		}
		fmt.Fprint(out, "\n</details>\n")
	}
	return out.Flush()
}

// A job summary may have 1 MiB; what is longer GitHub does not show at all.
const (
	maxRows = 200
	maxCell = 500
)

// cell is a text within a Markdown table.
func cell(text string) string {
	text = strings.Join(strings.Fields(xmlSafe(text)), " ")
	if runes := []rune(text); len(runes) > maxCell {
		text = string(runes[:maxCell]) + "…"
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(text)
}
