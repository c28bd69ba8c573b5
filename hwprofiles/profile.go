// Package hwprofiles describes machines, CPU by CPU: the embedded library of
// real servers, machines detected from a sysfs tree, and machines written down
// as a short shape. Every machine is given twice: as its kernel describes it
// (Profile) and as the kubelet sees it (Profile.MachineInfo, read by cadvisor's
// own code).
//
// The package is a leaf: it knows nothing of kubelets or scenarios.
package hwprofiles

import (
	"slices"
	"sort"

	"k8s.io/utils/cpuset"
)

// None marks an id that the kernel does not give: a CPU without a NUMA node, a
// core without an uncore cache, a package the kernel calls -1.
const None = -1

// Profile is one machine as its kernel describes it.
type Profile struct {
	// Name identifies the profile, in lower case with dashes.
	Name string `json:"name"`
	// Description says in one line which machine this is.
	Description string `json:"description,omitempty"`
	// Sources are the public documents that the facts were taken from.
	Sources []string `json:"sources,omitempty"`
	// Arch is the architecture as uname -m names it, empty when unknown.
	Arch string `json:"arch,omitempty"`
	// CPUs holds every present CPU in the order of its id; ids may have holes.
	CPUs []CPU `json:"cpus"`
	// Possible are the CPUs the kernel made room for, the present ones among
	// them.
	Possible cpuset.CPUSet `json:"-"`
	// NUMANodes holds every NUMA node in the order of its id; ids may have
	// holes. It is empty when the kernel has no node directory.
	NUMANodes []NUMANode `json:"numaNodes"`
	// UncoreCaches holds the L3 caches in the order of their ids. (Where a
	// machine has caches above level 2 but no L3, the lowest of those.)
	UncoreCaches []UncoreCache `json:"uncoreCaches,omitempty"`
	// NoCacheIDs says that the kernel gives its caches no ids, as kernels
	// before 4.11 and many Arm machines do. The ids in this profile are then
	// derived: counted in the order of the lowest CPU of each cache.
	NoCacheIDs bool `json:"noCacheIDs,omitempty"`
	// MemoryBytes is the memory of the whole machine, in bytes.
	MemoryBytes uint64 `json:"memoryBytes"`
	// Notes say what detection found odd in the tree it read.
	Notes []string `json:"notes,omitempty"`
}

// CPU is one logical CPU. An offline CPU has what the kernel shows of it: an
// id and a NUMA node; the other ids are None.
type CPU struct {
	// ID is the kernel's number of the CPU.
	ID int `json:"id"`
	// Online says whether the kernel schedules on the CPU.
	Online bool `json:"online"`
	// Core is the kernel's core_id. It is unique within a socket at best;
	// Siblings is the truth about which CPUs share a core.
	Core int `json:"core"`
	// Socket is the kernel's physical_package_id, None when it gives none.
	Socket int `json:"socket"`
	// Package counts the sockets from 0 in the order of their lowest CPU, as
	// lscpu does: by the package_cpus masks, which are there even where every
	// physical_package_id is -1.
	Package int `json:"package"`
	// NUMANode is the node the CPU belongs to, None without NUMA.
	NUMANode int `json:"numaNode"`
	// UncoreCache is the id of the L3 cache, None without one.
	UncoreCache int `json:"uncoreCache"`
	// Die is the kernel's die_id, None when it gives none.
	Die int `json:"die"`
	// Cluster is the kernel's cluster_id, None when it gives none.
	Cluster int `json:"cluster"`
	// Book and Drawer are the levels above the socket on s390x, None elsewhere.
	Book   int `json:"book"`
	Drawer int `json:"drawer"`
	// Kind tells the core types of a hybrid machine apart: "P", "E" and "LP-E"
	// on x86, "capacity-718" and the like on Arm. It is empty where all cores
	// are alike.
	Kind string `json:"kind,omitempty"`
	// NoTopology says that the CPU is online and yet has no core_id or no
	// physical_package_id. The kubelet does not see such a CPU.
	NoTopology bool `json:"noTopology,omitempty"`
	// Siblings are all CPUs of the same core, this one included. An offline
	// CPU is its own only sibling, as in sysfs.
	Siblings cpuset.CPUSet `json:"-"`

	// home remembers the place of a CPU that was taken offline.
	home *home
}

// UncoreCache is one cache above level 2.
type UncoreCache struct {
	ID        int    `json:"id"`
	Level     int    `json:"level"`
	SizeBytes uint64 `json:"sizeBytes,omitempty"`
	// CPUs are the online CPUs that share the cache.
	CPUs cpuset.CPUSet `json:"-"`
}

