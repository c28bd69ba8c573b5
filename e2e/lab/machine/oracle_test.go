package machine

import (
	"encoding/binary"
	"fmt"
	"slices"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
)

// linuxCPU is a CPU as Linux on x86 sees it: by the bits of its APIC id.
type linuxCPU struct{ socket, die, core, node int }

// boot says what Linux makes of a plan. It looks only at what the firmware
// would show it: the MADT (ours, or QEMU's: the slots in order), the widths of
// an APIC id's fields and the nodes that slots are on.
func boot(p *Plan) []linuxCPU {
	nodeOf := map[int]int{} // by APIC id, as in the SRAT
	for n := range p.Nodes {
		for _, slot := range p.Nodes[n].Slots {
			nodeOf[p.APICID(slot)] = n
		}
	}
	var ids []int
	if table := p.MADT(); table != nil {
		for _, e := range localAPICs(table) {
			ids = append(ids, e.apicID)
		}
	} else {
		for slot := range p.Slots() {
			ids = append(ids, p.APICID(slot))
		}
	}
	width := func(n int) int {
		w := 0
		for 1<<w < n {
			w++
		}
		return w
	}
	smt, core, die := width(p.Threads), width(p.Cores), width(p.Dies)
	var cpus []linuxCPU
	for _, id := range ids {
		cpus = append(cpus, linuxCPU{
			socket: id >> (smt + core + die), die: id >> (smt + core), core: id >> smt, node: nodeOf[id],
		})
	}
	return cpus
}

// differences says in what the machine of a plan is not that of the profile.
func differences(p *hwprofiles.Profile, plan *Plan) []string {
	var out []string
	differ := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	cpus := boot(plan)
	if len(cpus) != len(p.CPUs) {
		return []string{fmt.Sprintf("%d CPUs, want %d", len(cpus), len(p.CPUs))}
	}
	offline := cpuset.New(plan.Offline...)
	same := func(i int, key func(linuxCPU) int) cpuset.CPUSet {
		var ids []int
		for j := range cpus {
			if key(cpus[j]) == key(cpus[i]) && !offline.Contains(j) {
				ids = append(ids, j)
			}
		}
		return cpuset.New(ids...)
	}
	if got := p.AllCPUs().Difference(offline); !got.Equals(p.OnlineCPUs()) {
		differ("online %v, want %v", got, p.OnlineCPUs())
	}
	for i, c := range p.CPUs {
		if cpus[i].node != c.NUMANode {
			differ("CPU %d on node %d, want %d", i, cpus[i].node, c.NUMANode)
		}
		if !c.Online {
			continue
		}
		// Linux does not believe in siblings on different nodes.
		siblings := same(i, func(c linuxCPU) int { return c.core<<8 | c.node })
		if !siblings.Equals(c.Siblings) {
			differ("siblings of CPU %d %v, want %v", i, siblings, c.Siblings)
		}
		socket := same(i, func(c linuxCPU) int { return c.socket })
		want := p.CPUsWhere(func(o *hwprofiles.CPU) bool { return o.Online && o.Package == c.Package })
		if !socket.Equals(want) {
			differ("socket of CPU %d %v, want %v", i, socket, want)
		}
		l3 := cpuset.New()
		if plan.L3 {
			l3 = same(i, func(c linuxCPU) int { return c.die })
		}
		want = p.CPUsWhere(func(o *hwprofiles.CPU) bool {
			return o.Online && c.UncoreCache != hwprofiles.None && o.UncoreCache == c.UncoreCache
		})
		if !l3.Equals(want) {
			differ("L3 of CPU %d %v, want %v", i, l3, want)
		}
	}
	return append(out, nodeDifferences(p, plan, cpus)...)
}

func nodeDifferences(p *hwprofiles.Profile, plan *Plan, cpus []linuxCPU) []string {
	var out []string
	differ := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(plan.Nodes) != len(p.NUMANodes) {
		return []string{fmt.Sprintf("%d nodes, want %d", len(plan.Nodes), len(p.NUMANodes))}
	}
	slots := map[int]int{}
	for i, n := range plan.Nodes {
		for _, s := range n.Slots {
			slots[s]++
		}
		if !slices.IsSorted(n.Slots) {
			differ("slots of node %d are not sorted: %v", i, n.Slots)
		}
		want := p.NUMANodes[i]
		// Linux sees a node in the firmware's tables by its CPUs or its memory.
		if n.MemoryBytes == 0 && !slices.ContainsFunc(cpus, func(c linuxCPU) bool { return c.node == i }) {
			differ("node %d has neither CPUs nor memory", i)
		}
		if (n.MemoryBytes == 0) != (want.MemoryBytes == 0) || n.MemoryBytes > want.MemoryBytes || n.MemoryBytes%(1<<20) != 0 {
			differ("node %d has %d bytes, the profile %d", i, n.MemoryBytes, want.MemoryBytes)
		}
		if !slices.Equal(n.Distances, want.Distances) {
			differ("distances of node %d %v, want %v", i, n.Distances, want.Distances)
		}
	}
	for slot := range plan.Slots() {
		if slots[slot] != 1 {
			differ("slot %d is on %d nodes", slot, slots[slot])
		}
	}
	return out
}

type localAPIC struct{ uid, apicID int }

// localAPICs are the enabled CPUs of a MADT, in order.
func localAPICs(table []byte) []localAPIC {
	var out []localAPIC
	for rest := table[44:]; len(rest) >= 2; rest = rest[rest[1]:] {
		if rest[0] == 0 && binary.LittleEndian.Uint32(rest[4:])&1 == 1 {
			out = append(out, localAPIC{int(rest[2]), int(rest[3])})
		}
	}
	return out
}

// checkMADT holds a table against the ACPI specification.
func checkMADT(g Gomega, plan *Plan) {
	highest := 0
	for slot := range plan.Slots() {
		highest = max(highest, plan.APICID(slot))
	}
	g.Expect(highest).To(BeNumerically("<", 255), "255 is the APIC id of all CPUs")
	g.Expect(plan.Slot[0]).To(Equal(0), "the boot CPU is QEMU's first")
	table := plan.MADT()
	if table == nil {
		g.Expect(plan.Slots()).To(Equal(len(plan.Slot)))
		return
	}
	g.Expect(string(table[:4])).To(Equal("APIC"))
	g.Expect(binary.LittleEndian.Uint32(table[4:])).To(BeEquivalentTo(len(table)))
	sum := uint8(0)
	for _, b := range table {
		sum += b
	}
	g.Expect(sum).To(BeZero(), "checksum")
	g.Expect(string(table[10:24])).To(Equal("BOCHS BXPC    "))
	g.Expect(binary.LittleEndian.Uint32(table[24:])).To(BeNumerically(">", 1), "revision: QEMU's is 1")
	g.Expect(binary.LittleEndian.Uint32(table[36:])).To(BeEquivalentTo(0xfee00000))
	left := table[44:]
	for len(left) > 0 {
		g.Expect(len(left)).To(BeNumerically(">=", 2))
		g.Expect(int(left[1])).To(And(BeNumerically(">=", 2), BeNumerically("<=", len(left))), "length of an entry")
		left = left[left[1]:]
	}
	var want []localAPIC
	for _, slot := range plan.Slot {
		want = append(want, localAPIC{slot, plan.APICID(slot)})
	}
	got := localAPICs(table)
	g.Expect(got).To(Equal(want))
	g.Expect(got[0]).To(Equal(localAPIC{0, 0}), "the boot CPU is the first")
}
