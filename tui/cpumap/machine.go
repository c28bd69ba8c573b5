package cpumap

import (
	"cmp"
	"slices"

	"github.com/pinlab/pinlab/hwprofiles"
)

// Machine is a profile in the order in which it is drawn.
type Machine struct {
	Profile *hwprofiles.Profile
	blocks  []block
	// caches says that the L3 caches divide the NUMA nodes, so that they are a
	// level of their own.
	caches bool
	// smt is the number of sibling CPUs of the largest core.
	smt     int
	largest int // CPU id
	empty   []int
}

// core is a column of the map: its CPUs stand one below the other.
type core struct {
	cpus  []int
	cache int
}

// block is a part of the machine with rows of its own: the cores of one kind of
// one NUMA node in one socket.
type block struct {
	socket, node int
	kind         string
	cores        []core
	// detached are offline CPUs whose core the kernel does not show.
	detached []int
}

// NewMachine puts the CPUs of a profile in order: cores by their lowest CPU
// within their cache, caches likewise.
func NewMachine(p *hwprofiles.Profile) *Machine {
	m := &Machine{Profile: p, smt: 1, largest: -1}
	if p == nil {
		m.Profile = &hwprofiles.Profile{}
		return m
	}
	type key struct {
		socket, node int
		kind         string
	}
	index := map[key]int{}
	at := func(k key) *block {
		i, ok := index[k]
		if !ok {
			i = len(m.blocks)
			index[k] = i
			m.blocks = append(m.blocks, block{socket: k.socket, node: k.node, kind: k.kind})
		}
		return &m.blocks[i]
	}
	home := p.NodeSockets()
	for i := range p.CPUs {
		c := &p.CPUs[i]
		m.largest = max(m.largest, c.ID)
		if !c.Online && c.Socket == hwprofiles.None && c.Core == hwprofiles.None {
			socket, ok := home[c.NUMANode]
			if !ok {
				socket = hwprofiles.None
			}
			b := at(key{socket, c.NUMANode, ""})
			b.detached = append(b.detached, c.ID)
			continue
		}
		siblings := c.Siblings.List()
		if len(siblings) == 0 {
			siblings = []int{c.ID}
		}
		if siblings[0] != c.ID {
			continue
		}
		b := at(key{c.SocketLabel(), c.NUMANode, c.Kind})
		b.cores = append(b.cores, core{cpus: siblings, cache: c.UncoreCache})
		m.smt = max(m.smt, len(siblings))
	}
	for i := range m.blocks {
		b := &m.blocks[i]
		byCache(b.cores)
		b.ungroup()
		m.caches = m.caches || b.cacheCount() > 1
	}
	slices.SortStableFunc(m.blocks, func(a, b block) int {
		// What the kernel gives no socket comes last.
		return cmp.Or(cmp.Compare(uint(a.socket), uint(b.socket)), cmp.Compare(uint(a.node), uint(b.node)))
	})
	for _, n := range p.NUMANodes {
		if !slices.ContainsFunc(p.CPUs, func(c hwprofiles.CPU) bool { return c.NUMANode == n.ID }) {
			m.empty = append(m.empty, n.ID)
		}
	}
	return m
}

// byCache brings the cores of one cache together.
func byCache(cores []core) {
	first := map[int]int{}
	for _, c := range cores {
		if lowest, ok := first[c.cache]; !ok || c.cpus[0] < lowest {
			first[c.cache] = c.cpus[0]
		}
	}
	slices.SortStableFunc(cores, func(a, b core) int {
		return cmp.Or(cmp.Compare(first[a.cache], first[b.cache]), cmp.Compare(a.cpus[0], b.cpus[0]))
	})
}

// ungroup forgets the caches where each core has one of its own: they part
// nothing that the cores do not.
func (b *block) ungroup() {
	for i := 1; i < len(b.cores); i++ {
		if b.cores[i].cache == b.cores[i-1].cache {
			return
		}
	}
	for i := range b.cores {
		b.cores[i].cache = hwprofiles.None
	}
}

func (b *block) cacheCount() int {
	n := 0
	for i := range b.cores {
		if i == 0 || b.cores[i].cache != b.cores[i-1].cache {
			n++
		}
	}
	return n
}

func (b *block) threads() int {
	n := 0
	for i := range b.cores {
		n = max(n, len(b.cores[i].cpus))
	}
	return n
}

// all lists the block's CPUs.
func (b *block) all() []int {
	var ids []int
	for _, c := range b.cores {
		ids = append(ids, c.cpus...)
	}
	return append(ids, b.detached...)
}
