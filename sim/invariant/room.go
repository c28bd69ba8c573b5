package invariant

import (
	"cmp"
	"maps"
	"slices"
)

// roomAdmits looks at a pod that has just been rejected, and at the CPUs that were free
// and still are.
func roomAdmits(k *Checker) {
	v := &k.view
	if !v.managed || len(v.o.Admissions) != 1 || v.o.Config.MemoryManagerPolicy == "Static" {
		return // who was asked first, and who had the memory, is not known
	}
	a := &v.o.Admissions[0]
	if a.Admitted || a.Readmission || a.ExclusiveCPUs == 0 || !byManagers(a.Reason) {
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
	switch policy := v.o.Config.TopologyManagerPolicy; policy {
	case "restricted", "single-numa-node":
		sizes := k.machine.byNode(free)
		for _, node := range slices.Sorted(maps.Keys(sizes)) {
			if sizes[node] >= a.ExclusiveCPUs {
				k.violated("pod %s asks for %d CPUs and is rejected (%s); free on NUMA node %d: %s", a.Pod, a.ExclusiveCPUs, a.Reason, node, k.machine.on(free, node).cpus())
				return
			}
		}
	default:
		if free.size() >= a.ExclusiveCPUs {
			k.violated("pod %s asks for %d CPUs and is rejected (%s); free: %s", a.Pod, a.ExclusiveCPUs, a.Reason, free.cpus())
		}
	}
}

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
