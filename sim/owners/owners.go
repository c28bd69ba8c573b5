// Package owners works out to whom each CPU of an observed node belongs: what a
// map of the machine shows, whoever draws it. It is a leaf beside package
// invariant, for the reports and the explorer.
package owners

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// Owner is who holds some CPUs: a container, the pool of a pod, or an entry of
// a container that is gone.
type Owner struct {
	// Name is pod/container, or the pod of a pool.
	Name string
	// Note is what is special about it; empty when nothing.
	Note string
	CPUs cpuset.CPUSet
	// container is nil for a pod's pool and for a container that is gone.
	container *observe.Container
}

// Conflict is a container that may run on CPUs that are not its own.
type Conflict struct {
	CPUs cpuset.CPUSet
	Text string
}

// Owners says to whom each CPU belongs.
type Owners struct {
	// List is in the order of the containers; entries of containers that are
	// gone come last.
	List []Owner
	// Conflicts are in the order of their texts, each once; Clash are the CPUs
	// of all.
	Conflicts []Conflict
	Clash     cpuset.CPUSet
	// Shared is the shared pool without the reserved CPUs, Reserved what no
	// container holds of the reserved ones, Nobody what is in no set at all.
	Shared, Reserved, Offline, Nobody cpuset.CPUSet
	// Unmanaged says that no manager divides the CPUs; Strict that the reserved
	// CPUs are not in the shared pool.
	Unmanaged, Strict bool

	of map[int]int // CPU id to index in List
}

// Index is the place in List of a CPU's owner; false where no container has it.
func (ow *Owners) Index(cpu int) (int, bool) {
	i, ok := ow.of[cpu]
	return i, ok
}

// PodShared says that a container runs on its pod's own pool.
func PodShared(o *observe.Observation, c *observe.Container) bool {
	return !c.Exclusive && c.Assigned != "" && c.Assigned != o.SharedPool
}

// New works out who owns what of a machine.
func New(o *observe.Observation, p *hwprofiles.Profile) *Owners {
	ow := &Owners{of: map[int]int{}, Shared: o.SharedPool.Set()}
	ow.addContainers(o)
	for _, a := range o.Stale {
		if !slices.ContainsFunc(o.Containers, func(c observe.Container) bool {
			return c.Pod == a.Pod && c.Container == a.Container && c.Assigned == a.CPUs
		}) {
			ow.add(Owner{Name: a.Pod + "/" + a.Container, Note: "gone", CPUs: a.CPUs.Set()})
		}
	}
	ow.number()
	present, online := p.AllCPUs(), o.Online.Set()
	if o.Online == "" {
		online = p.OnlineCPUs()
	}
	held := cpuset.New()
	for i := range ow.List {
		held = held.Union(ow.List[i].CPUs)
	}
	pool := ow.Shared
	ow.Unmanaged = pool.IsEmpty() && held.IsEmpty()
	ow.Reserved = o.Config.Reserved.Set().Difference(held)
	ow.Strict = !ow.Reserved.IsEmpty() && ow.Reserved.Intersection(pool).IsEmpty()
	ow.Offline = present.Difference(online)
	if ow.Unmanaged {
		pool = online
	}
	ow.Shared = pool.Difference(ow.Reserved)
	ow.Nobody = present.Difference(ow.Offline.Union(pool, ow.Reserved, held))
	ow.findConflicts(o)
	return ow
}

func (ow *Owners) addContainers(o *observe.Observation) {
	pools := map[string]int{}
	for i := range o.Containers {
		c := &o.Containers[i]
		switch {
		case c.Exclusive && c.State == observe.StateTerminated:
			// What an ended init container has not passed on.
			rest := c.Assigned.Set()
			for j := range o.Containers {
				if other := &o.Containers[j]; j != i && other.Pod == c.Pod && other.State != observe.StateTerminated && (other.Exclusive || PodShared(o, other)) {
					rest = rest.Difference(other.Assigned.Set())
				}
			}
			ow.add(Owner{Name: c.Ref(), Note: "ended", CPUs: rest, container: c})
		case c.Exclusive:
			note := ""
			switch {
			case c.State == observe.StateWaiting:
				note = "waiting"
			case c.State == observe.StateRunning && c.Actual != c.Assigned:
				note = "cgroup " + string(cmp.Or(c.Actual, "empty"))
			}
			ow.add(Owner{Name: c.Ref(), Note: note, CPUs: c.Assigned.Set(), container: c})
		case PodShared(o, c):
			if k, ok := pools[c.Pod]; ok {
				ow.List[k].CPUs = ow.List[k].CPUs.Union(c.Assigned.Set())
				continue
			}
			pools[c.Pod] = len(ow.List)
			ow.List = append(ow.List, Owner{Name: c.Pod, Note: "the pod's own pool", CPUs: c.Assigned.Set()})
		}
	}
}

