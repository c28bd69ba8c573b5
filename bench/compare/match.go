package compare

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

// environments says what else was different.
func environments(a, b record.Environment) []string {
	var out []string
	for _, v := range []struct{ what, before, after, so string }{
		{"kubelet", a.Kubelet, b.Kubelet, ""},
		{"Go", a.Go, b.Go, ""},
		{"processor", a.CPUModel, b.CPUModel, ": the times say nothing about the code"},
		{"CPUs of the machine that measured", number(a.CPUs), number(b.CPUs), ""},
		{"architecture", a.Arch, b.Arch, ": the times say nothing about the code"},
	} {
		if v.before != v.after && v.before != "" && v.after != "" {
			out = append(out, fmt.Sprintf("%s: %s in OLD, %s in NEW%s", v.what, v.before, v.after, v.so))
		}
	}
	return out
}

// number is a count as text, empty where it was not recorded.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// stored are the warnings that the runs came with. Those about one configuration
// are summed up in one about all.
func stored(before, after []record.Warning) []string {
	texts := func(list []record.Warning) []string {
		var out []string
		for _, w := range list {
			if w.About == "" {
				out = append(out, w.Text)
			}
		}
		return out
	}
	a, b := texts(before), texts(after)
	var out []string
	for _, text := range a {
		if slices.Contains(b, text) {
			out = append(out, "OLD and NEW: "+text)
		} else {
			out = append(out, "OLD: "+text)
		}
	}
	for _, text := range b {
		if !slices.Contains(a, text) {
			out = append(out, "NEW: "+text)
		}
	}
	return out
}

// pair is one configuration in both runs.
type pair struct {
	beforeIn, afterIn record.Environment
	before, after     *record.Result
}

// rows are without verdicts that depend on other rows.
func (p pair) rows(o Options) []Row {
	if verdict, note := p.asAWhole(); verdict != "" {
		return []Row{{Config: p.before.Config, P: 1, Adjusted: 1, Verdict: verdict, Note: note}}
	}
	var out []Row
	for _, op := range record.Operations() {
		a, b := p.before.Of(op), p.after.Of(op)
		row := Row{Config: p.before.Config, Operation: op, P: 1, Adjusted: 1, Verdict: Incomparable}
		switch {
		case a == nil && b == nil:
			continue
		case b == nil:
			row.Note = "measured in OLD, not in NEW"
		case a == nil:
			row.Note = "measured in NEW, not in OLD"
		default:
			row.Verdict = ""
			row.test(stats.Medians(a.Repetitions), stats.Medians(b.Repetitions), o)
		}
		out = append(out, row)
	}
	return out
}

// asAWhole is the verdict where there are no times to compare, empty where there
// are.
func (p pair) asAWhole() (Verdict, string) {
	before, after := p.before, p.after
	if why := p.otherwise(); why != "" {
		return Incomparable, why
	}
	switch {
	case !measured(before) && !measured(after):
		return Incomparable, "neither run finished it: " + after.Reason
	case after.Status == record.DidNotFinish:
		return Slower, "OLD finished, NEW " + after.Reason
	case before.Status == record.DidNotFinish:
		return Faster, "NEW finished, OLD " + before.Reason
	case after.Status == record.Failed || after.Status == record.Refused:
		return Broken, fmt.Sprintf("measured in OLD, %s in NEW: %s", after.Status, after.Reason)
	case !measured(before) || !measured(after):
		return Incomparable, fmt.Sprintf("%s in OLD, %s in NEW", before.Status, after.Status)
	case before.Rejected == "" && after.Rejected != "":
		return Broken, "admitted in OLD, rejected in NEW: " + after.Rejected
	case before.Rejected != "" && after.Rejected == "":
		return Incomparable, "the kubelet's answer changed: rejected in OLD, admitted in NEW"
	}
	return "", ""
}

// measured says that there are samples that count. What an interrupted run has of
// a configuration are samples like others, of fewer repetitions.
func measured(r *record.Result) bool {
	return r.Status == record.Done || r.Status == record.Interrupted && len(r.Series) > 0
}

// otherwise says where the two did not measure the same machine, or not on the
// same kind of disk. What a file does not tell is taken to be the same.
func (p pair) otherwise() string {
	a, b := p.before.Machine, p.after.Machine
	const format = "not the same machine: %s in OLD, %s in NEW"
	switch sameSize := a.CPUs == b.CPUs && a.Cores == b.Cores && a.NUMANodes == b.NUMANodes; {
	case a.CPUs == 0 || b.CPUs == 0:
	case !sameSize:
		return fmt.Sprintf(format, size(a), size(b))
	case a.Topology != b.Topology && a.Topology != "" && b.Topology != "":
		return fmt.Sprintf(format, "topology "+a.Topology, "topology "+b.Topology+", both of "+size(a))
	case a.Pods != b.Pods:
		return fmt.Sprintf("not the same number of resident pods: %d in OLD, %d in NEW", a.Pods, b.Pods)
	}
	x, y := p.beforeIn.DiskSystem, p.afterIn.DiskSystem
	if p.before.Config.Storage == record.Disk && x != y && x != "" && y != "" {
		return fmt.Sprintf("not the same file system: %s in OLD, %s in NEW", x, y)
	}
	return ""
}

func size(m record.Machine) string {
	return fmt.Sprintf("%d CPUs, %d cores, %d NUMA nodes", m.CPUs, m.Cores, m.NUMANodes)
}
