package report

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
)

// The symbols of CPUs that no container owns.
const (
	symbolShared   = '·'
	symbolReserved = 'R'
	symbolOffline  = 'x'
	symbolNobody   = '?'
	symbolConflict = '!'
	// symbolMany stands for all owners when there are more than letters.
	symbolMany = '#'
)

// letters are the owners' symbols. Those that could be taken for another
// symbol are left out.
const letters = "abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQSTUVWYZ0123456789"

// owner is who holds some CPUs: a container, the pool of a pod, or a
// container that is gone.
type owner struct {
	name   string
	note   string
	symbol rune
	style  screen.Style
	cpus   cpuset.CPUSet
	// container is nil for a pod's pool and for a container that is gone.
	container *observe.Container
}

// conflict is a container that may run on CPUs that are not its own.
type conflict struct {
	cpus cpuset.CPUSet
	text string
}

// owners says to whom each CPU belongs.
type owners struct {
	list      []owner
	of        map[int]int // CPU id to index in list
	conflicts []conflict
	clash     cpuset.CPUSet // the CPUs of all conflicts

	shared, reserved, offline, nobody cpuset.CPUSet
	// unmanaged says that no manager divides the CPUs.
	unmanaged bool
	strict    bool
	profile   *hwprofiles.Profile
}

// podShared says that a container runs on its pod's own pool.
func podShared(o *observe.Observation, c *observe.Container) bool {
	return !c.Exclusive && c.Assigned != "" && c.Assigned != o.SharedPool
}

// newOwners works out who owns what.
func newOwners(o *observe.Observation, p *hwprofiles.Profile) *owners {
	ow := &owners{of: map[int]int{}, shared: o.SharedPool.Set(), profile: p}
	ow.addContainers(o)
	for _, a := range o.Stale {
		if slices.ContainsFunc(o.Containers, func(c observe.Container) bool {
			return c.Pod == a.Pod && c.Container == a.Container && c.Assigned == a.CPUs
		}) {
			continue // its container is still to be seen, and drawn
		}
		ow.add(owner{name: a.Pod + "/" + a.Container, note: "gone", cpus: a.CPUs.Set()})
	}
	ow.number()

	present, online := p.AllCPUs(), o.Online.Set()
	if o.Online == "" {
		online = p.OnlineCPUs()
	}
	held := cpuset.New()
	for _, w := range ow.list {
		held = held.Union(w.cpus)
	}
	ow.unmanaged = ow.shared.IsEmpty() && held.IsEmpty()
	ow.reserved = o.Config.Reserved.Set().Difference(held)
	ow.strict = !ow.reserved.IsEmpty() && ow.reserved.Intersection(ow.shared).IsEmpty()
	ow.offline = present.Difference(online)
	if ow.unmanaged {
		ow.shared = online.Difference(ow.reserved)
	}
	ow.nobody = present.Difference(ow.offline.Union(ow.shared, ow.reserved, held))
	ow.findConflicts(o)
	return ow
}

// addContainers adds the holders; a pod's pool is one owner.
func (ow *owners) addContainers(o *observe.Observation) {
	pools := map[string]int{}
	for i := range o.Containers {
		c := &o.Containers[i]
		switch {
		case c.Exclusive && c.State == observe.StateTerminated:
			// What an ended init container has not passed on.
			rest := c.Assigned.Set()
			for j := range o.Containers {
				if other := &o.Containers[j]; j != i && other.Pod == c.Pod && other.State != observe.StateTerminated && (other.Exclusive || podShared(o, other)) {
					rest = rest.Difference(other.Assigned.Set())
				}
			}
			ow.add(owner{name: c.Ref(), note: "ended", cpus: rest, container: c})
		case c.Exclusive:
			note := ""
			switch {
			case c.State == observe.StateWaiting:
				note = "waiting"
			case c.State == observe.StateRunning && c.Actual != c.Assigned:
				note = "cgroup " + listOr(c.Actual, "empty")
			}
			ow.add(owner{name: c.Ref(), note: note, cpus: c.Assigned.Set(), container: c})
		case podShared(o, c):
			if k, ok := pools[c.Pod]; ok {
				ow.list[k].cpus = ow.list[k].cpus.Union(c.Assigned.Set())
				continue
			}
			pools[c.Pod] = len(ow.list)
			ow.list = append(ow.list, owner{name: c.Pod, note: "the pod's own pool", cpus: c.Assigned.Set()})
		}
	}
}

