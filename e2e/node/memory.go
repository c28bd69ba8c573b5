package node

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

// memory tells the account of the memory manager, which a running kubelet keeps
// in its state file, and returns why it is not known.
func (t *Target) memory(o *observe.Observation) (unread string) {
	if !t.running || o.Config.MemoryManagerPolicy != "Static" {
		return ""
	}
	file, err := t.memoryFile()
	switch {
	case err != nil:
		return "memory_manager_state: " + err.Error()
	case file == nil:
		return "memory_manager_state: there is none"
	}
	for _, l := range t.facts.Listed {
		p := t.find(l.Pod)
		if p == nil || p.done() || p.spec.Spec.Resources != nil {
			continue
		}
		if written := file.Bytes[string(p.spec.UID)][l.Container]; written != l.MemoryBytes {
			return fmt.Sprintf("memory_manager_state: it is behind: %s/%s has %d bytes there, the kubelet says %d", l.Pod, l.Container, written, l.MemoryBytes)
		}
	}
	o.NUMAMemory = file.Nodes
	return ""
}

// memoryFile is the state file as the kubelet reads it; nil without an error is
// no file.
func (t *Target) memoryFile() (*observe.MemoryFile, error) {
	if !t.facts.MemoryState.Exists || t.opts.ReadMemory == nil {
		return nil, nil
	}
	return t.opts.ReadMemory(t.facts.MemoryState.Data)
}

// mems are the NUMA nodes that a container's memory is bound to. A cgroup of the
// old hierarchy always names some: one that nobody has bound has all.
func (t *Target) mems(p *pod, container string, g cgroup.Group) observe.CPUs {
	if t.machine.Hello().CgroupVersion != cgroup.V1 {
		return g.Mems
	}
	file, err := t.memoryFile()
	bound := err == nil && file != nil && (file.PodLevel || file.Bytes[string(p.spec.UID)][container] > 0)
	var all []int
	for _, n := range t.profile.NUMANodes {
		if n.MemoryBytes > 0 {
			all = append(all, n.ID)
		}
	}
	if !bound && g.Mems == observe.FromSet(cpuset.New(all...)) {
		return ""
	}
	return g.Mems
}

// podCPUs are the sets of pods with pod-level resources that have containers in
// the state, as the CPU manager keeps them.
func (t *Target) podCPUs(state *observe.StateFile) []observe.Assignment {
	var out []observe.Assignment
	for uid, cpus := range state.PodCPUs {
		out = append(out, observe.Assignment{Pod: cmp.Or(t.names[uid], uid), CPUs: cpus})
	}
	slices.SortFunc(out, func(a, b observe.Assignment) int { return cmp.Compare(a.Pod, b.Pod) })
	return out
}
