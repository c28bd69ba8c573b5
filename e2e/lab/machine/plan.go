// Package machine says how QEMU makes a machine of a profile: how many sockets,
// dies, cores and threads, which CPU is on which NUMA node, and in what order
// the kernel numbers them. What QEMU cannot make it says by name.
package machine

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
)

// Plan is a machine that QEMU can make.
type Plan struct {
	// Sockets, Dies, Cores and Threads are QEMU's -smp: Dies of each socket,
	// Cores of each die, Threads of each core. A die is what shares an L3.
	Sockets, Dies, Cores, Threads int
	// L3 says whether there is an L3 at all.
	L3 bool
	// Slot is, for each CPU id of the kernel, QEMU's number of the CPU. Slots
	// that no CPU has stay empty.
	Slot []int
	// Nodes are the NUMA nodes in the order of their ids.
	Nodes []Node
	// Offline are the CPUs that are taken offline after the boot.
	Offline []int
	// Notes say in what the machine differs from the profile.
	Notes []string
}

// Node is one NUMA node.
type Node struct {
	Slots       []int // QEMU's numbers of its CPUs
	MemoryBytes uint64
	Distances   []int
}

// Limits of what the lab makes.
const (
	// maxCPUs is what 8-bit APIC ids are enough for; the last, 255, stands for
	// all CPUs.
	maxCPUs  = 255
	maxNodes = 64
	// memoryTotal is shared out among the nodes; a node gets at least
	// memoryLeast. The guest's kernel writes to a sixty-fourth of it while it
	// boots, which takes an emulated machine a second for each 10 GiB or more.
	memoryTotal = 8 << 30
	memoryLeast = 512 << 20
)

// ErrShape marks a profile that QEMU cannot make.
var ErrShape = errors.New("the lab cannot make this machine")

// New plans the machine of a profile. The error wraps ErrShape and names all
// that cannot be made.
func New(p *hwprofiles.Profile) (*Plan, error) {
	b := builder{profile: p, plan: &Plan{}}
	b.numbering()
	b.nodes()
	if len(b.problems) == 0 {
		b.topology()
	}
	if len(b.problems) == 0 {
		b.place()
	}
	if len(b.problems) > 0 {
		return nil, fmt.Errorf("%w: profile %s: %s", ErrShape, p.Name, strings.Join(b.problems, "; "))
	}
	b.ids()
	return b.plan, nil
}

type builder struct {
	profile  *hwprofiles.Profile
	plan     *Plan
	sockets  [][]die
	problems []string
}

// A die holds cores, a core its CPUs.
type (
	die  struct{ cores []core }
	core struct{ cpus []int }
)

