package invariant

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/pinlab/pinlab/sim/observe"
)

// roomAdmits looks at a pod that has just been rejected, and at the CPUs and the memory
// that were free and still are.
func roomAdmits(k *Checker) {
	v := &k.view
	if !v.managed || len(v.o.Admissions) != 1 {
		return // who was asked first is not known
	}
	a := &v.o.Admissions[0]
	if a.Admitted || a.Readmission || !byManagers(a.Reason) {
		return
	}
	if static := v.o.Config.MemoryManagerPolicy == "Static"; static && a.ExclusiveMemory == 0 || !static && a.ExclusiveCPUs == 0 {
		return
	}
	free := v.shared.and(v.online).minus(v.reserved)
	if v.option(optionFullPCPUsOnly) {
		threads := k.coreSize()
		if threads == 0 || cmp.Or(a.ExclusiveStep, a.ExclusiveCPUs)%threads != 0 {
			return
		}
		free = k.wholeCoresOf(free)
	}
	for _, r := range k.rooms(free) {
		if r.cpus.size() >= a.ExclusiveCPUs && r.memory >= a.ExclusiveMemory {
			k.violated("pod %s asks for %s and is rejected (%s); free%s: %s", a.Pod, amount(a), a.Reason, r.where, r.text())
			return
		}
	}
}

// room is a place where a pod could be.
type room struct {
	where  string
	cpus   set
	memory uint64 // bytes
	static bool   // memory counts
}

func (r *room) text() string {
	switch {
	case !r.static:
		return r.cpus.cpus()
	case r.cpus.empty():
		return mebibytes(r.memory)
	}
	return r.cpus.cpus() + ", " + mebibytes(r.memory)
}

// rooms are the places where a pod could be of which the CPUs in free are free: the
// NUMA nodes, one by one where CPUs and memory have to come from one. A node whose
// memory is handed out together with another's takes no pod for itself.
func (k *Checker) rooms(free set) []room {
	o := k.view.o
	var out []room
	one := o.Config.TopologyManagerPolicy == "restricted" || o.Config.TopologyManagerPolicy == "single-numa-node"
	if o.Config.MemoryManagerPolicy == "Static" {
		for _, m := range o.NUMAMemory {
			if len(m.Group) > 1 {
				continue
			}
			r := room{fmt.Sprintf(" on NUMA node %d", m.Node), free, m.Free, true}
			if one {
				r.cpus = k.machine.on(free, int32(m.Node))
			}
			out = append(out, r)
		}
		return out
	}
	if !one {
		return []room{{cpus: free}}
	}
	for _, node := range slices.Sorted(maps.Keys(k.machine.byNode(free))) {
		out = append(out, room{where: fmt.Sprintf(" on NUMA node %d", node), cpus: k.machine.on(free, node)})
	}
	return out
}

// amount is what a pod asks for as its own.
func amount(a *observe.Admission) string {
	cpus := fmt.Sprintf("%d CPUs", a.ExclusiveCPUs)
	switch {
	case a.ExclusiveMemory == 0:
		return cpus
	case a.ExclusiveCPUs == 0:
		return mebibytes(a.ExclusiveMemory)
	}
	return cpus + " and " + mebibytes(a.ExclusiveMemory)
}

func mebibytes(n uint64) string { return fmt.Sprintf("%d MiB", n>>20) }

// byManagers says that the topology manager, or a manager below it, rejected a pod,
// and not the count of the node's allocatable resources.
func byManagers(reason string) bool {
	switch reason {
	case "UnexpectedAdmissionError", "TopologyAffinityError", "SMTAlignmentError":
		return true
	}
	return false
}

// coreSize is the number of CPUs that each core has; 0 where they differ.
func (k *Checker) coreSize() int {
	size := 0
	for id := range k.view.online.ids {
		n := k.machine.core(id).and(k.view.online).size()
		if size != 0 && n != size {
			return 0
		}
		size = n
	}
	return size
}

// wholeCoresOf are the CPUs of a set whose siblings are in it as well.
func (k *Checker) wholeCoresOf(s set) set {
	var whole set
	for id := range s.ids {
		if k.machine.core(id).and(k.view.online).within(s) {
			whole = whole.add(id)
		}
	}
	return whole
}
