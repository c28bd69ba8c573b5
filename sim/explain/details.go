package explain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/scenarios/report/screen"
)

// maxDetails bounds the pods that are shown in full; -o json has them all.
const maxDetails = 10

// details shows each pod in full, one of those with the same answer.
func (t *text) details() {
	seen := map[string]bool{}
	shown := 0
	for i := range t.r.Pods {
		p := &t.r.Pods[i]
		key := p.Namespace + "|" + p.Workload + "|" + string(p.Verdict) + "|" + p.Admission.Reason
		if seen[key] {
			continue
		}
		seen[key] = true
		if shown++; shown > maxDetails {
			t.line("")
			t.line("More pods: see -o json.")
			return
		}
		t.pod(p)
	}
}

func (t *text) pod(p *Pod) {
	t.line("")
	admitted := t.paint.Paint(screen.Green, "admitted")
	switch p.Verdict {
	case Rejected:
		admitted = t.paint.Paint(screen.Red, "rejected")
	case NotPlaced:
		admitted = "not placed"
	}
	t.linef("%s  %s  QoS %s", t.paint.Paint(screen.Bold, "Pod "+p.Pod), admitted, p.QoS.Class)
	decides := p.QoS.Detail
	if p.QoS.Field != "" {
		decides += "  (" + p.QoS.Field + ")"
	}
	t.wrap("  QoS: ", decides)
	if p.Admission.Message != "" {
		t.wrap("  Kubelet: ", p.Admission.Reason+": "+p.Admission.Message)
	}
	t.containers(p)
	t.allocatable(p)
	if p.Topology != nil {
		for i := range p.Topology.Rounds {
			t.round(p.Topology, &p.Topology.Rounds[i])
		}
	}
}

func (t *text) containers(p *Pod) {
	rows := [][]screen.Cell{screen.Cells("CONTAINER", "KIND", "CPU", "MEMORY", "QOS ALONE", "CPUS", "NODES", "WHY")}
	for i := range p.Containers {
		c := &p.Containers[i]
		cpus := screen.Cell{Text: "shared pool", Style: screen.Dim}
		switch {
		case p.Verdict == Rejected || p.Verdict == NotPlaced:
			cpus.Text = "-"
		case c.Exclusive:
			cpus = screen.Cell{Text: string(c.CPUs), Style: screen.Green}
		case len(c.NUMANodes) > 0:
			cpus.Text = "pod's " + string(c.CPUs)
		}
		nodes := "-"
		if len(c.NUMANodes) > 0 {
			nodes = strings.ReplaceAll(nodeList(c.NUMANodes), "+", ",")
		}
		rows = append(rows, []screen.Cell{
			{Text: c.Name},
			{Text: string(c.Kind)},
			{Text: pair(c.Requests.CPU, c.Limits.CPU)},
			{Text: pair(c.Requests.Memory, c.Limits.Memory)},
			{Text: c.QoS},
			cpus,
			{Text: nodes},
			{Text: ownWhy(p, c)},
		})
	}
	screen.Columns(t.w, t.paint, "  ", rows)
}

// pair writes a request and a limit: "2" when they are equal, "1..2", "1.." or
// "-".
func pair(request, limit string) string {
	switch {
	case request == "" && limit == "":
		return "-"
	case request == limit:
		return request
	}
	return request + ".." + limit
}

// ownWhy is what a container adds to the answer: its own shortfall, else why it
// is pinned or not.
func ownWhy(p *Pod, c *Container) string {
	switch {
	case p.QoS.Class != "Guaranteed" && c.QoSDetail != "":
		return c.QoSDetail
	case p.QoS.Class != "Guaranteed":
		return "Guaranteed alone, but the pod is not"
	}
	if c.Promised > 0 {
		return "Guaranteed, asks for " + cpuText(c.Promised)
	}
	return strings.TrimPrefix(c.Reason, "QoS Guaranteed, but ")
}

func (t *text) allocatable(p *Pod) {
	if len(p.Allocatable) == 0 {
		return
	}
	t.line("  Node allocatable:")
	rows := [][]screen.Cell{screen.Cells("RESOURCE", "CAPACITY", "RESERVED", "ALLOCATABLE", "IN USE", "REQUESTED", "MISSING")}
	for _, r := range p.Allocatable {
		missing := screen.Cell{Text: "-"}
		if r.Missing > 0 {
			missing = screen.Cell{Text: missingText(r.Resource, r.Missing), Style: screen.Red}
		}
		row := screen.Cells(r.Resource)
		for _, n := range []int64{r.Capacity, r.Reserved, r.Allocatable, r.Used, r.Requested} {
			row = append(row, screen.Cell{Text: plainAmount(r.Resource, n)})
		}
		rows = append(rows, append(row, missing))
	}
	screen.Columns(t.w, t.paint, "    ", rows)
}

func (t *text) round(top *Topology, r *Round) {
	who := "the pod"
	if r.Container != "" {
		who = r.Container
	}
	if len(r.Requests) == 0 {
		t.linef("  Topology (%s, %s scope) for %s: no manager has a preference: admit", top.Policy, top.Scope, who)
		return
	}
	verdict := t.paint.Paint(screen.Green, "admit")
	if !r.Admitted {
		verdict = t.paint.Paint(screen.Red, "reject")
	}
	best := r.Best
	if !r.Admitted && strings.HasPrefix(best, "any") {
		best = "none"
	}
	t.linef("  Topology (%s, %s scope) for %s: best hint %s: %s", top.Policy, top.Scope, who, best, verdict)
	head := screen.Cells("NUMA NODE")
	for _, q := range r.Requests {
		head = append(head, screen.Cell{Text: strings.ToUpper(q.Resource) + " FREE / REQUESTED"})
	}
	rows := [][]screen.Cell{append(head, screen.Cell{Text: "FIT"})}
	for _, n := range r.Nodes {
		row := screen.Cells(fmt.Sprint(n.Node))
		for i, q := range n.Free {
			c := screen.Cell{Text: bare(q) + " / " + bare(r.Requests[i])}
			if slices.Contains(n.Lacks, q.Resource) {
				c.Style = screen.Red
			}
			row = append(row, c)
		}
		fits := "fits"
		if len(n.Lacks) > 0 {
			fits = "lacks " + listWords(n.Lacks)
		}
		rows = append(rows, append(row, screen.Cell{Text: fits}))
	}
	screen.Columns(t.w, t.paint, "    ", rows)
	var hints []string
	for _, a := range r.Answers {
		if a.Resource != "" {
			hints = append(hints, a.Resource+": "+fewHints(a.Hints))
		}
	}
	t.wrap("    hints (* preferred): ", strings.Join(hints, "; "))
}

// fewHints writes the preferred hints and a few of the others: eight NUMA nodes
// have 255 sets.
func fewHints(list []string) string {
	const few = 4
	var words []string
	others, left := 0, 0
	for _, h := range list {
		if !strings.HasSuffix(h, "*") {
			if others++; others > few {
				left++
				continue
			}
		}
		words = append(words, h)
	}
	if left > 0 {
		words = append(words, fmt.Sprintf("and %d more", left))
	}
	return strings.Join(words, " ")
}

// bare writes an amount without its unit.
func bare(q Quantity) string {
	if q.Resource == memoryResource {
		return bytesText(q.Amount)
	}
	return fmt.Sprint(q.Amount)
}

func sortedNames(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
