package hwprofiles

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/utils/cpuset"
)

// MarshalProfile writes a profile as a file that Parse reads back to an equal
// one: the shape that comes closest, and what differs from it. The place of an
// offline CPU is kept where it is known.
func (p *Profile) MarshalProfile() ([]byte, error) {
	if len(p.CPUs) > maxCPUs {
		return nil, fmt.Errorf("%d CPUs are too many for a profile file; at most %d", len(p.CPUs), maxCPUs)
	}
	m := &marshaller{p: p.Clone()}
	m.placeAll()
	m.guess()
	m.head(p)
	m.nodes()
	m.distances()
	m.caches()
	m.cpus()
	out := []byte(m.b.String())
	back, err := Parse(out, "profile.yaml")
	if err != nil {
		return nil, fmt.Errorf("this machine cannot be written as a profile file: %w", err)
	}
	if !back.Equal(p) {
		return nil, fmt.Errorf("this machine cannot be written as a profile file: what is read back differs")
	}
	return out, nil
}

type marshaller struct {
	p    *Profile // with every CPU online whose place is known
	base *Profile // what the shape makes, with p's CPU numbers
	b    strings.Builder
	s    *shape

	offline, unplaced, noTopology []int
}

// placeAll brings the offline CPUs online, to find the shape they belong to.
func (m *marshaller) placeAll() {
	for i := range m.p.CPUs {
		c := &m.p.CPUs[i]
		switch {
		case c.NoTopology:
			m.noTopology = append(m.noTopology, c.ID)
		case !c.Online && c.home == nil:
			m.unplaced = append(m.unplaced, c.ID)
		case !c.Online:
			m.offline = append(m.offline, c.ID)
		}
	}
	for _, id := range m.offline {
		i, _ := m.p.index(id)
		m.p.bringOnline(i)
	}
	m.p.renumberPackages()
}

// placed says whether the ids of CPU i mean anything.
func (m *marshaller) placed(i int) bool { return m.p.CPUs[i].Online }

// guess finds the shape with the fewest differences.
func (m *marshaller) guess() {
	best := None
	for _, s := range m.candidates() {
		base, err := s.build()
		if err != nil || len(base.CPUs) != len(m.p.CPUs) {
			continue
		}
		m.adopt(base)
		score := 0
		for i := range base.CPUs {
			a, b := &base.CPUs[i], &m.p.CPUs[i]
			if a.NUMANode != b.NUMANode {
				score++
			}
			if m.placed(i) {
				if !a.Siblings.Equals(b.Siblings) {
					score += 2
				}
				if a.Package != b.Package {
					score++
				}
			}
		}
		if best == None || score < best {
			best, m.s, m.base = score, s, base
		}
		if best == 0 {
			break
		}
	}
	m.refine()
}

// adopt gives a base p's CPU numbers.
func (m *marshaller) adopt(base *Profile) {
	ids := make([]int, len(m.p.CPUs))
	for i := range m.p.CPUs {
		ids[i] = m.p.CPUs[i].ID
	}
	r := &reader{}
	_ = r.renumber(&spec{cpus: cpuSpec{ids: &listSpec{ids: ids}}}, base) // as many, and distinct
	for i := range m.p.CPUs {
		if m.p.CPUs[i].NoTopology {
			base.dropTopology(i)
		}
	}
	base.renumberPackages()
}

// candidates are the shapes worth a try: with the sockets, cores and nodes that
// were counted, in every numbering; and CPUs one by one.
func (m *marshaller) candidates() []*shape {
	threads := m.p.SMTLevel()
	coresIn := map[int]int{}
	for i := range m.p.CPUs {
		if c := &m.p.CPUs[i]; m.placed(i) && lowest(c.Siblings) == c.ID && c.Package != None {
			coresIn[c.Package]++
		}
	}
	var cores []int
	for _, pkg := range slices.Sorted(maps.Keys(coresIn)) {
		cores = append(cores, coresIn[pkg])
	}
	plain := newShape()
	plain.arch = m.p.Arch
	plain.cores, plain.nodes, plain.l3 = []int{len(m.p.CPUs)}, 0, l3Rule{per: "none"}
	shapes := []*shape{}
	if len(cores) > 0 {
		for _, order := range orders() {
			s := *plain
			s.sockets, s.cores, s.threads, s.order = len(cores), cores, threads, order
			if len(slices.Compact(slices.Clone(cores))) == 1 {
				s.cores = cores[:1]
			}
			m.guessNodes(&s)
			shapes = append(shapes, &s)
		}
	}
	return append(shapes, plain)
}

