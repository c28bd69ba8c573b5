package hwprofiles

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/utils/cpuset"
)

// What a profile may hold at most. The largest machines known have 1,920 CPUs
// and 34 NUMA nodes; node ids reach 255.
const (
	maxCPUs   = 4096
	maxNodes  = 256
	maxNodeID = 1023
)

// shape is a regular machine: every socket alike, numbered by a rule.
type shape struct {
	arch      string
	sockets   int
	nodes     int   // of the whole machine; 0: the kernel has no NUMA
	cores     []int // per socket; one value stands for all sockets
	threads   int   // per core
	order     []level
	socketIDs []int // one per socket
	nodeIDs   []int // one per node, in the order of sockets
	coreIDs   []int // one per core of a socket, or of all sockets
	nodeCores []int // cores per node, of a socket or of all sockets
	l3        l3Rule
	l3Size    uint64
	dies      int // per socket; 0: the kernel gives no die_id
	dieIDs    []int
	cluster   int // cores per cluster; 0: the kernel gives no cluster_id
	memory    uint64
	distance  []int // local, other sockets; or local, same socket, other sockets
}

// l3Rule says which cores share an L3 cache.
type l3Rule struct {
	per   string // "none", "machine", "socket", "node", or "" for cores
	cores int
	parts int // of one core, where its threads have several L3s
}

// spot is where a CPU sits: indices, not ids. Node and core count within the
// socket, inNode counts the cores of a node.
type spot struct{ socket, node, core, inNode, thread int }

// at is the spot's place in one loop. Cores count within their node there, so
// that rules that alternate between nodes do so evenly.
func (s spot) at(l level) int { return [...]int{s.socket, s.node, s.inNode, s.thread}[l] }

// nodesPerSocket is 0 where several sockets share a node or there are none.
func (s *shape) nodesPerSocket() int { return s.nodes / s.sockets }

func (s *shape) coresOf(socket int) int {
	if len(s.cores) == 1 {
		return s.cores[0]
	}
	return s.cores[socket]
}

// check says what does not fit together.
func (s *shape) check() error {
	total := 0
	for i := range s.sockets {
		if len(s.cores) != 1 && i >= len(s.cores) {
			return fmt.Errorf("cores lists %d sockets, sockets says %d; give one number for all or one per socket", len(s.cores), s.sockets)
		}
		total += s.coresOf(i)
	}
	per := s.nodesPerSocket()
	switch {
	case len(s.cores) > s.sockets:
		return fmt.Errorf("cores lists %d sockets, sockets says %d; give one number for all or one per socket", len(s.cores), s.sockets)
	case total*s.threads > maxCPUs:
		return fmt.Errorf("%d CPUs are too many; at most %d", total*s.threads, maxCPUs)
	case s.nodes > s.sockets && s.nodes%s.sockets != 0, s.nodes > 0 && s.nodes < s.sockets && s.sockets%s.nodes != 0:
		return fmt.Errorf("nodes=%d does not fit sockets=%d; nodes counts the whole machine and is a multiple or a divisor of sockets", s.nodes, s.sockets)
	case s.socketIDs != nil && len(s.socketIDs) != s.sockets:
		return fmt.Errorf("socket-ids gives %d ids; want one for each of %d sockets", len(s.socketIDs), s.sockets)
	case s.nodeIDs != nil && len(s.nodeIDs) != s.nodes:
		return fmt.Errorf("node-ids gives %d ids; want one for each of %d nodes", len(s.nodeIDs), s.nodes)
	case s.coreIDs != nil && len(s.coreIDs) != total && (len(s.cores) != 1 || len(s.coreIDs) != s.cores[0]):
		return fmt.Errorf("core-ids gives %d ids; want one for each core of a socket (%d) or of the machine (%d)", len(s.coreIDs), s.coresOf(0), total)
	case s.nodeCores != nil && len(s.nodeCores) != per && len(s.nodeCores) != s.nodes:
		return fmt.Errorf("node-cores gives %d numbers; want one for each node of a socket (%d) or of the machine (%d)", len(s.nodeCores), per, s.nodes)
	case s.dieIDs != nil && len(s.dieIDs) != s.dies:
		return fmt.Errorf("die-ids gives %d ids; want one for each of dies=%d", len(s.dieIDs), s.dies)
	}
	if dup, ok := repeated(s.nodeIDs); ok {
		return fmt.Errorf("node-ids names node %d twice; every node has its own id", dup)
	}
	for _, id := range s.nodeIDs {
		if id > maxNodeID {
			return fmt.Errorf("node id %d is too large; at most %d", id, maxNodeID)
		}
	}
	for i := range s.sockets {
		sum := 0
		for _, n := range s.coresPerNode(i) {
			sum += n
		}
		if per > 0 && sum != s.coresOf(i) {
			return fmt.Errorf("node-cores of socket %d add up to %d; want its %d cores", i, sum, s.coresOf(i))
		}
		if s.dies > s.coresOf(i) {
			return fmt.Errorf("dies=%d is more than the %d cores of a socket", s.dies, s.coresOf(i))
		}
	}
	return nil
}

