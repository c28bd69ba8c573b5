package invariant

import (
	"fmt"
	"maps"
	"slices"
)

// roomAligns looks at a pod with one container of its own CPUs that has just been
// admitted, and at the CPUs that were free before.
func roomAligns(k *Checker) {
	v := &k.view
	if !v.managed || len(v.o.Admissions) != 1 || v.o.Config.MemoryManagerPolicy == "Static" {
		return // what was free for each is not known, and the memory has its own say
	}
	a := &v.o.Admissions[0]
	if !a.Admitted || a.Readmission || a.ExclusiveCPUs == 0 {
		return
	}
	c := k.onlyPinned(a.Pod)
	if c == nil || c.assigned.size() != a.ExclusiveCPUs || !c.assigned.within(v.online) {
		return
	}
	var free set
	free = free.merge(v.shared).merge(c.assigned).minus(v.reserved).and(v.online)
	if v.option(optionFullPCPUsOnly) {
		free = k.wholeCoresOf(free)
		if !c.assigned.within(free) {
			return // the matter of aligned
		}
	}
	k.nodes = spread(k.nodes[:0], k.machine.node, c.assigned)
	if len(k.nodes) > 1 {
		k.nearer(c, free)
		return
	}
	if len(k.nodes) == 1 {
		free = k.machine.on(free, k.nodes[0])
	}
	k.wholer(c, free)
	k.underOneCache(c, free)
}

// onlyPinned is the container of a pod that has CPUs of its own; nil unless there is
// exactly one.
func (k *Checker) onlyPinned(pod string) *container {
	var only *container
	for i := range k.view.containers {
		c := &k.view.containers[i]
		if c.Pod != pod || !c.holds {
			continue
		}
		if only != nil || !c.Exclusive {
			return nil
		}
		only = c
	}
	return only
}

// nearer is for a container on several NUMA nodes: the topology manager had a better
// hint, or the option was to spread it evenly.
func (k *Checker) nearer(c *container, free set) {
	v, n := &k.view, c.assigned.size()
	room := k.machine.byNode(free)
	if policy := v.o.Config.TopologyManagerPolicy; policy != "none" && policy != "" {
		k.fewest(c, free)
		return
	}
	if !v.option(optionAcrossNUMA) || v.option(optionAlignBySocket) {
		return
	}
	step := 1
	if v.option(optionFullPCPUsOnly) {
		if step = k.coreSize(); step == 0 {
			return
		}
	}
	held := k.machine.byNode(c.assigned)
	most, least, tightest := 0, n, n
	for node, cpus := range held {
		most, least, tightest = max(most, cpus), min(least, cpus), min(tightest, room[node])
	}
	// Where one of the nodes has no room for its part, they cannot be given the same.
	if most-least > step && tightest*len(held) >= n {
		k.violated("%s holds %s, between %d and %d on each of the NUMA nodes %s; there was room for the same on each: %s",
			c.Ref(), c.assigned.cpus(), least, most, join(k.nodes), free.cpus())
	}
}

// fewest is for a container that the topology manager gave CPUs of several NUMA nodes:
// fewer would not have been enough, or, where sockets count, one socket.
func (k *Checker) fewest(c *container, free set) {
	n := c.assigned.size()
	if k.view.option(optionAlignBySocket) {
		sockets := spread(nil, k.machine.socket, c.assigned)
		if socket, ok := firstWith(count(k.machine.socket, free), n); ok && len(sockets) > 1 {
			k.violated("%s holds %s on sockets %s; socket %d alone had room", c.Ref(), c.assigned.cpus(), join(sockets), socket)
		}
		return
	}
	if need := nodesNeeded(k.machine.nodeSizes(free), n); need < len(k.nodes) {
		k.violated("%s holds %s on NUMA nodes %s; %s had room: %s", c.Ref(), c.assigned.cpus(), join(k.nodes), few(need, "NUMA node"), free.cpus())
	}
}

// few is a small number of something, for people.
func few(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wholer is for a container on one NUMA node, of which free is what was free: cores are
// given whole as long as there are some, unless as many as can be are to be used.
func (k *Checker) wholer(c *container, free set) {
	threads := k.coreSize()
	if threads < 2 {
		return
	}
	n, uncore := c.assigned.size(), k.view.option(optionUncoreCache)
	switch {
	case k.view.option(optionAcrossCores):
		k.acrossCores(c, free)
	case uncore && n%threads != 0:
		// To stay under one cache comes first.
	default:
		held := k.wholeCoresOf(c.assigned).size()
		if held >= n-n%threads {
			return // as it mostly is
		}
		if whole := k.wholeCoresOf(free); held < whole.size() {
			k.violated("%s holds %s, parts of cores: %s; whole cores were free: %s", c.Ref(), c.assigned.cpus(), k.partial(c.assigned), whole.cpus())
		}
	}
}

// acrossCores is for CPUs that are to be of as many cores as can be.
func (k *Checker) acrossCores(c *container, free set) {
	held, most := k.machine.cores(c.assigned), k.machine.cores(free)
	if held < min(c.assigned.size(), most) {
		k.violated("%s holds %s of %s; %d cores had a CPU that was free: %s", c.Ref(), c.assigned.cpus(), few(held, "core"), most, free.cpus())
	}
}

// underOneCache is for a container on one NUMA node, of which free is what was free: it
// is kept under one L3 cache that had room for it.
func (k *Checker) underOneCache(c *container, free set) {
	if !k.view.option(optionUncoreCache) {
		return
	}
	n, caches := c.assigned.size(), spread(nil, k.machine.cache, c.assigned)
	if len(caches) < 2 {
		return
	}
	if id, ok := firstWith(count(k.machine.cache, free), n); ok {
		k.violated("%s holds %s under L3 caches %s; L3 cache %d alone had room", c.Ref(), c.assigned.cpus(), join(caches), id)
	}
}

// firstWith is the first place with room for n CPUs.
func firstWith(room map[int32]int, n int) (place int32, ok bool) {
	for _, place := range slices.Sorted(maps.Keys(room)) {
		if room[place] >= n {
			return place, true
		}
	}
	return 0, false
}
