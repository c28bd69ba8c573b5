package invariant

import (
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

func poolAccounted(k *Checker) {
	v := &k.view
	if !v.managed {
		return
	}
	if v.shared.intersects(v.held) {
		for i := range v.containers {
			if c := &v.containers[i]; c.holds && c.assigned.intersects(v.shared) {
				k.violated("%s assigned to %s and in the shared pool %s", areIs(c.assigned.and(v.shared)), c.Ref(), v.o.SharedPool)
			}
		}
		for i := range v.stale {
			if gone := &v.stale[i]; !gone.shown && gone.cpus.intersects(v.shared) {
				k.violated("%s assigned to %s, which is gone, and in the shared pool %s", areIs(gone.cpus.and(v.shared)), gone.ref(), v.o.SharedPool)
			}
		}
	}

	// Reserved CPUs are not looked for: where they belong depends on the
	// options and is the matter of reserved-not-exclusive.
	known := k.union
	clear(known)
	known = known.merge(v.shared).merge(v.held).merge(v.reserved)
	k.union = known
	lost := k.other
	clear(lost)
	lost = lost.merge(v.online)
	lost.subtract(known)
	lost.subtract(k.machine.hidden)
	k.other = lost
	if !lost.empty() {
		k.violated("%s online and neither in the shared pool %s nor assigned", areIs(lost), poolText(v.o.SharedPool))
	}
	if v.shared.within(v.online) && v.held.within(v.online) {
		return
	}
	if off := v.shared.minus(v.online); !off.empty() {
		k.violated("%s offline and still in the shared pool", areIs(off))
	}
	for i := range v.containers {
		if c := &v.containers[i]; c.holds && !c.assigned.within(v.online) {
			k.violated("%s offline and still assigned to %s", areIs(c.assigned.minus(v.online)), c.Ref())
		}
	}
	for i := range v.stale {
		if gone := &v.stale[i]; !gone.shown && !gone.cpus.within(v.online) {
			k.violated("%s offline and still assigned to %s, which is gone", areIs(gone.cpus.minus(v.online)), gone.ref())
		}
	}
}

// areIs begins a sentence about some CPUs.
func areIs(s set) string {
	if s.size() == 1 {
		return s.cpus() + " is"
	}
	return s.cpus() + " are"
}

func checkpointInSync(k *Checker) {
	v := &k.view
	if !v.managed {
		return
	}
	file := v.o.Checkpoint
	if file == nil {
		if v.o.CheckpointError != "" {
			k.violated("the state file is unreadable: %s", v.o.CheckpointError)
		} else {
			k.violated("there is no state file; a restart would forget every assignment")
		}
		return
	}
	if file.Policy != v.o.Config.CPUManagerPolicy {
		k.violated("the state file was written by policy %q, the manager runs %q", file.Policy, v.o.Config.CPUManagerPolicy)
	}
	if file.SharedPool != v.o.SharedPool {
		k.violated("the shared pool is %s in the state file, %s in the manager", poolText(file.SharedPool), poolText(v.o.SharedPool))
	}
	clear(k.entries)
	for _, a := range file.Entries {
		k.entries[entry{a.Pod, a.Container}] = a.CPUs
	}
	compare := func(pod, container string, cpus observe.CPUs) {
		key := entry{pod, container}
		switch inFile, ok := k.entries[key]; {
		case !ok:
			k.violated("%s/%s holds %s, the state file has no entry", pod, container, poolText(cpus))
		case inFile != cpus:
			k.violated("%s/%s holds %s, the state file says %s", pod, container, poolText(cpus), poolText(inFile))
		}
		delete(k.entries, key)
	}
	for i := range v.containers {
		if c := &v.containers[i]; c.holds {
			compare(c.Pod, c.Container.Container, c.Assigned)
		}
	}
	for i := range v.stale {
		if gone := &v.stale[i]; !gone.shown {
			compare(gone.Pod, gone.Container, gone.CPUs)
		}
	}
	if len(k.entries) == 0 {
		return
	}
	for _, a := range file.Entries { // in the file's order
		if _, ok := k.entries[entry{a.Pod, a.Container}]; ok {
			k.violated("the state file gives %s to %s/%s, the manager does not", poolText(a.CPUs), a.Pod, a.Container)
		}
	}
}

func cgroupInSync(k *Checker) {
	v := &k.view
	if !v.managed || !v.o.Reconciled {
		return
	}
	for i := range v.containers {
		c := &v.containers[i]
		if !c.running() || c.Actual == c.Assigned {
			continue
		}
		// The kernel takes an offline CPU out of every cpuset. That the manager
		// still counts it is the matter of pool-accounted.
		gone := c.assigned.minus(c.actual)
		if !c.actual.within(c.assigned) || gone.empty() || gone.intersects(v.online) {
			k.violated("%s is assigned %s, its cgroup says %s", c.Ref(), poolText(c.Assigned), poolText(c.Actual))
		}
	}
}

func noLeak(k *Checker) {
	v := &k.view
	if !v.managed {
		return
	}
	// Until all sources have been heard nobody may say that a pod is gone.
	collected := v.o.Reconciled && !v.o.SourcesNotReady
	if collected {
		for i := range v.stale {
			k.violated("%s is gone and still holds %s", v.stale[i].ref(), v.stale[i].cpus.cpus())
		}
		for i := range v.podSets {
			if pod := v.o.PodCPUs[i].Pod; !v.used(pod) {
				k.violated("pod %s holds %s, of which no container has any", pod, v.podSets[i].cpus())
			}
		}
	}
	for pod := range v.eachPod {
		k.leakedByInit(pod)
		if collected && k.rejected(pod[0].Pod) {
			for i := range pod {
				if c := &pod[i]; c.holds {
					k.violated("%s was rejected and still holds %s", c.Ref(), c.assigned.cpus())
				}
			}
		}
	}
}

// used says that a container of the pod has an entry, one that is gone included.
func (v *view) used(pod string) bool {
	return slices.ContainsFunc(v.stale, func(s staleEntry) bool { return s.Pod == pod }) ||
		slices.ContainsFunc(v.containers, func(c container) bool { return c.Pod == pod && c.holds })
}

// leakedByInit looks for CPUs of init containers that are done. As long as no
// later container has started, an init container may have to run again.
func (k *Checker) leakedByInit(pod []container) {
	for i := range pod {
		init := &pod[i]
		if !init.ends() || !init.Exclusive || init.State != observe.StateTerminated {
			continue
		}
		done := false
		for j := i + 1; j < len(pod) && !done; j++ {
			done = pod[j].running()
		}
		if !done {
			continue
		}
		unused := k.other
		clear(unused)
		unused = unused.merge(init.assigned)
		for j := range pod {
			if c := &pod[j]; c.holds && c.State != observe.StateTerminated {
				unused.subtract(c.assigned)
			}
		}
		k.other = unused
		if !unused.empty() {
			k.violated("%s has ended and still holds %s, which no container of its pod uses", init.Ref(), unused.cpus())
		}
	}
}

// rejected says whether the last answer about a pod was no.
func (k *Checker) rejected(pod string) bool {
	for i := len(k.view.o.Admissions) - 1; i >= 0; i-- {
		if a := &k.view.o.Admissions[i]; a.Pod == pod {
			return !a.Admitted
		}
	}
	return false
}

func restartStarts(k *Checker) {
	if o := k.view.o; o.UnchangedRestart && o.Kubelet == observe.KubeletFailed {
		k.violated("nothing has changed and the kubelet does not start again: %s", strings.TrimSpace(o.KubeletError))
	}
}

func restartKeepsPods(k *Checker) {
	o := k.view.o
	if !o.UnchangedRestart {
		return
	}
	for _, a := range o.Admissions {
		if a.Readmission && !a.Admitted {
			k.violated("nothing has changed and pod %s, which ran, is rejected: %s: %s", a.Pod, a.Reason, a.Message)
		}
	}
}

func memoryAccounted(k *Checker) {
	for _, n := range k.view.o.NUMAMemory {
		// Compared without adding: the sum of two counters gone wrong may
		// wrap round to the right one.
		if n.Reserved > n.Allocatable || n.Free != n.Allocatable-n.Reserved {
			k.violated("NUMA node %d has %d bytes allocatable, of which %d are reserved and %d free", n.Node, n.Allocatable, n.Reserved, n.Free)
		}
	}
}
