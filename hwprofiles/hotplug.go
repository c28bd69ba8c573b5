package hwprofiles

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"k8s.io/utils/cpuset"
)

// home is the place of an offline CPU. The kernel does not show it while the
// CPU is offline, and gives it back when the CPU comes online.
type home struct {
	cpu   CPU // as it was online, with all CPUs of its core as siblings
	cache UncoreCache
	// mates are all CPUs of its package.
	mates cpuset.CPUSet
}

// Clone returns a copy that shares nothing that can change.
func (p *Profile) Clone() *Profile {
	q := *p
	q.Sources = slices.Clone(p.Sources)
	q.CPUs = slices.Clone(p.CPUs)
	q.NUMANodes = slices.Clone(p.NUMANodes)
	q.UncoreCaches = slices.Clone(p.UncoreCaches)
	q.Notes = slices.Clone(p.Notes)
	for i := range q.NUMANodes {
		n := &q.NUMANodes[i]
		n.Distances = slices.Clone(n.Distances)
		if n.HugePages != nil {
			pages := make(map[uint64]uint64, len(n.HugePages))
			for size, count := range n.HugePages {
				pages[size] = count
			}
			n.HugePages = pages
		}
	}
	return &q
}

// WithOnline returns a copy with these CPUs taken offline or brought online,
// as writing to their online files would do. Any CPU may go, CPU 0 included,
// but not the last one. A CPU that was offline already when a machine was
// detected cannot come online: the kernel never showed its place.
func (p *Profile) WithOnline(cpus cpuset.CPUSet, online bool) (*Profile, error) {
	q := p.Clone()
	var leaving []int
	for _, id := range cpus.List() {
		i, ok := q.index(id)
		if !ok {
			return nil, fmt.Errorf("there is no CPU %d; the CPUs are %s", id, p.AllCPUs())
		}
		if q.CPUs[i].Online == online {
			continue
		}
		if !online {
			leaving = append(leaving, i)
			continue
		}
		if q.CPUs[i].home == nil {
			return nil, fmt.Errorf("CPU %d cannot come online: it was offline when this profile was read, so its core and socket are not known", id)
		}
		q.bringOnline(i)
	}
	q.takeOffline(leaving)
	if q.OnlineCPUs().IsEmpty() {
		return nil, errors.New("no CPU would be online; the kernel keeps the last one")
	}
	q.renumberPackages()
	q.recountCaches()
	return q, nil
}

// recountCaches numbers caches without ids of their own anew, as a kernel with
// these CPUs online would have them counted. Those of offline CPUs come last.
func (p *Profile) recountCaches() {
	if !p.NoCacheIDs {
		return
	}
	slices.SortFunc(p.UncoreCaches, func(a, b UncoreCache) int { return cmp.Compare(lowest(a.CPUs), lowest(b.CPUs)) })
	renamed := map[int]int{None: None}
	rename := func(id int) int {
		if _, ok := renamed[id]; !ok {
			renamed[id] = len(renamed) - 1
		}
		return renamed[id]
	}
	for i := range p.UncoreCaches {
		p.UncoreCaches[i].ID = rename(p.UncoreCaches[i].ID)
	}
	for i := range p.CPUs {
		c := &p.CPUs[i]
		c.UncoreCache = rename(c.UncoreCache)
		if c.home != nil {
			h := *c.home // shared with other copies
			h.cpu.UncoreCache = rename(h.cpu.UncoreCache)
			h.cache.ID = h.cpu.UncoreCache
			c.home = &h
		}
	}
}

// takeOffline leaves of the online CPUs at these places what the kernel shows
// of offline ones.
func (p *Profile) takeOffline(places []int) {
	gone := make([]int, len(places))
	for k, i := range places {
		gone[k] = p.CPUs[i].ID
		p.takeOne(i)
	}
	left := cpuset.New(gone...)
	staying := map[int]cpuset.CPUSet{} // by the lowest CPU of the core as it was
	for j := range p.CPUs {
		c := &p.CPUs[j]
		if !c.Online || c.Siblings.Size() == 1 {
			continue
		}
		first := lowest(c.Siblings)
		if _, ok := staying[first]; !ok {
			staying[first] = c.Siblings.Difference(left)
		}
		c.Siblings = staying[first]
	}
	for j := range p.UncoreCaches {
		p.UncoreCaches[j].CPUs = p.UncoreCaches[j].CPUs.Difference(left)
	}
	p.UncoreCaches = slices.DeleteFunc(p.UncoreCaches, func(u UncoreCache) bool { return u.CPUs.IsEmpty() })
}

