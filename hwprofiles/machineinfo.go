package hwprofiles

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/google/cadvisor/lib/model"
	"github.com/google/cadvisor/lib/utils/sysinfo"
)

// MachineInfo returns the machine as the kubelet sees it: cadvisor's own
// reader over the profile's facts. It is the same for the same profile, and
// keeps cadvisor's quirks: nodes and CPUs come in the order of their text
// (node0, node1, node10), an offline CPU is missing, and so is one without a
// topology directory. The caches below L3 are left out; the kubelet does not
// look at them.
func (p *Profile) MachineInfo() (*model.MachineInfo, error) {
	nodes, cpus, err := sysinfo.GetNodesInfo(newMemSysFs(p))
	if err != nil {
		return nil, fmt.Errorf("cadvisor cannot read profile %s: %w", p.Name, err)
	}
	if len(p.NUMANodes) == 0 {
		sortPackages(nodes)
	}
	cores, sockets := p.countAsCadvisor()
	return &model.MachineInfo{
		NumCores:         cpus,
		NumPhysicalCores: cores,
		NumSockets:       sockets,
		MemoryCapacity:   p.MemoryBytes,
		HugePages:        p.hugePages(),
		Topology:         nodes,
		CloudProvider:    model.UnknownProvider,
		InstanceType:     model.UnknownInstance,
	}, nil
}

// sortPackages orders the nodes that cadvisor makes of packages where there is
// no NUMA; it takes them from a map.
func sortPackages(nodes []model.Node) {
	slices.SortFunc(nodes, func(a, b model.Node) int { return cmp.Compare(a.Id, b.Id) })
}

// countAsCadvisor counts cores and sockets as cadvisor does. On x86 it counts
// the distinct "core id" and "physical id" lines of /proc/cpuinfo, so cores
// that have the same id in two sockets count once; elsewhere there are no such
// lines and it counts the distinct topology files.
func (p *Profile) countAsCadvisor() (cores, sockets int) {
	seen := make([]cpuIDs, 0, len(p.CPUs))
	for i := range p.CPUs {
		if c := &p.CPUs[i]; c.Online {
			seen = append(seen, cpuIDs{core: c.Core, socket: c.Socket, missing: c.NoTopology})
		}
	}
	if isX86(p.Arch) {
		return countCPUInfo(seen)
	}
	return countTopologyFiles(seen)
}

func isX86(arch string) bool {
	return arch == "x86_64" || arch == "i386" || arch == "i686" || arch == ""
}

// cpuIDs is what cadvisor's counts look at.
type cpuIDs struct {
	core, socket int
	missing      bool
}

func countCPUInfo(cpus []cpuIDs) (cores, sockets int) {
	cores, sockets = countTopologyFiles(cpus)
	inCores, inSockets := countLines(cpus)
	return cmp.Or(inCores, cores), cmp.Or(inSockets, sockets)
}

// countLines counts the distinct ids in /proc/cpuinfo; it knows no negative
// ones.
func countLines(cpus []cpuIDs) (cores, sockets int) {
	coreIDs, socketIDs := map[int]bool{}, map[int]bool{}
	for _, c := range cpus {
		if c.core >= 0 {
			coreIDs[c.core] = true
		}
		if c.socket >= 0 {
			socketIDs[c.socket] = true
		}
	}
	return len(coreIDs), len(socketIDs)
}

// countTopologyFiles counts distinct pairs of an id and the package; a missing
// file counts as 0.
func countTopologyFiles(cpus []cpuIDs) (cores, sockets int) {
	coreIDs, socketIDs := map[[2]int]bool{}, map[int]bool{}
	for _, c := range cpus {
		if c.missing {
			c.core, c.socket = 0, 0
		}
		coreIDs[[2]int{c.core, c.socket}] = true
		socketIDs[c.socket] = true
	}
	return len(coreIDs), len(socketIDs)
}

// hugePages adds up the nodes' huge pages, ordered as cadvisor lists them.
func (p *Profile) hugePages() []model.HugePagesInfo {
	total := map[uint64]uint64{}
	for i := range p.NUMANodes {
		for size, count := range p.NUMANodes[i].HugePages {
			total[size] += count
		}
	}
	var pages []model.HugePagesInfo
	for size, count := range total {
		pages = append(pages, model.HugePagesInfo{PageSize: size / 1024, NumPages: count})
	}
	slices.SortFunc(pages, func(a, b model.HugePagesInfo) int {
		return cmp.Compare(hugePagesDir(a.PageSize*1024), hugePagesDir(b.PageSize*1024))
	})
	return pages
}