func (ow *Owners) add(w Owner) {
	if !w.CPUs.IsEmpty() {
		ow.List = append(ow.List, w)
	}
}

// number says of every CPU who owns it, the first where there are two.
func (ow *Owners) number() {
	for i := range ow.List {
		for _, id := range ow.List[i].CPUs.UnsortedList() {
			if _, taken := ow.of[id]; !taken {
				ow.of[id] = i
			}
		}
	}
}

// findConflicts looks for CPUs that two own, and for containers that run on
// CPUs of others.
func (ow *Owners) findConflicts(o *observe.Observation) {
	for i := range ow.List {
		a := &ow.List[i]
		for j := i + 1; j < len(ow.List); j++ {
			b := &ow.List[j]
			if both := a.CPUs.Intersection(b.CPUs); !both.IsEmpty() && !passedOn(a.container, b.container) {
				ow.conflict(both, fmt.Sprintf("held by %s and by %s", a.Name, b.Name))
			}
		}
		if both := a.CPUs.Intersection(o.Config.Reserved.Set()); !both.IsEmpty() {
			ow.conflict(both, "reserved, held by "+a.Name)
		}
	}
	held := map[observe.CPUs]cpuset.CPUSet{} // many containers have the same set
	set := func(list observe.CPUs) cpuset.CPUSet {
		s, ok := held[list]
		if !ok {
			s = list.Set()
			held[list] = s
		}
		return s
	}
	for j := range o.Containers {
		c := &o.Containers[j]
		if c.State != observe.StateRunning || c.Actual == "" {
			continue
		}
		foreign := set(c.Actual)
		if c.Exclusive {
			foreign = foreign.Difference(set(c.Assigned)) // held by both, said above
		}
		if foreign.IsEmpty() {
			continue
		}
		taken := cpuset.New()
		for i := range o.Containers {
			owns := &o.Containers[i]
			if i == j || owns.State != observe.StateRunning || !(owns.Exclusive || PodShared(o, owns)) ||
				(c.Pod == owns.Pod && PodShared(o, c) && PodShared(o, owns)) {
				continue
			}
			taken = taken.Union(foreign.Intersection(set(owns.Assigned)))
		}
		if !taken.IsEmpty() {
			ow.conflict(taken, fmt.Sprintf("%s can run there too, its cgroup says %s", c.Ref(), c.Actual))
		}
	}
	slices.SortStableFunc(ow.Conflicts, func(a, b Conflict) int { return strings.Compare(a.Text, b.Text) })
	ow.Conflicts = mergeConflicts(ow.Conflicts)
}

func (ow *Owners) conflict(cpus cpuset.CPUSet, text string) {
	ow.Conflicts = append(ow.Conflicts, Conflict{cpus, text})
	ow.Clash = ow.Clash.Union(cpus)
}

// mergeConflicts puts equal texts together: one container may run on the CPUs
// of many.
func mergeConflicts(list []Conflict) []Conflict {
	var out []Conflict
	for _, c := range list {
		if n := len(out); n > 0 && out[n-1].Text == c.Text {
			out[n-1].CPUs = out[n-1].CPUs.Union(c.CPUs)
			continue
		}
		out = append(out, c)
	}
	return out
}

// passedOn says that a is an init container whose CPUs b takes over: it has
// ended, or b waits for its end.
func passedOn(a, b *observe.Container) bool {
	return a != nil && b != nil && a.Pod == b.Pod && a.Kind == observe.KindInit &&
		(a.State != observe.StateRunning || b.State != observe.StateRunning)
}