// takeOne is takeOffline of one CPU, but for what others say of it.
func (p *Profile) takeOne(i int) {
	c := &p.CPUs[i]
	h := &home{cpu: *c}
	// A CPU of the same core or package that went before knows them whole.
	for j := range p.CPUs {
		o := p.CPUs[j].home
		if o != nil && o.mates.Contains(c.ID) {
			h.mates = o.mates
			if o.cpu.Siblings.Contains(c.ID) {
				h.cpu.Siblings = o.cpu.Siblings
				break
			}
		}
	}
	if pkg := c.Package; h.mates.IsEmpty() {
		h.mates = p.CPUsWhere(func(o *CPU) bool { return o.Package == pkg || o.ID == c.ID })
	}
	if at := slices.IndexFunc(p.UncoreCaches, func(u UncoreCache) bool { return u.ID == c.UncoreCache }); at >= 0 {
		h.cache = p.UncoreCaches[at]
	}
	*c = offlineCPU(c.ID, c.NUMANode)
	c.Kind = h.cpu.Kind
	c.home = h
}

// offlineCPU is what a kernel shows of an offline CPU.
func offlineCPU(id, node int) CPU {
	return CPU{
		ID: id, NUMANode: node, Siblings: cpuset.New(id),
		Core: None, Socket: None, Package: None, UncoreCache: None,
		Die: None, Cluster: None, Book: None, Drawer: None,
	}
}

// bringOnline puts CPU i back to its place.
func (p *Profile) bringOnline(i int) {
	h := p.CPUs[i].home
	c := h.cpu
	c.home = nil
	id := c.ID
	siblings := []int{id}
	for _, sibling := range h.cpu.Siblings.UnsortedList() {
		if j, ok := p.index(sibling); ok && j != i && p.CPUs[j].Online {
			siblings = append(siblings, sibling)
		}
	}
	c.Siblings = cpuset.New(siblings...)
	c.Package = p.packageAgain(i, h)
	for _, sibling := range siblings {
		if j, ok := p.index(sibling); ok && j != i {
			p.CPUs[j].Siblings = c.Siblings
		}
	}
	if c.UncoreCache != None {
		at := slices.IndexFunc(p.UncoreCaches, func(u UncoreCache) bool { return u.ID == c.UncoreCache })
		if at < 0 {
			cache := h.cache
			cache.CPUs = cpuset.New()
			p.UncoreCaches = append(p.UncoreCaches, cache)
			slices.SortFunc(p.UncoreCaches, func(a, b UncoreCache) int { return cmp.Compare(a.ID, b.ID) })
			at = slices.IndexFunc(p.UncoreCaches, func(u UncoreCache) bool { return u.ID == c.UncoreCache })
		}
		p.UncoreCaches[at].CPUs = p.UncoreCaches[at].CPUs.Union(cpuset.New(id))
	}
	p.CPUs[i] = c
}

// packageAgain finds the package of a CPU that comes online: that of an online
// mate, else a new one.
func (p *Profile) packageAgain(i int, h *home) int {
	if h.cpu.Package == None {
		return None
	}
	next := 0
	for j := range p.CPUs {
		o := &p.CPUs[j]
		if !o.Online || j == i {
			continue
		}
		samePlace := h.cpu.Socket != None && o.Socket == h.cpu.Socket && o.Book == h.cpu.Book && o.Drawer == h.cpu.Drawer
		if samePlace || h.mates.Contains(o.ID) {
			return o.Package
		}
		next = max(next, o.Package+1)
	}
	return next
}

