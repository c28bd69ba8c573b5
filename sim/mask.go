package sim

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// kubeletRoot is where a kubelet keeps its state files; texts name it in place
// of the simulated node's own directory, so that they read like a real log and
// are the same in every run.
const kubeletRoot = "/var/lib/kubelet"

// mask makes a text of upstream's independent of this run.
func (n *Node) mask(text string) string {
	if !strings.Contains(text, n.stateDir) {
		return text
	}
	text = strings.ReplaceAll(text, n.stateDir, kubeletRoot)
	return tempName.ReplaceAllString(text, kubeletRoot+"/."+randomSuffix)
}

var tempName = regexp.MustCompile(regexp.QuoteMeta(kubeletRoot) + `/\.[0-9]+`)

// Log messages of one removal of a stale container, in upstream's order.
const (
	msgRemoving  = `"removing container"`
	msgRemoveEnd = `"RemoveContainer end"`
	msgStaleMap  = `"containerMap: removing container"`
)

// canonicalLog puts the removals of one collection into the order of their
// containers: upstream walks a map, so their order, and the shared pool between
// two of them, differ from run to run. The pool after the last one does not.
func canonicalLog(lines []observe.LogLine) []observe.LogLine {
	for start := 0; start < len(lines); {
		if !strings.HasPrefix(lines[start].Text, msgRemoving) && !strings.HasPrefix(lines[start].Text, msgStaleMap) {
			start++
			continue
		}
		var blocks [][]observe.LogLine
		end := start
		for end < len(lines) && (strings.HasPrefix(lines[end].Text, msgRemoving) || strings.HasPrefix(lines[end].Text, msgStaleMap)) {
			next := end + 1
			for next < len(lines) && isRemoval(lines[next].Text) {
				next++
			}
			blocks = append(blocks, lines[end:next])
			end = next
		}
		if len(blocks) > 1 {
			last := poolOf(lines[start:end])
			slices.SortStableFunc(blocks, func(a, b []observe.LogLine) int { return cmp.Compare(a[0].Text, b[0].Text) })
			copy(lines[start:end], slices.Concat(blocks...))
			hidePools(lines[start:end], last)
		}
		start = end
	}
	return lines
}

func isRemoval(text string) bool {
	for _, prefix := range []string{`"RemoveContainer start"`, msgRemoveEnd, `"Updated default CPUSet"`, `"Deleted CPUSet assignment"`, `"RemoveContainer" `} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return false
}

var poolValue = regexp.MustCompile(`(defaultCPUSet|cpuSet)="[0-9,-]*"`)

// poolOf is the shared pool that the last removal ended with.
func poolOf(lines []observe.LogLine) string {
	for _, l := range slices.Backward(lines) {
		if m := poolValue.FindString(l.Text); m != "" && strings.HasPrefix(l.Text, msgRemoveEnd) {
			return m[strings.Index(m, "="):]
		}
	}
	return ""
}

// hidePools leaves the pool only where it does not depend on the order.
func hidePools(lines []observe.LogLine, last string) {
	for i := range lines {
		if last == "" || i >= len(lines)-2 {
			lines[i].Text = poolValue.ReplaceAllString(lines[i].Text, "${1}"+last)
			continue
		}
		lines[i].Text = poolValue.ReplaceAllString(lines[i].Text, "$1=...")
	}
}
