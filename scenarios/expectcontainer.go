package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// find returns a container by its pod/container name.
func (c *checking) find(ref string) *observe.Container {
	if c.byRef == nil {
		list := c.seen.Observation.Containers
		c.byRef = make(map[string]*observe.Container, len(list))
		for i := range list {
			c.byRef[list[i].Ref()] = &list[i]
		}
	}
	return c.byRef[ref]
}

func (c *checking) container(ref string, want ExpectContainer) {
	got := c.find(ref)
	wanted := want.Present == nil || *want.Present
	switch {
	case got == nil && wanted:
		c.failf("container %s: not on the node, want it there%s", ref, didYouMean(ref, keys(c.byRef)))
		return
	case got == nil:
		return
	case !wanted:
		c.failf("container %s: on the node (%s), want it gone", ref, got.State)
		return
	}
	if want.State != "" && got.State != want.State {
		c.failf("container %s: %s, want it %s", ref, got.State, want.State)
	}
	if want.Exclusive != nil && got.Exclusive != *want.Exclusive {
		c.failf("container %s: %s on %s, want %s (%s)", ref, ownership(got.Exclusive), shown(got.Assigned), ownership(*want.Exclusive), got.Reason)
	}
	c.assigned(ref, got, want.CPUs)
	c.actual(ref, got, want.Actual)
	if want.Count != nil {
		c.count(ref, got, *want.Count)
	}
	c.machine(ref, got, &want)
	c.list("container "+ref+": memory nodes", got.Mems, want.Mems)
	if want.QoS != "" && got.QoS != want.QoS {
		c.failf("container %s: QoS class %s, want %s", ref, got.QoS, want.QoS)
	}
	if want.Reason != "" && !strings.Contains(got.Reason, want.Reason) {
		c.failf("container %s: reason %q, want it to contain %q", ref, got.Reason, want.Reason)
	}
	if want.Devices != nil {
		have, expected := sorted(got.Devices), sorted(*want.Devices)
		if !slices.Equal(have, expected) {
			c.failf("container %s: devices %s, want %s", ref, words(have), words(expected))
		}
	}
}

func (c *checking) count(ref string, got *observe.Container, want Amount) {
	have, n := got.Assigned.Set().Size(), want.On(c.seen.Profile)
	if have == n {
		return
	}
	text := fmt.Sprintf("container %s: assigned %d CPUs (%s), want %d", ref, have, shown(got.Assigned), n)
	if want.Unit != "" {
		text += " (" + want.String() + ")"
	}
	c.failf("%s", text)
}

func ownership(exclusive bool) string {
	if exclusive {
		return "exclusive"
	}
	return "shared"
}

// assigned compares what the manager says.
func (c *checking) assigned(ref string, got *observe.Container, want string) {
	switch want {
	case "":
	case wordShared:
		pool := c.seen.Observation.SharedPool
		if got.Exclusive || got.Assigned != pool {
			c.failf("container %s: assigned %s (%s), want the shared pool %s", ref, shown(got.Assigned), ownership(got.Exclusive), shown(pool))
		}
	default:
		cpus := fromWord(want)
		c.list("container "+ref+": assigned", got.Assigned, &cpus)
	}
}

// actual compares what the cgroup says.
func (c *checking) actual(ref string, got *observe.Container, want string) {
	var cpus observe.CPUs
	var meaning string
	switch want {
	case "":
		return
	case wordShared:
		cpus, meaning = c.seen.Observation.SharedPool, "the shared pool "
	case wordAssigned:
		cpus, meaning = got.Assigned, "what is assigned, "
	default:
		cpus = fromWord(want)
	}
	if got.Actual != cpus {
		c.failf("container %s: runs on %s, want %s%s%s", ref, shown(got.Actual), meaning, shown(cpus), difference(got.Actual, cpus))
	}
}

func fromWord(text string) observe.CPUs {
	if text == wordNone {
		return ""
	}
	return observe.CPUs(text)
}