func repeated(ids []int) (int, bool) {
	seen := map[int]bool{}
	for _, id := range ids {
		if seen[id] {
			return id, true
		}
		seen[id] = true
	}
	return 0, false
}

// coresPerNode says how the cores of a socket are split among its nodes: as
// node-cores says, else evenly, the first nodes getting one more.
func (s *shape) coresPerNode(socket int) []int {
	per := s.nodesPerSocket()
	switch {
	case per == 0:
		return nil
	case s.nodeCores != nil && len(s.nodeCores) == per:
		return s.nodeCores
	case s.nodeCores != nil:
		return s.nodeCores[socket*per : (socket+1)*per]
	}
	split := make([]int, per)
	cores := s.coresOf(socket)
	for i := range split {
		split[i] = cores / per
		if i < cores%per {
			split[i]++
		}
	}
	return split
}

// spots returns the CPUs' places in the order of the CPUs' numbers.
func (s *shape) spots() []spot {
	var spots []spot
	for socket := range s.sockets {
		split := s.coresPerNode(socket)
		node, inNode := 0, 0
		for core := range s.coresOf(socket) {
			for node+1 < len(split) && inNode >= split[node] {
				node, inNode = node+1, 0
			}
			for thread := range s.threads {
				spots = append(spots, spot{socket, node, core, inNode, thread})
			}
			inNode++
		}
	}
	slices.SortStableFunc(spots, func(a, b spot) int {
		for _, l := range s.order {
			if c := cmp.Compare(a.at(l), b.at(l)); c != 0 {
				return c
			}
		}
		return 0
	})
	return spots
}

// build makes the machine.
func (s *shape) build() (*Profile, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	p := &Profile{Arch: s.arch}
	spots := s.spots()
	type coreKey struct{ socket, core int }
	threads := map[coreKey][]int{}
	byL3 := map[[3]int][]int{}
	l3IDs := s.l3IDs()
	for id, sp := range spots {
		key := coreKey{sp.socket, sp.core}
		threads[key] = append(threads[key], id)
		c := CPU{
			ID: id, Online: true,
			Core: s.coreID(sp), Socket: idAt(s.socketIDs, sp.socket), Package: sp.socket,
			NUMANode: s.nodeID(sp), UncoreCache: None, Die: None, Cluster: None, Book: None, Drawer: None,
		}
		if s.dies > 0 {
			c.Die = idAt(s.dieIDs, sp.core*s.dies/s.coresOf(sp.socket))
		}
		if s.cluster > 0 {
			c.Cluster = s.firstCore(sp.socket)/s.cluster + sp.core/s.cluster
		}
		if key, ok := s.l3Of(sp); ok {
			c.UncoreCache = l3IDs[key]
			byL3[key] = append(byL3[key], id)
		}
		p.CPUs = append(p.CPUs, c)
	}
	siblings := make(map[coreKey]cpuset.CPUSet, len(threads))
	for key, ids := range threads {
		siblings[key] = cpuset.New(ids...)
	}
	for i, sp := range spots {
		p.CPUs[i].Siblings = siblings[coreKey{sp.socket, sp.core}]
	}
	for key, ids := range byL3 {
		p.UncoreCaches = append(p.UncoreCaches, UncoreCache{ID: l3IDs[key], Level: 3, SizeBytes: s.l3Size, CPUs: cpuset.New(ids...)})
	}
	slices.SortFunc(p.UncoreCaches, func(a, b UncoreCache) int { return cmp.Compare(a.ID, b.ID) })
	p.Possible = p.AllCPUs()
	s.buildNodes(p)
	p.renumberPackages()
	return p, nil
}

