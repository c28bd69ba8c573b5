package verify

import (
	"slices"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// observation is the node as the invariants look at it. What is not known stays
// out of it: a container whose cgroup is unread counts as one that does not run.
//
// The state file stands for the manager's books. They are judged as those of a
// running kubelet even while none runs: the containers go on to run by them.
func (a *audit) observation() observe.Observation {
	o := observe.Observation{
		Kubelet: observe.KubeletRunning, Config: a.kc, Online: observe.FromSet(a.online),
		SharedPool: a.state.shared, Containers: []observe.Container{}, Reconciled: true,
		Checkpoint: &observe.Checkpoint{Policy: a.state.policy, SharedPool: a.state.shared},
	}
	if a.memory != nil && a.memory.policy == "Static" {
		o.NUMAMemory = a.memory.nodes
	}
	seen, nameless := map[key]bool{}, a.runningNameless()
	var containers []observe.Container
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		if c.Sandbox || a.nameless(c) {
			continue
		}
		seen[key{c.PodUID, c.Container}] = true
		containers = append(containers, a.observed(c))
	}
	pods := a.pods()
	var idle []observe.Container
	used := map[string]cpuset.CPUSet{}
	for _, k := range a.state.keys() {
		name, lives := pods[k.uid]
		pod := k.uid
		if name != "" {
			pod = name
		}
		entry := observe.Assignment{Pod: pod, Container: k.name, CPUs: a.state.held[k]}
		o.Checkpoint.Entries = append(o.Checkpoint.Entries, entry)
		switch {
		case seen[k]:
		case lives:
			// An init container that has ended, one that waits, or one that
			// nobody tells the name of.
			c := observe.Container{
				Pod: pod, Container: k.name, Kind: observe.KindInit, State: observe.StateWaiting,
				Exclusive: true, Assigned: entry.CPUs, Requested: entry.CPUs.Set().Size(),
			}
			if taken := used[k.uid]; nameless[key{k.uid, string(entry.CPUs)}] && taken.Intersection(entry.CPUs.Set()).IsEmpty() {
				// Whoever of its pod it is, these CPUs are in use.
				used[k.uid] = taken.Union(entry.CPUs.Set())
				c.State, c.Actual = observe.StateRunning, entry.CPUs
			}
			idle = append(idle, c)
		case a.groupsKnown():
			o.Stale = append(o.Stale, entry)
		default:
			// Nobody knows whether its pod lives. Only what the state file alone
			// decides is judged then.
			o.Containers = append(o.Containers, observe.Container{
				Pod: pod, Container: k.name, Kind: observe.KindInit, State: observe.StateWaiting,
				Exclusive: true, Assigned: entry.CPUs, Requested: entry.CPUs.Set().Size(),
			})
		}
	}
	o.Containers = slices.Concat(o.Containers, idle, containers)
	for uid, cpus := range a.state.pods {
		pod := uid
		if pods[uid] != "" {
			pod = pods[uid]
		}
		o.PodCPUs = append(o.PodCPUs, observe.Assignment{Pod: pod, CPUs: cpus})
	}
	slices.SortFunc(o.PodCPUs, func(x, y observe.Assignment) int { return compareText(x.Pod, y.Pod) })
	return o
}

func compareText(x, y string) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// groupsKnown says that every cgroup of a pod was seen, so that a pod without
// one is gone.
func (a *audit) groupsKnown() bool {
	return a.version != 0 && !slices.ContainsFunc(a.report.Unread, func(u Unread) bool { return u.What == "cgroups" })
}

// pods are the names of the pods with cgroups, by UID; empty where nobody tells
// them.
func (a *audit) pods() map[string]string {
	out := map[string]string{}
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		out[c.PodUID] = c.podRef()
	}
	return out
}

// nameless says that a container cannot be told from the others of its pod,
// some of which have CPUs of their own.
func (a *audit) nameless(c *Container) bool {
	return c.Container == "" && !c.Sandbox && len(a.state.entriesOf(c.PodUID)) > 0
}

// runningNameless are the pods and CPUs of the containers without a name that
// run.
func (a *audit) runningNameless() map[key]bool {
	out := map[key]bool{}
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		if actual := a.actual(c); c.Runs() && actual != nil && a.nameless(c) {
			out[key{c.PodUID, string(*actual)}] = true
		}
	}
	return out
}

func (a *audit) observed(c *Container) observe.Container {
	oc := observe.Container{
		Pod: c.podRef(), Container: c.name(), Kind: observe.KindApp, State: observe.StateWaiting, QoS: c.QoS,
		Requested: c.Requested, Exclusive: c.Exclusive, Assigned: a.state.shared, Reason: "QoS " + c.QoS,
	}
	if c.Assigned != nil {
		oc.Assigned = *c.Assigned
	}
	if c.Exclusive {
		if oc.Requested == 0 { // not known
			oc.Requested = oc.Assigned.Set().Size()
		}
		if _, whole := a.state.pods[c.PodUID]; whole && a.overlaps(c) {
			oc.Exclusive, oc.PodShared, oc.Requested = false, true, 0
		}
	}
	actual := a.actual(c)
	switch {
	case !c.Runs():
		oc.State = observe.StateTerminated
		if c.Exclusive || c.Running == nil {
			oc.Kind = observe.KindInit // its entry stays for the life of the pod
			oc.State = observe.StateWaiting
		}
	case actual != nil:
		oc.State, oc.Actual = observe.StateRunning, *actual
	}
	if c.Mems != nil {
		oc.Mems = *c.Mems
	}
	return oc
}

// actual is what a container's cgroup lets it run on, nil when that is not
// known.
func (a *audit) actual(c *Container) *observe.CPUs {
	if c.Effective != nil {
		return c.Effective
	}
	if a.version == 1 && c.CPUs != nil && *c.CPUs != "" {
		return c.CPUs // nothing is inherited there
	}
	return nil
}

// overlaps says that a container's entry is not its alone.
func (a *audit) overlaps(c *Container) bool {
	own := a.state.held[key{c.PodUID, c.Container}].Set()
	for name, cpus := range a.state.entriesOf(c.PodUID) {
		if name != c.Container && !cpus.Set().Intersection(own).IsEmpty() {
			return true
		}
	}
	return false
}

// owned are the CPUs of the pods that live, by entry, and all of them. Where
// cgroups are unread it is not known which do: these have none then.
func (a *audit) owned() (byEntry map[key]cpuset.CPUSet, all cpuset.CPUSet) {
	byEntry, all = map[key]cpuset.CPUSet{}, cpuset.New()
	pods, merged := a.pods(), map[observe.CPUs]bool{}
	for _, k := range a.state.keys() {
		if _, lives := pods[k.uid]; lives && a.groupsKnown() {
			cpus := a.state.held[k]
			byEntry[k] = cpus.Set()
			if !merged[cpus] {
				all = all.Union(byEntry[k])
			}
			merged[cpus] = true
		}
	}
	return byEntry, all
}
