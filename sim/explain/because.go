package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// because says in terms of what is missing where why a pod was rejected.
func (a asked) because(rows []Resource) string {
	o := a.outcome
	switch {
	case o.Admitted:
		return ""
	case a.misaligned() && len(o.rounds) > 0:
		return a.misalignment(&o.rounds[len(o.rounds)-1])
	case o.Reason == "SMTAlignmentError":
		return a.oddCPUs()
	case strings.HasPrefix(o.Reason, outOf):
		return a.noRoom(rows)
	case strings.Contains(o.Message, "not enough cpus available"):
		return a.noCPUs()
	}
	return o.Message
}

// misalignment says why the hints of a round cannot be met.
func (a asked) misalignment(hr *kubelet.HintRound) string {
	policy := a.config.Observed().TopologyManagerPolicy
	who := "the pod"
	for _, c := range containers(a.pod) {
		if c.spec.Name == hr.Container {
			who = c.who()
		}
	}
	requests := a.requests(hr)
	for _, q := range requests {
		nodes := a.fewest(q)
		if slices.ContainsFunc(preferred(hr, q.Resource), func(h kubelet.Hint) bool {
			return h.Any || policy != "single-numa-node" || len(h.Nodes) == 1
		}) {
			continue
		}
		where := "in one NUMA node"
		if policy != "single-numa-node" && nodes > 1 {
			where = fmt.Sprintf("in %d NUMA nodes, as few as the machine's size allows", nodes)
		}
		return fmt.Sprintf("%s needs %s %s; %s", who, amountText(q), where, a.perNode(hr, q.Resource))
	}
	var fits []string
	for _, q := range requests {
		var nodes []string
		for _, h := range preferred(hr, q.Resource) {
			if policy != "single-numa-node" || len(h.Nodes) == 1 {
				nodes = append(nodes, nodeList(h.Nodes))
			}
		}
		fits = append(fits, fmt.Sprintf("%s in %s", amountText(q), nodeWord(nodes)))
	}
	return fmt.Sprintf("%s needs everything in the same NUMA nodes, and there are none with all of it: %s", who, strings.Join(fits, ", "))
}

func nodeWord(nodes []string) string {
	if len(nodes) == 1 {
		return "node " + nodes[0] + " only"
	}
	return "nodes " + strings.Join(nodes, " or ")
}

// preferred are the preferred hints for a resource.
func preferred(hr *kubelet.HintRound, resource string) []kubelet.Hint {
	var list []kubelet.Hint
	for _, h := range hr.Answers {
		if h.Resource == resource {
			for _, hint := range h.Hints {
				if hint.Preferred {
					list = append(list, hint)
				}
			}
		}
	}
	return list
}

// fewest is the number of NUMA nodes that a request would need with all of
// them empty, which is what makes a hint a preferred one.
func (a asked) fewest(q Quantity) int {
	var sizes []int64
	for _, id := range a.profile.NodeIDs() {
		switch q.Resource {
		case cpuResource:
			sizes = append(sizes, int64(a.profile.CPUsInNode(id).Size()))
		case memoryResource:
			for _, m := range a.outcome.before.NUMA {
				if m.Node == id {
					sizes = append(sizes, int64(m.Allocatable))
				}
			}
		}
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	var sum int64
	for i, size := range sizes {
		if sum += size; sum >= q.Amount {
			return i + 1
		}
	}
	return 1
}

// perNode says what is free in each node.
func (a asked) perNode(hr *kubelet.HintRound, resource string) string {
	var parts []string
	for _, id := range a.profile.NodeIDs() {
		free := a.free(hr, resource, id)
		if free == 0 && resource == cpuResource && a.profile.CPUsInNode(id).IsEmpty() {
			continue
		}
		parts = append(parts, fmt.Sprintf("node %d has %s free", id, bare(Quantity{resource, free})))
	}
	return strings.Join(parts, ", ")
}

// oddCPUs explains full-pcpus-only.
func (a asked) oddCPUs() string {
	level := a.profile.SMTLevel()
	for _, c := range containers(a.pod) {
		if n, _ := kubelet.Pinning(a.config, a.pod, c.spec); level > 0 && n%level != 0 {
			return fmt.Sprintf("%s asks for %s, and with full-pcpus-only the CPUs come as whole cores of %d", c.who(), cpuText(n), level)
		}
	}
	return a.outcome.Message
}

// noCPUs counts what is there.
func (a asked) noCPUs() string {
	before := a.outcome.before
	free, online, reserved := assignable(before).Size(), a.profile.OnlineCPUs().Size(), before.Reserved.Set().Size()
	held := online - reserved - free
	return fmt.Sprintf("the pod needs %s of its own and %s free (%d online - %d reserved - %d held by other containers)",
		cpuText(int(a.amount("", cpuResource))), areWord(free), online, reserved, held)
}

func areWord(n int) string {
	if n == 1 {
		return "1 is"
	}
	return fmt.Sprintf("%d are", n)
}

const outOf = "OutOf"

// noRoom explains the check of the node's allocatable resources.
func (a asked) noRoom(rows []Resource) string {
	name := strings.TrimPrefix(a.outcome.Reason, outOf)
	for _, r := range rows {
		if r.Resource != name || r.Missing == 0 {
			continue
		}
		text := fmt.Sprintf("the pod requests %s, node allocatable is %s", plainAmount(name, r.Requested), plainAmount(name, r.Allocatable))
		if r.Reserved > 0 {
			text += fmt.Sprintf(" (%s - %s reserved)", plainAmount(name, r.Capacity), plainAmount(name, r.Reserved))
		}
		if r.Used > 0 {
			text += fmt.Sprintf(", pods on the node request %s of it", plainAmount(name, r.Used))
		}
		return text + fmt.Sprintf(": %s missing", missingText(name, r.Missing))
	}
	return a.outcome.Message
}

// allocatable is the arithmetic of the check that rejected a pod with OutOf….
func (a asked) allocatable() []Resource {
	o := a.outcome
	if o.Admitted || !strings.HasPrefix(o.Reason, outOf) {
		return nil
	}
	opts := resourcehelper.PodResourcesOptions{SkipPodLevelResources: !a.config.GateEnabled(gatePodLevel)}
	requested := resourcehelper.PodRequests(a.pod, opts)
	used := corev1.ResourceList{}
	for _, p := range o.others {
		for name, q := range resourcehelper.PodRequests(p, opts) {
			sum := used[name]
			sum.Add(q)
			used[name] = sum
		}
	}
	var rows []Resource
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods} {
		value := func(list corev1.ResourceList) int64 {
			q := list[name]
			if name == corev1.ResourceCPU {
				return q.MilliValue()
			}
			return q.Value()
		}
		r := Resource{Resource: string(name), Capacity: value(o.capacity), Allocatable: value(o.allocatable), Used: value(used), Requested: value(requested)}
		if name == corev1.ResourcePods {
			r.Used, r.Requested = int64(len(o.others)), 1
		}
		r.Reserved = r.Capacity - r.Allocatable
		r.Missing = max(0, r.Requested-(r.Allocatable-r.Used))
		rows = append(rows, r)
	}
	return rows
}

// nodesOf lists the NUMA nodes of some CPUs.
func nodesOf(p *hwprofiles.Profile, cpus []int) []int {
	var nodes []int
	for _, id := range cpus {
		if c, ok := p.CPU(id); ok && c.NUMANode != hwprofiles.None && !slices.Contains(nodes, c.NUMANode) {
			nodes = append(nodes, c.NUMANode)
		}
	}
	slices.Sort(nodes)
	return nodes
}