// orders are all numberings, those with a name first.
func orders() [][]level {
	named := numberings()
	all := [][]level{named["block"], named["round-robin"], named["adjacent"]}
	var extend func(order []level)
	extend = func(order []level) {
		if len(order) == 4 {
			if !slices.ContainsFunc(all[:3], func(o []level) bool { return slices.Equal(o, order) }) {
				all = append(all, slices.Clone(order))
			}
			return
		}
		for _, l := range []level{levelSocket, levelThread, levelNode, levelCore} {
			if !slices.Contains(order, l) {
				extend(append(order, l))
			}
		}
	}
	extend(nil)
	return all
}

// guessNodes gives a shape the nodes that have CPUs, socket by socket.
func (m *marshaller) guessNodes(s *shape) {
	var ids []int
	inSocket := map[int]int{}
	coresIn := map[int]int{}
	for pkg := range s.sockets {
		for i := range m.p.CPUs {
			c := &m.p.CPUs[i]
			if !m.placed(i) || c.Package != pkg || c.NUMANode == None {
				continue
			}
			if !slices.Contains(ids, c.NUMANode) {
				ids = append(ids, c.NUMANode)
				inSocket[pkg]++
			}
			if lowest(c.Siblings) == c.ID {
				coresIn[c.NUMANode]++
			}
		}
	}
	per := len(ids) / s.sockets
	fits := len(ids) > 0 && (len(ids)%s.sockets == 0 || s.sockets%len(ids) == 0)
	for pkg := range s.sockets {
		fits = fits && (per == 0 || inSocket[pkg] == per)
	}
	if !fits {
		return
	}
	s.nodes = len(ids)
	s.nodeIDs = unlessCounting(ids)
	if per > 0 {
		var split, natural []int
		for pkg := range s.sockets {
			natural = append(natural, s.coresPerNode(pkg)...)
		}
		for _, id := range ids {
			split = append(split, coresIn[id])
		}
		if !slices.Equal(split, natural) {
			s.nodeCores = split
		}
	}
	if s.check() != nil {
		s.nodes, s.nodeIDs, s.nodeCores = 0, nil, nil
	}
}

// unlessCounting returns ids, or nil where they are 0, 1, 2 …
func unlessCounting(ids []int) []int {
	for i, id := range ids {
		if id != i {
			return ids
		}
	}
	return nil
}

// refine adds to the shape what can be said shortly, and builds it again.
func (m *marshaller) refine() {
	try := func(change func(*shape), same func(a, b *Profile) bool) {
		s := *m.s
		change(&s)
		if base, err := s.build(); err == nil && len(base.CPUs) == len(m.p.CPUs) {
			m.adopt(base)
			if same(base, m.p) && !same(m.base, m.p) {
				m.s, m.base = &s, base
			}
		}
	}
	sameField := func(name string) func(a, b *Profile) bool {
		return func(a, b *Profile) bool { return m.sameField(name, a, b) }
	}
	sockets := make([]int, m.s.sockets)
	cores := m.coresInOrder()
	dies := []int{}
	for i := range m.p.CPUs {
		c := &m.p.CPUs[i]
		if m.placed(i) && c.Package >= 0 && c.Package < len(sockets) {
			sockets[c.Package] = max(c.Socket, 0)
		}
		if c.Package == 0 && c.Die != None && !slices.Contains(dies, c.Die) {
			dies = append(dies, c.Die)
		}
	}
	try(func(s *shape) { s.socketIDs = unlessCounting(sockets) }, sameField("socket"))
	if len(cores) > 0 {
		try(func(s *shape) { s.coreIDs = cores[:s.coresOf(0)] }, sameField("core"))
		try(func(s *shape) { s.coreIDs = cores }, sameField("core"))
	}
	try(func(s *shape) { s.dies = len(dies) }, sameField("die"))
	try(func(s *shape) { s.dies, s.dieIDs = len(dies), dies }, sameField("die"))
	for _, u := range m.p.UncoreCaches[:min(1, len(m.p.UncoreCaches))] {
		parts := max(2, m.s.threads/max(1, u.CPUs.Size()))
		for _, rule := range []l3Rule{{parts: parts}, {per: "socket"}, {per: "node"}, {per: "machine"}, {cores: max(1, u.CPUs.Size()/m.s.threads)}} {
			try(func(s *shape) { s.l3 = rule }, sameField("l3"))
		}
	}
	for i := range m.p.CPUs {
		if c := &m.p.CPUs[i]; c.Cluster != None {
			n := m.p.CPUsWhere(func(o *CPU) bool { return o.Cluster == c.Cluster }).Size()
			try(func(s *shape) { s.cluster = max(1, n/m.s.threads) }, sameField("cluster"))
			break
		}
	}
	m.refineNodes()
	sizes := map[uint64]int{}
	for _, u := range m.p.UncoreCaches {
		sizes[u.SizeBytes]++
	}
	m.s.l3Size = commonest(sizes)
	for i := range m.base.UncoreCaches {
		m.base.UncoreCaches[i].SizeBytes = m.s.l3Size
	}
}