func (ow *owners) add(w owner) {
	if !w.cpus.IsEmpty() {
		ow.list = append(ow.list, w)
	}
}

// number gives out symbols and colours.
func (ow *owners) number() {
	styles := ownerStyles()
	symbols := []rune(letters)
	for i := range ow.list {
		w := &ow.list[i]
		w.symbol, w.style = symbolMany, styles[i%len(styles)]
		if i < len(symbols) {
			w.symbol = symbols[i]
		}
		for _, id := range w.cpus.UnsortedList() {
			if _, taken := ow.of[id]; !taken {
				ow.of[id] = i
			}
		}
	}
}

// findConflicts looks for CPUs that two own, and for containers that run on
// CPUs of others.
func (ow *owners) findConflicts(o *observe.Observation) {
	for i := range ow.list {
		a := &ow.list[i]
		for j := i + 1; j < len(ow.list); j++ {
			b := &ow.list[j]
			if both := a.cpus.Intersection(b.cpus); !both.IsEmpty() && !passedOn(a.container, b.container) {
				ow.conflict(both, fmt.Sprintf("held by %s and by %s", a.name, b.name))
			}
		}
		if both := a.cpus.Intersection(o.Config.Reserved.Set()); !both.IsEmpty() {
			ow.conflict(both, "reserved, held by "+a.name)
		}
	}
	for i := range o.Containers {
		owns := &o.Containers[i]
		if owns.State != observe.StateRunning || !(owns.Exclusive || podShared(o, owns)) {
			continue
		}
		cpus := owns.Assigned.Set()
		for j := range o.Containers {
			c := &o.Containers[j]
			if i == j || c.State != observe.StateRunning || (c.Pod == owns.Pod && podShared(o, c) && podShared(o, owns)) {
				continue
			}
			foreign := c.Actual.Set()
			if c.Exclusive {
				foreign = foreign.Difference(c.Assigned.Set()) // held by both, said above
			}
			if both := foreign.Intersection(cpus); !both.IsEmpty() {
				ow.conflict(both, fmt.Sprintf("%s can run there too, its cgroup says %s", c.Ref(), c.Actual))
			}
		}
	}
	slices.SortStableFunc(ow.conflicts, func(a, b conflict) int { return strings.Compare(a.text, b.text) })
	ow.conflicts = mergeConflicts(ow.conflicts)
}

func (ow *owners) conflict(cpus cpuset.CPUSet, text string) {
	ow.conflicts = append(ow.conflicts, conflict{cpus, text})
	ow.clash = ow.clash.Union(cpus)
}

// mergeConflicts puts equal texts together: one container may run on the CPUs
// of many.
func mergeConflicts(list []conflict) []conflict {
	var out []conflict
	for _, c := range list {
		if n := len(out); n > 0 && out[n-1].text == c.text {
			out[n-1].cpus = out[n-1].cpus.Union(c.cpus)
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

// symbol returns a CPU's letter and colour.
func (ow *owners) symbol(id int) (rune, screen.Style) {
	i, owned := ow.of[id]
	switch {
	case ow.offline.Contains(id):
		return symbolOffline, offline
	case ow.clash.Contains(id):
		return symbolConflict, alarm
	case owned:
		return ow.list[i].symbol, ow.list[i].style
	case ow.reserved.Contains(id):
		return symbolReserved, screen.Yellow
	case ow.shared.Contains(id):
		return symbolShared, screen.Dim
	default:
		return symbolNobody, screen.Red
	}
}

// listOr is a list, or a word for the empty one.
func listOr(list observe.CPUs, empty string) string {
	if list == "" {
		return empty
	}
	return string(list)
}
