package hwprofiles

import (
	"cmp"
	"slices"
	"strconv"

	"k8s.io/utils/cpuset"
)

// fieldNames are the CPU fields that a file may override.
func fieldNames() []string {
	return []string{"socket", "package", "core", "node", "l3", "die", "cluster", "book", "drawer", "kind"}
}

// field returns the place of a numeric field by its name in the file.
func (c *CPU) field(name string) *int {
	switch name {
	case "socket":
		return &c.Socket
	case "package":
		return &c.Package
	case "core":
		return &c.Core
	case "node":
		return &c.NUMANode
	case "l3":
		return &c.UncoreCache
	case "die":
		return &c.Die
	case "cluster":
		return &c.Cluster
	case "book":
		return &c.Book
	case "drawer":
		return &c.Drawer
	}
	return nil
}

// build makes the machine of a file: the shape first, then what differs.
func (r *reader) build(s *spec) (*Profile, error) {
	p, err := s.shape.build()
	if err != nil {
		return nil, r.errorf(s.lines["shape"], "shape: %v", err)
	}
	p.Name, p.Description, p.Sources, p.NoCacheIDs = s.name, s.description, s.sources, s.noCacheIDs
	steps := []func(*spec, *Profile) error{
		r.renumber, r.dropTopology, r.addNodes, r.setFields, r.setNodeCPUs, r.setSiblings,
		r.setCaches, r.setDistances, r.setPossible, r.setStates,
	}
	for _, step := range steps {
		if err := step(s, p); err != nil {
			return nil, err
		}
	}
	p.renumberPackages()
	p.sumMemory(s)
	return p, nil
}