// l3Of names the L3 of a place: socket, node and group.
func (s *shape) l3Of(sp spot) ([3]int, bool) {
	if s.l3.parts > 0 {
		return [3]int{sp.socket, sp.core, sp.thread * s.l3.parts / s.threads}, true
	}
	switch s.l3.per {
	case "none":
		return [3]int{}, false
	case "machine":
		return [3]int{}, true
	case "socket":
		return [3]int{sp.socket}, true
	case "node":
		return [3]int{sp.socket, sp.node}, true
	}
	return [3]int{sp.socket, sp.node, sp.inNode / s.l3.cores}, true
}

// l3IDs counts the L3 caches through the sockets.
func (s *shape) l3IDs() map[[3]int]int {
	ids := map[[3]int]int{}
	plain := *s
	plain.order = numberings()["adjacent"]
	for _, sp := range plain.spots() {
		key, ok := s.l3Of(sp)
		if _, seen := ids[key]; ok && !seen {
			ids[key] = len(ids)
		}
	}
	return ids
}

// firstCore counts the cores of the sockets before this one.
func (s *shape) firstCore(socket int) int {
	n := 0
	for i := range socket {
		n += s.coresOf(i)
	}
	return n
}

func (s *shape) coreID(sp spot) int {
	if len(s.coreIDs) > 0 && (len(s.cores) != 1 || len(s.coreIDs) != s.cores[0]) {
		return s.coreIDs[s.firstCore(sp.socket)+sp.core]
	}
	return idAt(s.coreIDs, sp.core)
}

func (s *shape) nodeID(sp spot) int {
	switch per := s.nodesPerSocket(); {
	case s.nodes == 0:
		return None
	case per == 0:
		return idAt(s.nodeIDs, sp.socket/(s.sockets/s.nodes))
	default:
		return idAt(s.nodeIDs, sp.socket*per+sp.node)
	}
}

// idAt is ids[i], or i itself without a list.
func idAt(ids []int, i int) int {
	if len(ids) == 0 {
		return i
	}
	return ids[i]
}

// buildNodes adds the NUMA nodes, their memory and distances.
func (s *shape) buildNodes(p *Profile) {
	type nodeAt struct{ id, socket int }
	var at []nodeAt
	for i := range s.nodes {
		socket := i
		if per := s.nodesPerSocket(); per > 0 {
			socket = i / per
		}
		at = append(at, nodeAt{idAt(s.nodeIDs, i), socket})
	}
	slices.SortFunc(at, func(a, b nodeAt) int { return cmp.Compare(a.id, b.id) })
	distance := s.distance
	if len(distance) == 0 {
		distance = []int{10, 20}
	}
	for _, n := range at {
		node := NUMANode{ID: n.id, MemoryBytes: s.memory}
		if s.memory == 0 {
			node.MemoryBytes = uint64(p.CPUsInNode(n.id).Size()) * (4 << 30)
		}
		for _, other := range at {
			d := distance[len(distance)-1]
			switch {
			case other.id == n.id:
				d = distance[0]
			case other.socket == n.socket:
				d = distance[1]
			}
			node.Distances = append(node.Distances, d)
		}
		p.NUMANodes = append(p.NUMANodes, node)
		p.MemoryBytes += node.MemoryBytes
	}
	if s.nodes == 0 {
		p.MemoryBytes = s.memory
		if s.memory == 0 {
			p.MemoryBytes = uint64(len(p.CPUs)) * (4 << 30)
		}
	}
}

// renumberPackages counts the packages anew, in the order of their lowest
// online CPU.
func (p *Profile) renumberPackages() {
	ids := map[int]int{}
	for i := range p.CPUs {
		c := &p.CPUs[i]
		if !c.Online || c.Package == None {
			c.Package = None
			continue
		}
		if _, ok := ids[c.Package]; !ok {
			ids[c.Package] = len(ids)
		}
		c.Package = ids[c.Package]
	}
}
