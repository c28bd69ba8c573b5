package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/pinlab/pinlab/bench/growth"
	"github.com/pinlab/pinlab/bench/record"
)

// About says in a few words what an operation is.
func About(op record.Operation) string {
	switch op {
	case record.Admit:
		return "the topology manager admits a pod: hints, merge, allocate, checkpoint"
	case record.Hints:
		return "part of admit: the managers' hints"
	case record.Merge:
		return "part of admit: the topology manager finds the best hint"
	case record.Allocate:
		return "part of admit: CPUs are chosen"
	case record.Checkpoint:
		return "part of admit: the state files are written"
	case record.Fit:
		return "the pod is compared with the node's allocatable resources, after admit"
	case record.Remove:
		return "a reconcile tick collects a pod that is gone"
	case record.Reconcile:
		return "a reconcile tick with nothing to change"
	case record.Restart:
		return "the managers start on a populated state file"
	case record.Readmit:
		return "all resident pods are admitted again after a restart"
	}
	return string(op)
}

// Table writes a report for people.
func Table(w io.Writer, r *record.Report) error {
	var buf bytes.Buffer
	if len(r.Results) == 0 {
		buf.WriteString("Nothing was measured.\n")
		_, err := w.Write(buf.Bytes())
		return err
	}
	differ, _ := parted(r.Results)
	e := r.Environment
	fmt.Fprintf(&buf, "kubelet %s, %s %s/%s, %s, %s in %.1f s\n", e.Kubelet, e.Go, e.OS, e.Arch, cpuText(e), count(len(r.Results), "configuration"), e.Seconds)
	if same := Same(r.Results); same != "" {
		fmt.Fprintf(&buf, "the same everywhere: %s\n", same)
	}
	fmt.Fprintf(&buf, "subtracted from every sample: %s\n", Subtracted(r.Results))
	operations := present(r.Results)
	if all(operations, record.Hints, record.Merge, record.Allocate, record.Checkpoint) {
		operations = without(operations, record.Hints, record.Merge, record.Allocate, record.Checkpoint)
	}
	for _, op := range operations {
		operationTable(&buf, r.Results, differ, op)
		if op == record.Admit && len(present(r.Results)) != len(operations) {
			partsTable(&buf, r.Results, differ)
		}
	}
	shareTable(&buf, r.Results, differ)
	diskTable(&buf, r.Results, differ)
	unfinished(&buf, r.Results)
	growthTable(&buf, r.Growth)
	if text := NoGrowth(r); text != "" {
		fmt.Fprintf(&buf, "\n%s\n", text)
	}
	_, err := w.Write(buf.Bytes())
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func cpuText(e record.Environment) string {
	if e.CPUModel == "" {
		return fmt.Sprintf("%d CPUs", e.CPUs)
	}
	return fmt.Sprintf("%d × %s", e.CPUs, e.CPUModel)
}

// Subtracted is what timing itself costs, which no sample includes.
func Subtracted(results []record.Result) string {
	var o record.Overhead
	for i := range results {
		o.Timer, o.Loop = max(o.Timer, results[i].Overhead.Timer), max(o.Loop, results[i].Overhead.Loop)
	}
	return fmt.Sprintf("clock up to %s; reconcile and remove also the loop's timer, up to %s", Time(o.Timer), Time(o.Loop))
}

// present are the operations that any result has.
func present(results []record.Result) []record.Operation {
	var out []record.Operation
	for _, op := range record.Operations() {
		for i := range results {
			if s := results[i].Of(op); s != nil && s.Summary != nil {
				out = append(out, op)
				break
			}
		}
	}
	return out
}

func all(list []record.Operation, want ...record.Operation) bool {
	return len(without(want, list...)) == 0
}

func without(list []record.Operation, drop ...record.Operation) []record.Operation {
	var out []record.Operation
	for _, op := range list {
		keep := true
		for _, d := range drop {
			keep = keep && op != d
		}
		if keep {
			out = append(out, op)
		}
	}
	return out
}

// rows writes lines of cells in columns; all but the first fixed ones are
// aligned to the right.
func rows(w io.Writer, fixed int, lines [][]string) {
	widths := map[int]int{}
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range lines {
		for i, cell := range line {
			if i >= fixed {
				line[i] = strings.Repeat(" ", widths[i]-len([]rune(cell))) + cell
			}
		}
		fmt.Fprintln(tw, strings.TrimRight(strings.Join(line, "\t"), " \t"))
	}
	_ = tw.Flush() // the writer below is a buffer
}

func titles(differ []column, more ...string) []string {
	var out []string
	for _, c := range differ {
		out = append(out, c.title)
	}
	return append(out, more...)
}

func cells(differ []column, r *record.Result) []string {
	var out []string
	for _, c := range differ {
		out = append(out, c.of(r))
	}
	return out
}

func operationTable(w io.Writer, results []record.Result, differ []column, op record.Operation) {
	fmt.Fprintf(w, "\n%s: %s\n", strings.ToUpper(string(op)), About(op))
	lines := [][]string{titles(differ, "N", "MEAN ± 95% CI", "P50", "P90", "P99", "MAX")}
	for i := range results {
		s := results[i].Of(op)
		if s == nil || s.Summary == nil {
			continue
		}
		line := append(cells(differ, &results[i]), SummaryCells(s.Summary)...)
		lines = append(lines, append(line, Mark(&results[i])))
	}
	rows(w, len(differ), lines)
}

// Mark says what is special about a result.
func Mark(r *record.Result) string {
	switch {
	case r.Status != record.Done:
		return string(r.Status)
	case r.Rejected != "":
		return "rejected"
	}
	return ""
}

// partsTable shows what an admission is made of.
func partsTable(w io.Writer, results []record.Result, differ []column) {
	parts := []record.Operation{record.Hints, record.Merge, record.Allocate, record.Checkpoint}
	fmt.Fprintf(w, "\nPARTS OF ADMIT: medians, and shares of their sum\n")
	lines := [][]string{titles(differ, "HINTS", "MERGE", "ALLOCATE", "CHECKPOINT")}
	for i := range results {
		var sum float64
		medians := make([]float64, len(parts))
		for k, op := range parts {
			if s := results[i].Of(op); s != nil && s.Summary != nil {
				medians[k] = s.Summary.P50
				sum += medians[k]
			}
		}
		if sum == 0 {
			continue
		}
		line := cells(differ, &results[i])
		for _, m := range medians {
			line = append(line, fmt.Sprintf("%s %3.0f%%", Time(m), 100*m/sum))
		}
		lines = append(lines, line)
	}
	rows(w, len(differ), lines)
}

// unfinished lists what has no or not all samples, and rejections.
func unfinished(w io.Writer, results []record.Result) {
	first := true
	for i := range results {
		r := &results[i]
		text := r.Reason
		if r.Status == record.Done {
			if r.Rejected == "" {
				continue
			}
			text = "the kubelet rejects the pod, and the times are those of the rejection: " + r.Rejected
		}
		if first {
			fmt.Fprintf(w, "\nNOT AS PLANNED\n")
			first = false
		}
		fmt.Fprintf(w, "%s: %s\n", Label(results, i), text)
	}
}

func growthTable(w io.Writer, list []record.Growth) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\nGROWTH: median = constant × size^exponent\n")
	lines := [][]string{{"OPERATION", "ALONG", "SIZES", "WITH", "EXPONENT ± SE", "95% CI", "OR RATHER"}}
	for _, g := range list {
		lines = append(lines, []string{
			string(g.Operation), Axis(g.Along), growth.Sizes(g), shortened(g, list),
			two(g.Exponent) + " ± " + two(g.StdErr), two(g.CI95.Low) + " to " + two(g.CI95.High), Rather(g),
		})
	}
	rows(w, 4, lines)
}