// NUMANode is one memory node; it may have no CPUs, or no memory.
type NUMANode struct {
	ID int `json:"id"`
	// MemoryBytes is the node's MemTotal, in bytes.
	MemoryBytes uint64 `json:"memoryBytes"`
	// HugePages counts the pre-allocated huge pages by page size in bytes.
	HugePages map[uint64]uint64 `json:"hugePages,omitempty"`
	// AbsentCPUs are what the node's cpulist names beside the machine's CPUs:
	// kernels for s390x list every possible one.
	AbsentCPUs cpuset.CPUSet `json:"-"`
	// Distances holds the node's ACPI SLIT row, one value for each of
	// Profile.NUMANodes in that order. 10 is local, 255 unreachable.
	Distances []int `json:"distances,omitempty"`
}

// OnlineCPUs returns the CPUs the kernel schedules on.
func (p *Profile) OnlineCPUs() cpuset.CPUSet {
	ids := make([]int, 0, len(p.CPUs))
	for i := range p.CPUs {
		if p.CPUs[i].Online {
			ids = append(ids, p.CPUs[i].ID)
		}
	}
	return cpuset.New(ids...)
}

// AllCPUs returns every present CPU, offline ones included.
func (p *Profile) AllCPUs() cpuset.CPUSet {
	ids := make([]int, 0, len(p.CPUs))
	for i := range p.CPUs {
		ids = append(ids, p.CPUs[i].ID)
	}
	return cpuset.New(ids...)
}

// CPU returns the CPU with this id.
func (p *Profile) CPU(id int) (CPU, bool) {
	if i, ok := p.index(id); ok {
		return p.CPUs[i], true
	}
	return CPU{}, false
}

// index finds the place of a CPU in p.CPUs.
func (p *Profile) index(id int) (int, bool) {
	i := sort.Search(len(p.CPUs), func(i int) bool { return p.CPUs[i].ID >= id })
	return i, i < len(p.CPUs) && p.CPUs[i].ID == id
}

// Node returns the NUMA node with this id.
func (p *Profile) Node(id int) (NUMANode, bool) {
	for i := range p.NUMANodes {
		if p.NUMANodes[i].ID == id {
			return p.NUMANodes[i], true
		}
	}
	return NUMANode{}, false
}

// NodeIDs returns the ids of the NUMA nodes, in ascending order.
func (p *Profile) NodeIDs() []int {
	ids := make([]int, 0, len(p.NUMANodes))
	for i := range p.NUMANodes {
		ids = append(ids, p.NUMANodes[i].ID)
	}
	return ids
}

// CPUsInNode returns the CPUs of a NUMA node, offline ones included.
func (p *Profile) CPUsInNode(id int) cpuset.CPUSet {
	return p.CPUsWhere(func(c *CPU) bool { return c.NUMANode == id })
}

// CPUsWhere returns the CPUs for which keep says yes.
func (p *Profile) CPUsWhere(keep func(*CPU) bool) cpuset.CPUSet {
	var ids []int
	for i := range p.CPUs {
		if keep(&p.CPUs[i]) {
			ids = append(ids, p.CPUs[i].ID)
		}
	}
	return cpuset.New(ids...)
}

// Sockets returns the kernel's ids of the sockets that have an online CPU, in
// ascending order. None is among them when the kernel gives an online CPU no
// socket.
func (p *Profile) Sockets() []int {
	return p.distinct(func(c *CPU) int { return c.Socket })
}

// NumSockets counts the sockets as lscpu does, see CPU.Package.
func (p *Profile) NumSockets() int {
	n := 0
	for _, id := range p.distinct(func(c *CPU) int { return c.Package }) {
		if id != None {
			n++
		}
	}
	return n
}

// distinct returns the values that of gives for the online CPUs, ascending.
func (p *Profile) distinct(of func(*CPU) int) []int {
	seen := map[int]bool{}
	var ids []int
	for i := range p.CPUs {
		c := &p.CPUs[i]
		if id := of(c); c.Online && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// SMTLevel returns the largest number of online CPUs that share a core.
func (p *Profile) SMTLevel() int {
	level := 1
	for i := range p.CPUs {
		level = max(level, p.CPUs[i].Siblings.Size())
	}
	return level
}

// NumCores counts the cores that have an online CPU.
func (p *Profile) NumCores() int {
	n := 0
	for i := range p.CPUs {
		if c := &p.CPUs[i]; c.Online && lowest(c.Siblings) == c.ID {
			n++
		}
	}
	return n
}

// lowest returns the smallest id of a set, None for an empty one.
func lowest(set cpuset.CPUSet) int {
	least := None
	for _, id := range set.UnsortedList() {
		if least == None || id < least {
			least = id
		}
	}
	return least
}