// coresInOrder returns p's core ids in the order of the shape's sockets and
// cores, nil where that does not work out.
func (m *marshaller) coresInOrder() []int {
	var ids []int
	at := map[[2]int]int{}
	for i, sp := range m.s.spots() {
		if sp.thread == 0 {
			at[[2]int{sp.socket, sp.core}] = m.p.CPUs[i].Core
		}
	}
	for socket := range m.s.sockets {
		for core := range m.s.coresOf(socket) {
			id := at[[2]int{socket, core}]
			if id == None {
				id = core // of a CPU without topology, or an override follows
			}
			ids = append(ids, id)
		}
	}
	return ids
}

// refineNodes sets memory and the rule of distances.
func (m *marshaller) refineNodes() {
	sizes := map[uint64]int{}
	for _, n := range m.base.NUMANodes {
		if own, ok := m.p.Node(n.ID); ok {
			sizes[own.MemoryBytes]++
		}
	}
	m.s.memory = commonest(sizes)
	if len(m.base.NUMANodes) == 0 {
		m.s.memory = 0
	}
	if d := m.guessDistance(); d != nil {
		m.s.distance = d
	}
	if base, err := m.s.build(); err == nil {
		m.adopt(base)
		m.base = base
	}
}

// guessDistance reads the three values of the rule off the matrix.
func (m *marshaller) guessDistance() []int {
	rule := []int{None, None, None}
	socketOf := map[int]int{}
	for i := range m.base.CPUs {
		socketOf[m.base.CPUs[i].NUMANode] = m.base.CPUs[i].Package
	}
	for _, a := range m.p.NUMANodes {
		for j, b := range m.p.NUMANodes {
			if j >= len(a.Distances) {
				return nil
			}
			sa, okA := socketOf[a.ID]
			sb, okB := socketOf[b.ID]
			k := 2
			if a.ID == b.ID {
				k = 0
			} else if okA && okB && sa == sb {
				k = 1
			}
			if rule[k] == None {
				rule[k] = a.Distances[j]
			}
		}
	}
	if rule[2] == None {
		rule[2] = max(rule[1], 20)
	}
	if rule[0] < 10 || max(rule[0], rule[1], rule[2]) > 255 || rule[2] < 10 || rule[1] != None && rule[1] < 10 {
		return nil
	}
	if rule[1] == None {
		return []int{rule[0], rule[2]}
	}
	return rule
}

// commonest returns the value counted most often, the smallest of several.
func commonest(counts map[uint64]int) uint64 {
	var best uint64
	for _, v := range slices.Sorted(maps.Keys(counts)) {
		if counts[v] > counts[best] {
			best = v
		}
	}
	return best
}

// sameField says whether all placed CPUs have the same value in both.
func (m *marshaller) sameField(name string, a, b *Profile) bool {
	for i := range a.CPUs {
		if m.counts(name, i) && *a.CPUs[i].field(name) != *b.CPUs[i].field(name) {
			return false
		}
	}
	return true
}

// counts says whether a field of CPU i is part of the profile; an unplaced CPU
// has a node only.
func (m *marshaller) counts(name string, i int) bool {
	c := &m.p.CPUs[i]
	return name == "node" || c.Online
}

func scalar(text string) string {
	out, err := yaml.Marshal(text)
	if err != nil {
		return strconv.Quote(text)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// setOf quotes a set for a YAML mapping.
func setOf(ids []int) string { return strconv.Quote(cpuset.New(ids...).String()) }
