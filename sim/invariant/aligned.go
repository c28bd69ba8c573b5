package invariant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// aligned checks what the policies guarantee, not what they try.
func aligned(k *Checker) {
	v := &k.view
	if !v.managed {
		return
	}
	wholeCores := v.option(optionFullPCPUsOnly)
	var numa *numaRule
	switch v.o.Config.TopologyManagerPolicy {
	case "single-numa-node":
		numa = &numaRule{single: true}
	case "restricted":
		numa = &numaRule{bySocket: v.option(optionAlignBySocket)}
	}
	if !wholeCores && numa == nil {
		return
	}
	podScope := v.o.Config.TopologyManagerScope == "pod"
	for pod := range v.eachPod {
		// Pod-level resources: the pod's CPUs are taken as one set and then
		// divided within the pod, without looking at cores.
		var together set
		if podScope {
			together = v.asOne(pod[0].Pod)
		}
		if wholeCores {
			k.wholeCores(pod, together)
		}
		switch {
		case numa == nil:
		case podScope:
			k.podNUMA(numa, pod, together)
		default:
			for i := range pod {
				k.containerNUMA(numa, pod[i:i+1])
			}
		}
	}
}

// numaRule is what a topology manager policy guarantees.
type numaRule struct {
	single   bool
	bySocket bool
	// sizes is filled when first needed: mostly all is on one node.
	sizes []int
}

// knownCPUs are the CPUs the manager started with.
func (k *Checker) knownCPUs() set {
	v := &k.view
	clear(k.union)
	k.union = k.union.merge(v.shared).merge(v.held).merge(v.reserved)
	return k.union
}

// current says whether a container's alignment matters to anyone.
func current(c *container) bool { return c.holds && c.State != observe.StateTerminated }

func (k *Checker) wholeCores(pod []container, together set) {
	if !together.empty() {
		if !k.hasWholeCores(together) {
			k.violated("pod %s holds part of a core: %s", pod[0].Pod, k.partial(together))
		}
		return
	}
	for i := range pod {
		if c := &pod[i]; current(c) && c.Exclusive && !k.hasWholeCores(c.assigned) {
			k.violated("%s holds part of a core: %s", c.Ref(), k.partial(c.assigned))
		}
	}
}

// hasWholeCores says whether the set has every online sibling of its CPUs.
func (k *Checker) hasWholeCores(s set) bool {
	for id := range s.ids {
		for i, word := range k.machine.core(id) {
			if i < len(s) {
				word &^= s[i]
			}
			if i < len(k.view.online) && word&k.view.online[i] != 0 {
				return false
			}
		}
	}
	return true
}

// partial names the CPUs with a sibling outside the set.
func (k *Checker) partial(s set) string {
	var parts []string
	for id := range s.ids {
		missing := k.machine.core(id).and(k.view.online)
		missing.subtract(s)
		if !missing.empty() {
			parts = append(parts, fmt.Sprintf("CPU %d without its sibling %s", id, missing))
		}
	}
	return strings.Join(parts, ", ")
}

// containerNUMA judges one container of a pod.
func (k *Checker) containerNUMA(rule *numaRule, one []container) {
	c := &one[0]
	k.nodes = k.nodes[:0]
	if c.Exclusive && current(c) {
		k.nodes = spread(k.nodes, k.machine.node, c.assigned)
	}
	if len(k.nodes) > 1 {
		k.judge(rule, c.Ref(), c.assigned, max(c.Requested, c.assigned.size()))
		return
	}
	k.memoryBeside(rule, c.Ref(), one)
}

// memoryBeside judges the memory of containers whose CPUs are of the one node in
// k.nodes, or of none.
func (k *Checker) memoryBeside(rule *numaRule, who string, containers []container) {
	if !rule.single || k.view.o.Config.MemoryManagerPolicy != "Static" {
		return
	}
	var nodes set
	for i := range containers {
		if c := &containers[i]; c.running() && c.Mems != "" {
			nodes = nodes.merge(parseSet(c.Mems))
		}
	}
	beside := ""
	if len(k.nodes) > 0 {
		if nodes.empty() || nodes.size() == 1 && nodes.has(int(k.nodes[0])) {
			return
		}
		beside = " and its CPUs on " + join(k.nodes)
	} else if nodes.size() <= 1 {
		return
	}
	k.violated("%s has its memory on NUMA node %s%s; single-numa-node allows one", who, nodes, beside)
}

func (k *Checker) podNUMA(rule *numaRule, pod []container, together set) {
	k.nodes = spread(k.nodes[:0], k.machine.node, together)
	for i := range pod {
		if current(&pod[i]) {
			k.nodes = spread(k.nodes, k.machine.node, pod[i].assigned)
		}
	}
	if len(k.nodes) <= 1 {
		k.memoryBeside(rule, "pod "+pod[0].Pod, pod)
		return
	}
	all := podSet(pod).merge(together)
	request := max(podRequest(pod), together.size())
	k.judge(rule, "pod "+pod[0].Pod, all, request)
}

// judge compares the nodes in k.nodes, more than one, with the rule.
func (k *Checker) judge(rule *numaRule, who string, cpus set, request int) {
	nodes := slices.Sorted(slices.Values(k.nodes))
	if rule.single {
		k.violated("%s holds %s on NUMA nodes %s; single-numa-node allows one", who, cpus, join(nodes))
		return
	}
	if rule.sizes == nil {
		rule.sizes = k.machine.nodeSizes(k.knownCPUs())
	}
	need := nodesNeeded(rule.sizes, request)
	if rule.bySocket {
		// A socket counts as one place, and as many sockets may be used as
		// nodes would be needed.
		sockets := spread(nil, k.machine.socket, cpus)
		if len(sockets) > need {
			slices.Sort(sockets)
			k.violated("%s holds %s on sockets %s; restricted with align-by-socket allows %d for %d CPUs", who, cpus, join(sockets), need, request)
		}
		return
	}
	if len(nodes) > need {
		k.violated("%s holds %s on NUMA nodes %s; restricted allows %d for %d CPUs", who, cpus, join(nodes), need, request)
	}
}

// podSet is the union of what a pod's containers hold now.
func podSet(pod []container) set {
	var all set
	for i := range pod {
		if current(&pod[i]) {
			all = all.merge(pod[i].assigned)
		}
	}
	return all
}

// podRequest adds up a pod's CPUs.
func podRequest(pod []container) int {
	var sum observe.Peak
	for i := range pod {
		sum.Add(pod[i].Kind, int64(pod[i].Requested))
	}
	return int(sum.Most())
}

func join(ids []int32) string {
	var s set
	for _, id := range ids {
		s = s.add(int(id))
	}
	return s.String()
}