// renumber gives the CPUs their own numbers, in the order of the shape's.
func (r *reader) renumber(s *spec, p *Profile) error {
	l := s.cpus.ids
	if l == nil {
		return nil
	}
	if len(l.ids) != len(p.CPUs) {
		return r.errorf(l.line, "ids gives %d CPUs; the shape has %d", len(l.ids), len(p.CPUs))
	}
	if id, ok := repeated(l.ids); ok {
		return r.errorf(l.line, "ids names CPU %d twice; every CPU has its own number", id)
	}
	renamed := func(set cpuset.CPUSet) cpuset.CPUSet {
		var ids []int
		for _, id := range set.UnsortedList() {
			ids = append(ids, l.ids[id])
		}
		return cpuset.New(ids...)
	}
	for i := range p.CPUs {
		p.CPUs[i].ID = l.ids[i]
		p.CPUs[i].Siblings = renamed(p.CPUs[i].Siblings)
	}
	for i := range p.UncoreCaches {
		p.UncoreCaches[i].CPUs = renamed(p.UncoreCaches[i].CPUs)
	}
	slices.SortFunc(p.CPUs, func(a, b CPU) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// known says where a list names a CPU that the machine does not have.
func (r *reader) known(p *Profile, line int, what string, ids []int) error {
	for _, id := range ids {
		if _, ok := p.index(id); !ok {
			return r.errorf(line, "%s: there is no CPU %d; the CPUs are %s", what, id, clip(p.AllCPUs().String()))
		}
	}
	if id, ok := repeated(ids); ok {
		return r.errorf(line, "%s names CPU %d twice", what, id)
	}
	return nil
}

// addNodes adds the nodes that the shape does not have, and sets memory.
func (r *reader) addNodes(s *spec, p *Profile) error {
	seen := map[int]int{}
	for _, ns := range s.nodes {
		for _, id := range ns.ids {
			if first, ok := seen[id]; ok {
				return r.errorf(ns.line, "node %d is described twice, first in line %d", id, first)
			}
			seen[id] = ns.line
			at, ok := slices.BinarySearchFunc(p.NUMANodes, id, func(n NUMANode, id int) int { return cmp.Compare(n.ID, id) })
			if !ok {
				p.insertNode(at, id, s.shape)
			}
			n := &p.NUMANodes[at]
			if ns.memory != nil {
				n.MemoryBytes = *ns.memory
			}
			n.AbsentCPUs = cpuset.New(ns.absent...)
			if there := n.AbsentCPUs.Intersection(p.AllCPUs()); !there.IsEmpty() {
				return r.errorf(ns.line, "absent names %s, which the machine has; want CPUs that do not exist", these(there))
			}
			if ns.hugePages != nil {
				n.HugePages = make(map[uint64]uint64, len(ns.hugePages))
				for size, count := range ns.hugePages {
					n.HugePages[size] = count
				}
			}
		}
	}
	if len(p.NUMANodes) > maxNodes {
		return r.errorf(s.lines["nodes"], "%d nodes are too many; at most %d", len(p.NUMANodes), maxNodes)
	}
	return nil
}

// insertNode adds a node without CPUs, as far from the others as the shape's
// sockets are from each other.
func (p *Profile) insertNode(at, id int, s *shape) {
	local, remote := 10, 20
	if len(s.distance) > 0 {
		local, remote = s.distance[0], s.distance[len(s.distance)-1]
	}
	for i := range p.NUMANodes {
		n := &p.NUMANodes[i]
		n.Distances = slices.Insert(n.Distances, at, remote)
	}
	row := slices.Repeat([]int{remote}, len(p.NUMANodes)+1)
	row[at] = local
	p.NUMANodes = slices.Insert(p.NUMANodes, at, NUMANode{ID: id, Distances: row})
}

// setFields applies the overrides of CPU fields.
func (r *reader) setFields(s *spec, p *Profile) error {
	regroup := false
	for _, f := range s.cpus.fields {
		if err := r.setField(f, p); err != nil {
			return err
		}
		if f.name == "socket" || f.name == "book" || f.name == "drawer" {
			regroup = true
		}
	}
	if regroup && !slices.ContainsFunc(s.cpus.fields, func(f fieldSpec) bool { return f.name == "package" }) {
		p.regroupPackages()
	}
	for i := range p.CPUs {
		if c := &p.CPUs[i]; c.NUMANode != None {
			if _, ok := p.Node(c.NUMANode); !ok {
				return r.errorf(s.cpus.line, "CPU %d is in node %d, which the profile does not have; add it under nodes", c.ID, c.NUMANode)
			}
		}
	}
	return nil
}

func (r *reader) setField(f fieldSpec, p *Profile) error {
	put := func(line int, c *CPU, value string) error {
		if f.name == "kind" {
			if c.Kind = value; !isKind(value) {
				return r.errorf(line, "kind %q is no core type; want P, E, LP-E, or %s with a number", clip(value), capacityKind)
			}
			return nil
		}
		id := None
		if !isNone(value) {
			var err error
			if id, err = strconv.Atoi(value); err != nil {
				return r.errorf(line, "%s %q is no id; want a number or none", f.name, clip(value))
			}
		}
		*c.field(f.name) = id
		return nil
	}
	if n := len(f.inTurn); n > 1 && n != len(p.CPUs) {
		return r.errorf(f.line, "%s gives %d values; want one for all CPUs, or one for each of %d", f.name, n, len(p.CPUs))
	}
	for i := range p.CPUs {
		if len(f.inTurn) > 0 {
			if err := put(f.line, &p.CPUs[i], f.inTurn[min(i, len(f.inTurn)-1)]); err != nil {
				return err
			}
		}
	}
	taken := map[int]bool{}
	for _, v := range f.byCPU {
		if err := r.known(p, v.line, f.name, v.cpus); err != nil {
			return err
		}
		for _, id := range v.cpus {
			if taken[id] {
				return r.errorf(v.line, "%s of CPU %d is given twice", f.name, id)
			}
			taken[id] = true
			i, _ := p.index(id)
			if err := put(v.line, &p.CPUs[i], v.value); err != nil {
				return err
			}
		}
	}
	return nil
}

// regroupPackages makes a package of each socket. Socket ids are unique within
// a book, book ids within a drawer.
func (p *Profile) regroupPackages() {
	ids := map[[3]int]int{}
	for i := range p.CPUs {
		c := &p.CPUs[i]
		key := [3]int{c.Drawer, c.Book, c.Socket}
		if c.Socket == None {
			continue
		}
		if _, ok := ids[key]; !ok {
			ids[key] = len(ids)
		}
		c.Package = ids[key]
	}
}

// setNodeCPUs applies the CPU lists of nodes.
func (r *reader) setNodeCPUs(s *spec, p *Profile) error {
	explicit := map[int]bool{}
	for _, ns := range s.nodes {
		for _, id := range ns.ids {
			explicit[id] = explicit[id] || ns.hasCPUs
		}
	}
	cleared := map[int]int{}
	for i := range p.CPUs {
		if c := &p.CPUs[i]; explicit[c.NUMANode] {
			cleared[c.ID] = c.NUMANode
			c.NUMANode = None
		}
	}
	taken := map[int]int{}
	for _, ns := range s.nodes {
		if err := r.known(p, ns.line, "cpus", ns.cpus); err != nil {
			return err
		}
		for _, id := range ns.cpus {
			if first, ok := taken[id]; ok {
				return r.errorf(ns.line, "CPU %d is in node %d and in node %d; a CPU has one node", id, first, ns.ids[0])
			}
			taken[id] = ns.ids[0]
			i, _ := p.index(id)
			p.CPUs[i].NUMANode = ns.ids[0]
			delete(cleared, id)
		}
	}
	for i := range p.CPUs {
		if node, ok := cleared[p.CPUs[i].ID]; ok {
			return r.errorf(s.lines["nodes"], "CPU %d is in no node: the list of node %d leaves it out; put it in a node, or give it node: none under cpus", p.CPUs[i].ID, node)
		}
	}
	return nil
}

// setSiblings applies the lists of whole cores.
func (r *reader) setSiblings(s *spec, p *Profile) error {
	taken := map[int]bool{}
	for _, l := range s.cpus.siblings {
		if err := r.known(p, l.line, "siblings", l.ids); err != nil {
			return err
		}
		set := cpuset.New(l.ids...)
		for _, id := range l.ids {
			if taken[id] {
				return r.errorf(l.line, "CPU %d is in two cores", id)
			}
			taken[id] = true
			i, _ := p.index(id)
			for _, old := range p.CPUs[i].Siblings.Difference(set).UnsortedList() {
				j, _ := p.index(old)
				p.CPUs[j].Siblings = p.CPUs[j].Siblings.Difference(set)
			}
			p.CPUs[i].Siblings = set
		}
	}
	return nil
}

// setCaches makes the L3 caches anew from the CPUs' ids.
func (r *reader) setCaches(s *spec, p *Profile) error {
	members := map[int][]int{}
	for i := range p.CPUs {
		if c := &p.CPUs[i]; c.UncoreCache != None {
			members[c.UncoreCache] = append(members[c.UncoreCache], c.ID)
		}
	}
	p.UncoreCaches = nil
	for id, cpus := range members {
		p.UncoreCaches = append(p.UncoreCaches, UncoreCache{ID: id, Level: 3, SizeBytes: s.shape.l3Size, CPUs: cpuset.New(cpus...)})
	}
	p.recountCaches()
	slices.SortFunc(p.UncoreCaches, func(a, b UncoreCache) int { return cmp.Compare(a.ID, b.ID) })
	for _, cs := range s.caches {
		for _, id := range cs.ids {
			at := slices.IndexFunc(p.UncoreCaches, func(u UncoreCache) bool { return u.ID == id })
			if at < 0 {
				return r.errorf(cs.line, "no CPU has L3 cache %d; the machine has %d of them", id, len(p.UncoreCaches))
			}
			if cs.size != nil {
				p.UncoreCaches[at].SizeBytes = *cs.size
			}
			if cs.level != 0 {
				p.UncoreCaches[at].Level = cs.level
			}
		}
	}
	return nil
}

func (r *reader) setDistances(s *spec, p *Profile) error {
	if s.distances == nil {
		if _, given := s.lines["distances"]; given {
			// An empty list: the kernel gives no distances.
			for i := range p.NUMANodes {
				p.NUMANodes[i].Distances = nil
			}
		}
		return nil
	}
	if len(s.distances) != len(p.NUMANodes) {
		return r.errorf(s.lines["distances"], "distances has %d rows; want one for each of %d nodes", len(s.distances), len(p.NUMANodes))
	}
	for i, row := range s.distances {
		if len(row) == 0 {
			row = nil // the kernel gives none
		} else if len(row) != len(p.NUMANodes) {
			return r.errorf(s.distanceLines[i], "the row of node %d has %d distances; want one for each of %d nodes", p.NUMANodes[i].ID, len(row), len(p.NUMANodes))
		}
		p.NUMANodes[i].Distances = row
	}
	return nil
}

func (r *reader) setPossible(s *spec, p *Profile) error {
	p.Possible = p.AllCPUs()
	if l := s.cpus.possible; l != nil {
		possible := cpuset.New(l.ids...)
		if missing := p.Possible.Difference(possible); !missing.IsEmpty() {
			return r.errorf(l.line, "possible leaves out the present CPUs %s; want all of them, and more if you like", missing)
		}
		p.Possible = possible
	}
	return nil
}

// dropTopology takes topology directories away. Other overrides may give back
// what the kernel still says.
func (r *reader) dropTopology(s *spec, p *Profile) error {
	l := s.cpus.noTopology
	if l == nil {
		return nil
	}
	if err := r.known(p, l.line, "noTopology", l.ids); err != nil {
		return err
	}
	for _, id := range l.ids {
		i, _ := p.index(id)
		p.dropTopology(i)
	}
	return nil
}

// setStates takes CPUs offline.
func (r *reader) setStates(s *spec, p *Profile) error {
	p.renumberPackages()
	for _, l := range []*listSpec{s.cpus.offline, s.cpus.unplaced} {
		if l == nil {
			continue
		}
		if err := r.known(p, l.line, "offline", l.ids); err != nil {
			return err
		}
		var leaving []int
		for _, id := range l.ids {
			if i, _ := p.index(id); p.CPUs[i].Online {
				leaving = append(leaving, i)
			}
		}
		p.takeOffline(leaving)
		for _, id := range l.ids {
			if i, _ := p.index(id); l == s.cpus.unplaced {
				p.CPUs[i].home = nil
			}
		}
		if p.OnlineCPUs().IsEmpty() {
			return r.errorf(l.line, "no CPU is online; want at least one")
		}
	}
	p.recountCaches()
	return nil
}

// dropTopology leaves an online CPU without its topology directory.
func (p *Profile) dropTopology(i int) {
	c := &p.CPUs[i]
	self := cpuset.New(c.ID)
	for _, sibling := range c.Siblings.UnsortedList() {
		if j, ok := p.index(sibling); ok && j != i {
			p.CPUs[j].Siblings = p.CPUs[j].Siblings.Difference(self)
		}
	}
	c.Core, c.Socket, c.Package = None, None, None
	c.Die, c.Cluster, c.Book, c.Drawer = None, None, None, None
	c.Siblings = self
	c.NoTopology = true
}

// sumMemory sets the machine's memory: as given, else the nodes' together.
func (p *Profile) sumMemory(s *spec) {
	switch {
	case s.memory != nil:
		p.MemoryBytes = *s.memory
	case len(p.NUMANodes) > 0:
		p.MemoryBytes = 0
		for i := range p.NUMANodes {
			p.MemoryBytes += p.NUMANodes[i].MemoryBytes
		}
	}
}