// WithCPUAdded returns a copy with one more CPU, plugged in beside an online
// one: in the same socket, NUMA node and L3 cache, on a new core of its own.
func (p *Profile) WithCPUAdded(id, likeCPU int) (*Profile, error) {
	like, ok := p.CPU(likeCPU)
	switch {
	case id < 0 || id > maxID:
		return nil, fmt.Errorf("%d is no CPU number; want 0 to %d", id, maxID)
	case p.AllCPUs().Contains(id):
		return nil, fmt.Errorf("there is a CPU %d already; the CPUs are %s", id, p.AllCPUs())
	case !ok:
		return nil, fmt.Errorf("there is no CPU %d to put CPU %d beside; the CPUs are %s", likeCPU, id, p.AllCPUs())
	case !like.Online:
		return nil, fmt.Errorf("CPU %d is offline; put CPU %d beside an online one: %s", likeCPU, id, p.OnlineCPUs())
	case len(p.CPUs) >= maxCPUs:
		return nil, fmt.Errorf("%d CPUs are the most a profile may have", maxCPUs)
	}
	q := p.Clone()
	added := like
	added.ID = id
	added.Siblings = cpuset.New(id)
	if like.Core != None {
		for i := range q.CPUs {
			c := &q.CPUs[i]
			if h := c.home; h != nil {
				c = &h.cpu
			}
			if c.Socket == like.Socket {
				added.Core = max(added.Core, c.Core)
			}
		}
		added.Core++
	}
	for i := range q.NUMANodes {
		n := &q.NUMANodes[i]
		n.AbsentCPUs = n.AbsentCPUs.Difference(added.Siblings)
	}
	at, _ := q.index(id)
	q.CPUs = slices.Insert(q.CPUs, at, added)
	q.Possible = q.Possible.Union(added.Siblings)
	for i := range q.UncoreCaches {
		if u := &q.UncoreCaches[i]; u.ID == added.UncoreCache {
			u.CPUs = u.CPUs.Union(added.Siblings)
		}
	}
	q.renumberPackages()
	q.recountCaches()
	return q, nil
}

// WithMemoryMoved returns a copy with memory of one NUMA node on another, as firmware
// lays it out between boots.
func (p *Profile) WithMemoryMoved(from, to int, bytes uint64) (*Profile, error) {
	q := p.Clone()
	source, target := q.node(from), q.node(to)
	if source == nil || target == nil || source.MemoryBytes < bytes {
		return nil, fmt.Errorf("cannot move %d bytes from NUMA node %d to %d", bytes, from, to)
	}
	source.MemoryBytes -= bytes
	target.MemoryBytes += bytes
	return q, nil
}

// WithHugePages returns a copy in which a NUMA node has so many huge pages of a size,
// in bytes. A size that the kernel knows is there on every node.
func (p *Profile) WithHugePages(node int, size uint64, count int) (*Profile, error) {
	q := p.Clone()
	target := q.node(node)
	if target == nil {
		return nil, fmt.Errorf("there is no NUMA node %d", node)
	}
	for i := range q.NUMANodes {
		n := &q.NUMANodes[i]
		if n.HugePages == nil {
			n.HugePages = map[uint64]uint64{}
		}
		n.HugePages[size] += 0
	}
	target.HugePages[size] = uint64(count)
	return q, nil
}

// node is the NUMA node with an id, to be changed; nil is none.
func (p *Profile) node(id int) *NUMANode {
	for i := range p.NUMANodes {
		if p.NUMANodes[i].ID == id {
			return &p.NUMANodes[i]
		}
	}
	return nil
}

// BootPages remembers the huge pages that a machine boots with, while they are changed
// on its running kernel. The zero value has seen no change.
type BootPages struct{ were []pages }

// pages are those of a NUMA node; size is in bytes.
type pages struct {
	node  int
	size  uint64
	count int
}

// Change is Profile.WithHugePages.
func (b *BootPages) Change(p *Profile, node int, size uint64, count int) (*Profile, error) {
	q, err := p.WithHugePages(node, size, count)
	if err == nil {
		b.were = append(b.were, pages{node, size, int(p.node(node).HugePages[size])})
	}
	return q, err
}

// Boot returns the profile with the huge pages from before the changes, and forgets them;
// without any it is p itself. Where a NUMA node is gone with its board, so are its pages.
func (b *BootPages) Boot(p *Profile) *Profile {
	for _, were := range slices.Backward(b.were) {
		if q, err := p.WithHugePages(were.node, were.size, were.count); err == nil {
			p = q
		}
	}
	b.were = nil
	return p
}
