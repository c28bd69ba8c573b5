package invariant

import (
	"slices"

	"github.com/pinlab/pinlab/hwprofiles"
)

// machine is a profile turned into tables that are indexed by CPU id.
type machine struct {
	// seen is what the tables were made from. A profile may change in place
	// when CPUs go offline, so that its address says nothing.
	seen []place

	node, socket, cache []int32
	online              set
	// hidden are CPUs that the kernel runs and the kubelet does not see.
	hidden set
	// siblings holds each CPU's core, made when first asked for.
	siblings []set
	profile  *hwprofiles.Profile
}

// place is all of a CPU that the tables depend on.
type place struct {
	id, node, socket, core, cache int32
	online, hidden                bool
}

func placeOf(c *hwprofiles.CPU) place {
	return place{int32(c.ID), int32(c.NUMANode), int32(c.Socket), int32(c.Core), int32(c.UncoreCache), c.Online, c.NoTopology}
}

// load makes the tables, or keeps them when the machine is the same.
func (m *machine) load(p *hwprofiles.Profile) {
	if m.profile != nil && len(m.seen) == len(p.CPUs) {
		same := true
		for i := range p.CPUs {
			if m.seen[i] != placeOf(&p.CPUs[i]) {
				same = false
				break
			}
		}
		if same {
			m.profile = p
			return
		}
	}
	*m = machine{profile: p, seen: make([]place, len(p.CPUs))}
	last := -1
	for i := range p.CPUs {
		last = max(last, p.CPUs[i].ID)
	}
	m.node, m.socket, m.cache = make([]int32, last+1), make([]int32, last+1), make([]int32, last+1)
	for id := range m.node {
		m.node[id], m.socket[id], m.cache[id] = hwprofiles.None, hwprofiles.None, hwprofiles.None
	}
	for i := range p.CPUs {
		c := &p.CPUs[i]
		m.seen[i] = placeOf(c)
		m.node[c.ID], m.socket[c.ID], m.cache[c.ID] = int32(c.NUMANode), int32(c.Socket), int32(c.UncoreCache)
		if c.Online {
			m.online = m.online.add(c.ID)
		}
		if c.Online && c.NoTopology {
			m.hidden = m.hidden.add(c.ID)
		}
	}
}

// core returns the CPUs of the same core; for a CPU that the machine does not
// have, nothing.
func (m *machine) core(id int) set {
	if m.siblings == nil {
		m.siblings = make([]set, len(m.node))
		for i := range m.profile.CPUs {
			c := &m.profile.CPUs[i]
			if m.siblings[c.ID] != nil {
				continue
			}
			var core set
			for _, sibling := range c.Siblings.UnsortedList() {
				core = core.add(sibling)
			}
			for sibling := range core.ids {
				if sibling < len(m.siblings) {
					m.siblings[sibling] = core
				}
			}
		}
	}
	if id >= len(m.siblings) {
		return nil
	}
	return m.siblings[id]
}

// cores is the number of cores that the CPUs of a set are of.
func (m *machine) cores(s set) int {
	n := 0
	var seen set
	for id := range s.ids {
		if !seen.has(id) {
			n++
			seen = seen.merge(m.core(id))
		}
	}
	return n
}

// spread appends the values of a table for the CPUs of s that are not yet in
// found. CPUs without a value do not count: on a machine without NUMA all
// memory is equally near.
func spread(found []int32, table []int32, s set) []int32 {
	last := int32(hwprofiles.None)
	for id := range s.ids {
		if id >= len(table) {
			break
		}
		if v := table[id]; v != last && v != hwprofiles.None {
			last = v
			if !slices.Contains(found, v) {
				found = append(found, v)
			}
		}
	}
	return found
}

// count counts the given CPUs by the values of a table.
func count(table []int32, cpus set) map[int32]int {
	n := map[int32]int{}
	for id := range cpus.ids {
		if id < len(table) && table[id] != hwprofiles.None {
			n[table[id]]++
		}
	}
	return n
}

// byNode counts the given CPUs per NUMA node.
func (m *machine) byNode(cpus set) map[int32]int { return count(m.node, cpus) }

// on are the CPUs of a set on a NUMA node.
func (m *machine) on(s set, node int32) set {
	var there set
	for id := range s.ids {
		if id < len(m.node) && m.node[id] == node {
			there = there.add(id)
		}
	}
	return there
}

// nodeSizes counts the given CPUs per NUMA node, largest node first.
func (m *machine) nodeSizes(cpus set) []int {
	count := m.byNode(cpus)
	sizes := make([]int, 0, len(count))
	for _, n := range count {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	return sizes
}

// nodesNeeded is the smallest number of nodes of these sizes, largest first, that
// together have so many CPUs. With all CPUs, free or not, it is the number that the
// kubelet's hints call preferred.
func nodesNeeded(sizes []int, request int) int {
	for i, size := range sizes {
		if request -= size; request <= 0 {
			return i + 1
		}
	}
	return len(sizes)
}