// NoGrowth says why machines of several sizes show no growth; empty where they do,
// or where nobody would look for one.
func NoGrowth(r *record.Report) string {
	machines := map[string]bool{}
	for i := range r.Results {
		machines[r.Results[i].Config.Profile] = true
	}
	if len(r.Growth) > 0 || len(machines) < 3 {
		return ""
	}
	return "no growth: a fit wants three machines or more that differ in their CPUs alone, or in their NUMA nodes alone, with as many pods"
}

// Rather is the growth by a factor that fits better than a power, if one does.
func Rather(g record.Growth) string {
	if g.Exponential == nil {
		return ""
	}
	return fmt.Sprintf("×%.2f with each one more", g.Exponential.Factor)
}

// two writes two digits after the point, and no minus before zero.
func two(v float64) string {
	if text := fmt.Sprintf("%.2f", v); text != "-0.00" {
		return text
	}
	return "0.00"
}

// shortened is what is equal in a growth, without what is so in all of them.
func shortened(g record.Growth, list []record.Growth) string {
	var out []string
	for _, part := range strings.Split(g.Of, "/") {
		everywhere := true
		for _, o := range list {
			everywhere = everywhere && strings.Contains("/"+o.Of+"/", "/"+part+"/")
		}
		if !everywhere {
			out = append(out, part)
		}
	}
	return strings.Join(out, " ")
}
