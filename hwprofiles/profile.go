// Package hwprofiles describes machines, CPU by CPU: the embedded library of
// real servers, machines detected from a sysfs tree, and machines written down
// as a short shape. Every machine is given twice: as its kernel describes it
// (Profile) and as the kubelet sees it (Profile.MachineInfo, read by cadvisor's
// own code).
//
// The package is a leaf: it knows nothing of kubelets or scenarios.
package hwprofiles

import (
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
	// CPUs holds every present CPU in the order of its id; ids may have holes.
	CPUs []CPU `json:"cpus"`
	// NUMANodes holds every NUMA node in the order of its id; ids may have
	// holes. It is empty when the kernel has no node directory.
	NUMANodes []NUMANode `json:"numaNodes"`
	// MemoryBytes is the memory of the whole machine, in bytes.
	MemoryBytes uint64 `json:"memoryBytes"`
}

// CPU is one logical CPU.
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
	// NUMANode is the node the CPU belongs to, None without NUMA.
	NUMANode int `json:"numaNode"`
	// UncoreCache is the id of the last-level (L3) cache, None without one.
	UncoreCache int `json:"uncoreCache"`
	// Siblings are all CPUs of the same core, this one included. An offline
	// CPU is its own only sibling, as in sysfs.
	Siblings cpuset.CPUSet `json:"-"`
}

// NUMANode is one memory node; it may have no CPUs, or no memory.
type NUMANode struct {
	ID int `json:"id"`
	// MemoryBytes is the node's MemTotal, in bytes.
	MemoryBytes uint64 `json:"memoryBytes"`
	// HugePages counts the pre-allocated huge pages by page size in bytes.
	HugePages map[uint64]uint64 `json:"hugePages,omitempty"`
	// Distances holds the node's ACPI SLIT row, one value for each of
	// Profile.NUMANodes in that order. 10 is local, 255 unreachable.
	Distances []int `json:"distances,omitempty"`
}

// OnlineCPUs returns the CPUs the kernel schedules on.
func (p *Profile) OnlineCPUs() cpuset.CPUSet {
	ids := make([]int, 0, len(p.CPUs))
	for _, c := range p.CPUs {
		if c.Online {
			ids = append(ids, c.ID)
		}
	}
	return cpuset.New(ids...)
}

// AllCPUs returns every present CPU, offline ones included.
func (p *Profile) AllCPUs() cpuset.CPUSet {
	ids := make([]int, 0, len(p.CPUs))
	for _, c := range p.CPUs {
		ids = append(ids, c.ID)
	}
	return cpuset.New(ids...)
}

// CPU returns the CPU with this id.
func (p *Profile) CPU(id int) (CPU, bool) {
	for _, c := range p.CPUs {
		if c.ID == id {
			return c, true
		}
	}
	return CPU{}, false
}
