package sim

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// mask makes a text of upstream's independent of this run.
func (n *Node) mask(text string) string {
	if !strings.Contains(text, n.stateDir) {
		return text
	}
	text = strings.ReplaceAll(text, n.stateDir, observe.KubeletRoot)
	return tempName.ReplaceAllString(text, observe.KubeletRoot+"/."+randomSuffix)
}

var tempName = regexp.MustCompile(regexp.QuoteMeta(observe.KubeletRoot) + `/\.[0-9]+`)

// canonicalLog puts log lines into an order that does not depend on the order
// in which upstream walks its maps: the removals of one collection of stale
// containers, and the one of several differences that the memory manager names.
func canonicalLog(lines []observe.LogLine) []observe.LogLine {
	for start := 0; start < len(lines); {
		end, walks := start, 0
		for end < len(lines) {
			rank := walkRank(lines[end].Text)
			if rank < 0 {
				break
			}
			if rank == 0 {
				walks++
			}
			end++
		}
		if walks > 1 {
			reorder(lines[start:end])
		}
		if end == start && strings.HasPrefix(lines[start].Text, manyNodes) {
			lines[start].Text = firstOfMany.ReplaceAllString(lines[start].Text, "$1 ...")
		}
		start = max(end, start+1)
	}
	return lines
}

// walkMessages are the messages of one step of a walk, in their order.
var walkMessages = [][]string{
	{`"removing container"`, `"containerMap: removing container"`, `"RemoveStaleState removing state"`, `"container still active"`, `"containerMap: container still active"`},
	{`"RemoveContainer start"`, `"RemoveContainer"`},
	{`"Deleted CPUSet assignment"`, `"Deleted CPUSet baseline entry"`, `"Deleted memory assignment"`},
	{`"Updated default CPUSet"`, `"Deleted pod"`, `"Updated machine memory state"`},
	{`"RemoveContainer end"`, `"Released`},
}

// walkRank is a message's place among those of one step of a walk: 0 for the
// first of a step, negative for messages of anything else.
func walkRank(text string) int {
	for rank, messages := range walkMessages {
		for _, m := range messages {
			if strings.HasPrefix(text, m) {
				return rank
			}
		}
	}
	return -1
}

var (
	poolValue = regexp.MustCompile(`(defaultCPUSet|cpuSet)="[0-9,-]*"`)
	lastOfPod = regexp.MustCompile(`^("Released pod-level .*) containerName="[^"]*"`)
	walkedRef = regexp.MustCompile(`podUID="([^"]*)" containerName="([^"]*)"`)
	// firstOfMany is the memory manager's first difference, of any node.
	firstOfMany = regexp.MustCompile(`^(` + manyNodes + `[^"]*" field="[^"]*").*`)
	poolUpdates = `"Updated default CPUSet"`
)

// manyNodes begins the memory manager's message about a difference.
const manyNodes = `"Memory states for the NUMA node`

// reorder sorts the lines of several steps of a walk by their container. The
// shared pool between two steps depends on their order and is left out; the
// one after the last does not and is kept.
func reorder(lines []observe.LogLine) {
	pool := ""
	for i := range lines {
		if m := poolValue.FindString(lines[i].Text); m != "" {
			pool = m[strings.Index(m, "="):]
		}
		lines[i].Text = poolValue.ReplaceAllString(lines[i].Text, "$1=...")
		lines[i].Text = lastOfPod.ReplaceAllString(lines[i].Text, "$1 containerName=...")
	}
	key := func(l observe.LogLine) []string {
		pod, name := "~", "" // lines about no container come last
		if m := walkedRef.FindStringSubmatch(l.Text); m != nil {
			pod, name = m[1], m[2]
		}
		return []string{pod, name, strconv.Itoa(walkRank(l.Text)), l.Text}
	}
	slices.SortStableFunc(lines, func(a, b observe.LogLine) int { return slices.Compare(key(a), key(b)) })
	for i := range slices.Backward(lines) {
		if strings.HasPrefix(lines[i].Text, poolUpdates) {
			lines[i].Text = poolUpdates + " cpuSet" + pool
			return
		}
	}
}