func (b *builder) cannot(format string, args ...any) {
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

func (b *builder) note(format string, args ...any) {
	b.plan.Notes = append(b.plan.Notes, fmt.Sprintf(format, args...))
}

// numbering looks at the CPU ids.
func (b *builder) numbering() {
	cpus := b.profile.CPUs
	if len(cpus) > maxCPUs {
		b.cannot("it has %d CPUs, QEMU's machines have at most %d", len(cpus), maxCPUs)
		return
	}
	for i, c := range cpus {
		if c.ID != i {
			b.cannot("its CPU ids have a hole before CPU %d, Linux numbers the CPUs of a PC without holes", c.ID)
			return
		}
		if !c.Online {
			b.plan.Offline = append(b.plan.Offline, c.ID)
		}
	}
	if slices.Contains(b.plan.Offline, 0) {
		b.cannot("CPU 0 is offline, Linux cannot take the boot CPU of a PC offline")
	}
}

// nodes looks at the NUMA nodes.
func (b *builder) nodes() {
	nodes := b.profile.NUMANodes
	if len(nodes) == 0 {
		b.cannot("it has no NUMA nodes, Linux on a PC has at least node 0")
		return
	}
	if len(nodes) > maxNodes {
		b.cannot("it has %d NUMA nodes, the lab makes at most %d", len(nodes), maxNodes)
		return
	}
	var scaled []string
	for i, n := range nodes {
		if n.ID != i {
			b.cannot("its NUMA node ids have a hole before node %d, QEMU wants them without holes", n.ID)
			return
		}
		memory := min(n.MemoryBytes, max(memoryTotal/uint64(len(nodes)), memoryLeast))
		memory -= memory % (2 << 20)
		if memory != n.MemoryBytes {
			scaled = append(scaled, fmt.Sprintf("node %d %d MiB", n.ID, memory>>20))
		}
		b.plan.Nodes = append(b.plan.Nodes, Node{MemoryBytes: memory, Distances: n.Distances})
		if len(n.HugePages) > 0 {
			b.note("the huge pages of NUMA node %d are not made", n.ID)
		}
		for j, d := range n.Distances {
			if (i == j) != (d == 10) || d < 10 || d > 254 {
				b.cannot("the distance %d from NUMA node %d to %d: QEMU wants 10 within a node and 11 to 254 between nodes", d, i, j)
			}
		}
	}
	if len(scaled) > 0 {
		b.note("memory is less than the server's: %s", strings.Join(scaled, ", "))
	}
	for i, n := range b.plan.Nodes {
		if n.MemoryBytes > 0 {
			continue
		}
		if i == 0 {
			b.cannot("NUMA node 0 has no memory, the kernel of a PC starts in node 0")
		} else if b.profile.CPUsInNode(i).IsEmpty() {
			b.cannot("NUMA node %d has neither CPUs nor memory, Linux on a PC does not see such a node", i)
			break
		}
	}
	for _, c := range b.profile.CPUs {
		if c.NUMANode == hwprofiles.None {
			b.cannot("CPU %d belongs to no NUMA node", c.ID)
			return
		}
	}
}

// topology groups the CPUs by socket, L3 and core, each in the order of the
// lowest CPU.
func (b *builder) topology() {
	p := b.profile
	siblings := homes(p)
	groups := map[int][]int{} // by socket
	var order []int
	without, with := 0, 0
	for i := range siblings {
		h := siblings[i]
		if h.socket == hwprofiles.None {
			if p.CPUs[i].NoTopology {
				b.cannot("CPU %d has no place in the topology, on a PC every CPU has one", i)
			} else {
				b.cannot("CPU %d is offline and the profile does not know its core", i)
			}
			return
		}
		if groups[h.socket] == nil {
			order = append(order, h.socket)
		}
		groups[h.socket] = append(groups[h.socket], i)
		if h.l3 == hwprofiles.None {
			without++
		} else {
			with++
		}
	}
	if with > 0 && without > 0 {
		b.cannot("some CPUs have an L3 and some have none")
		return
	}
	b.plan.L3 = with > 0
	if !b.whole(siblings) {
		return
	}
	for _, s := range order {
		b.sockets = append(b.sockets, b.dies(groups[s], siblings))
	}
	seen := map[int]int{}
	for i, h := range siblings {
		if s, ok := seen[h.l3]; ok && s != h.socket && h.l3 != hwprofiles.None {
			b.cannot("the L3 of CPU %d spans sockets", i)
			return
		}
		seen[h.l3] = h.socket
	}
}

// whole says whether every core is in one socket, behind one L3 and on one NUMA
// node. It cannot be made otherwise, and Linux does not believe in siblings on
// different nodes.
func (b *builder) whole(homes []home) bool {
	for i, h := range homes {
		first := homes[h.core]
		what := ""
		switch {
		case h.socket != first.socket:
			what = "are in more than one socket"
		case h.l3 != first.l3:
			what = "have more than one L3"
		case b.profile.CPUs[i].NUMANode != b.profile.CPUs[h.core].NUMANode:
			what = "are on more than one NUMA node"
		default:
			continue
		}
		b.cannot("the siblings of CPU %d %s", h.core, what)
		return false
	}
	return true
}

// home is where a CPU is.
type home struct{ socket, l3, core int }

// homes says where each CPU is; core is the lowest CPU of the core. An offline
// CPU's place is that which the profile remembers.
func homes(p *hwprofiles.Profile) []home {
	online := p
	for _, c := range p.CPUs {
		if !c.Online {
			if all, err := p.WithOnline(p.AllCPUs(), true); err == nil {
				online = all
			}
			break
		}
	}
	out := make([]home, len(online.CPUs))
	for i, c := range online.CPUs {
		h := home{socket: c.Package, l3: c.UncoreCache, core: i}
		if !p.CPUs[i].Online && c.Socket == hwprofiles.None && c.Core == hwprofiles.None {
			h.socket = hwprofiles.None
		}
		if list := c.Siblings.List(); len(list) > 0 {
			h.core = list[0]
		}
		out[i] = h
	}
	return out
}

func (b *builder) dies(cpus []int, homes []home) []die {
	var dies []die
	byL3, byCore := map[int]int{}, map[int]int{}
	for _, id := range cpus {
		h := homes[id]
		d, ok := byL3[h.l3]
		if !ok {
			d = len(dies)
			byL3[h.l3] = d
			dies = append(dies, die{})
		}
		c, ok := byCore[h.core]
		if !ok {
			c = len(dies[d].cores)
			byCore[h.core] = c
			dies[d].cores = append(dies[d].cores, core{})
		}
		dies[d].cores[c].cpus = append(dies[d].cores[c].cpus, id)
	}
	return dies
}

// place gives each CPU a slot. Sockets, dies and cores that are smaller than
// the largest leave slots empty.
func (b *builder) place() {
	plan := b.plan
	plan.Sockets = len(b.sockets)
	for _, s := range b.sockets {
		plan.Dies = max(plan.Dies, len(s))
		for _, d := range s {
			plan.Cores = max(plan.Cores, len(d.cores))
			for _, c := range d.cores {
				plan.Threads = max(plan.Threads, len(c.cpus))
			}
		}
	}
	if slots := plan.Slots(); slots > maxCPUs {
		b.cannot("its sockets are so unequal that QEMU would need %d CPUs to make it, of at most %d", slots, maxCPUs)
		return
	}
	if last := plan.APICID(plan.Slots() - 1); last >= maxCPUs {
		// Each field of the id has whole bits: three dies take the room of four.
		b.cannot("it needs APIC ids up to %d, QEMU's machines have them up to %d", last, maxCPUs-1)
		return
	}
	plan.Slot = make([]int, len(b.profile.CPUs))
	for s := range b.sockets {
		for d := range b.sockets[s] {
			for c, co := range b.sockets[s][d].cores {
				for t, id := range co.cpus {
					plan.Slot[id] = ((s*plan.Dies+d)*plan.Cores+c)*plan.Threads + t
				}
			}
		}
	}
	taken := map[int]bool{}
	for id, c := range b.profile.CPUs {
		plan.Nodes[c.NUMANode].Slots = append(plan.Nodes[c.NUMANode].Slots, plan.Slot[id])
		taken[plan.Slot[id]] = true
	}
	// QEMU wants every slot on a node; which one does not matter for a slot
	// that the kernel never sees.
	for slot := range plan.Slots() {
		if !taken[slot] {
			plan.Nodes[0].Slots = append(plan.Nodes[0].Slots, slot)
		}
	}
	for i := range plan.Nodes {
		slices.Sort(plan.Nodes[i].Slots)
	}
}

// ids notes where the kernel will number things otherwise.
func (b *builder) ids() {
	for _, c := range b.profile.CPUs {
		if c.Online && c.Socket != c.Package {
			b.note("socket ids count from 0, the server's do not")
			break
		}
	}
	plan := b.plan
	for id, c := range b.profile.CPUs {
		core := plan.Slot[id] / plan.Threads % plan.Cores
		if c.Online && c.Core != core {
			b.note("core ids count from 0 within a die, the server's do not")
			break
		}
	}
}

// Slots is the number of CPUs that QEMU makes.
func (p *Plan) Slots() int { return p.Sockets * p.Dies * p.Cores * p.Threads }

// APICID is the APIC id that QEMU gives a slot: the numbers of socket, die, core
// and thread side by side, each in as many bits as it needs.
func (p *Plan) APICID(slot int) int {
	thread, rest := slot%p.Threads, slot/p.Threads
	core, rest := rest%p.Cores, rest/p.Cores
	die, socket := rest%p.Dies, rest/p.Dies
	id := socket<<bits(p.Dies) | die
	id = id<<bits(p.Cores) | core
	return id<<bits(p.Threads) | thread
}

func bits(n int) int {
	width := 0
	for 1<<width < n {
		width++
	}
	return width
}

// inOrder says that the kernel numbers the CPUs as QEMU does by itself.
func (p *Plan) inOrder() bool {
	for id, slot := range p.Slot {
		if id != slot {
			return false
		}
	}
	return len(p.Slot) == p.Slots()
}