// machine checks the assigned CPUs in terms of the machine.
func (c *checking) machine(ref string, got *observe.Container, want *ExpectContainer) {
	if want.NUMANodes != nil {
		expected := slices.Clone(*want.NUMANodes)
		slices.Sort(expected)
		if nodes := c.nodes(got.Assigned); !slices.Equal(nodes, slices.Compact(expected)) {
			c.failf("container %s: on NUMA nodes %s (CPUs %s), want %s", ref, ints(nodes), shown(got.Assigned), ints(expected))
		}
	}
	c.together(ref, got, "NUMA node", want.OneNUMANode, func(cpu hwprofiles.CPU) int { return cpu.NUMANode })
	c.together(ref, got, "socket", want.OneSocket, func(cpu hwprofiles.CPU) int { return cpu.Package })
	c.together(ref, got, "uncore cache", want.OneUncoreCache, func(cpu hwprofiles.CPU) int { return cpu.UncoreCache })
	if want.WholeCores == nil {
		return
	}
	split := c.splitCores(got.Assigned)
	switch {
	case got.Assigned == "":
		c.failf("container %s: no CPUs assigned, want %s", ref, coreWord(*want.WholeCores))
	case *want.WholeCores != (split == ""):
		if split == "" {
			split = "none is shared"
		}
		c.failf("container %s: assigned %s, want %s: %s", ref, got.Assigned, coreWord(*want.WholeCores), split)
	}
}

func coreWord(whole bool) string {
	if whole {
		return "whole cores"
	}
	return "a core that is not whole"
}

// nodes are the NUMA nodes of a list.
func (c *checking) nodes(cpus observe.CPUs) []int {
	var nodes []int
	for _, id := range cpus.Set().UnsortedList() {
		if cpu, ok := c.seen.Profile.CPU(id); ok && cpu.NUMANode != hwprofiles.None {
			nodes = append(nodes, cpu.NUMANode)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// together checks that the CPUs are in one unit of the machine, or in several.
func (c *checking) together(ref string, got *observe.Container, unit string, want *bool, of func(hwprofiles.CPU) int) {
	if want == nil {
		return
	}
	wish := "one " + unit
	if !*want {
		wish = "more than one " + unit
	}
	if got.Assigned == "" {
		c.failf("container %s: no CPUs assigned, want them in %s", ref, wish)
		return
	}
	members := map[int][]int{}
	for _, id := range got.Assigned.Set().List() {
		cpu, ok := c.seen.Profile.CPU(id)
		if !ok {
			c.failf("container %s: CPU %d is not on this machine", ref, id)
			return
		}
		if of(cpu) == hwprofiles.None {
			c.failf("container %s: the machine gives CPU %d no %s, want the CPUs in %s", ref, id, unit, wish)
			return
		}
		members[of(cpu)] = append(members[of(cpu)], id)
	}
	if (len(members) == 1) == *want {
		return
	}
	units := make([]int, 0, len(members))
	for id := range members {
		units = append(units, id)
	}
	slices.Sort(units)
	parts := make([]string, 0, len(units))
	for _, id := range units {
		parts = append(parts, fmt.Sprintf("%s %d: %s", unit, id, ints(members[id])))
	}
	c.failf("container %s: assigned %s, want %s (%s)", ref, got.Assigned, wish, strings.Join(parts, "; "))
}

// splitCores names the online CPUs that share a core with the list's and are
// not in it.
func (c *checking) splitCores(cpus observe.CPUs) string {
	set := cpus.Set()
	for _, id := range set.List() {
		cpu, ok := c.seen.Profile.CPU(id)
		if !ok {
			return fmt.Sprintf("CPU %d is not on this machine", id)
		}
		if rest := cpu.Siblings.Difference(set); !rest.IsEmpty() {
			return fmt.Sprintf("CPU %d shares its core with %s", id, rest)
		}
	}
	return ""
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func words(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func ints(list []int) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ","), "[]")
}
