package hwprofiles

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/google/cadvisor/lib/model"
	"k8s.io/utils/cpuset"
)

// Report is a profile with everything spelled out, and beside it the kubelet's
// view. Its JSON form is stable; sets of CPUs are kernel list strings.
type Report struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Sources     []string `json:"sources,omitempty"`
	Arch        string   `json:"arch,omitempty"`

	OnlineCPUs   string `json:"onlineCPUs"`
	OfflineCPUs  string `json:"offlineCPUs"`
	PossibleCPUs string `json:"possibleCPUs"`
	NumSockets   int    `json:"numSockets"`
	NumCores     int    `json:"numCores"`
	SMTLevel     int    `json:"smtLevel"`
	// SiblingRule says in words which CPUs share a core.
	SiblingRule string `json:"siblingRule"`
	MemoryBytes uint64 `json:"memoryBytes"`

	CPUs         []ReportCPU   `json:"cpus"`
	NUMANodes    []ReportNode  `json:"numaNodes"`
	UncoreCaches []ReportCache `json:"uncoreCaches"`
	NoCacheIDs   bool          `json:"noCacheIDs,omitempty"`
	Notes        []string      `json:"notes,omitempty"`

	// KubeletView is nil for a machine that the kubelet cannot read;
	// KubeletError then says so, and why if that is known.
	KubeletView  *KubeletView `json:"kubeletView,omitempty"`
	KubeletError string       `json:"kubeletError,omitempty"`
	Differences  []string     `json:"differences"`
}

// ReportCPU is a CPU with its siblings.
type ReportCPU struct {
	CPU
	SiblingCPUs string `json:"siblings"`
}

// ReportNode is a NUMA node with its CPUs.
type ReportNode struct {
	ID          int    `json:"id"`
	CPUs        string `json:"cpus"`
	OfflineCPUs string `json:"offlineCPUs,omitempty"`
	// AbsentCPUs are listed in the node and do not exist.
	AbsentCPUs  string `json:"absentCPUs,omitempty"`
	MemoryBytes uint64 `json:"memoryBytes"`
	// HugePages counts pages by size, like "2MiB".
	HugePages map[string]uint64 `json:"hugePages,omitempty"`
	Distances []int             `json:"distances"`
}

// ReportCache is an L3 cache with its CPUs.
type ReportCache struct {
	UncoreCache
	SharedCPUs string `json:"cpus"`
}

// KubeletView is a machine as cadvisor shows it to the kubelet.
type KubeletView struct {
	NumCPUs          int           `json:"numCPUs"`
	NumPhysicalCores int           `json:"numPhysicalCores"`
	NumSockets       int           `json:"numSockets"`
	MemoryBytes      uint64        `json:"memoryBytes"`
	CPUs             []KubeletCPU  `json:"cpus"`
	NUMANodes        []KubeletNode `json:"numaNodes"`
}

// KubeletCPU is one CPU as cadvisor shows it.
type KubeletCPU struct {
	ID       int `json:"id"`
	Core     int `json:"core"`
	Socket   int `json:"socket"`
	NUMANode int `json:"numaNode"`
	// UncoreCache is the first uncore cache of the core. None stands for no
	// cache smaller than a NUMA node; the CPU manager then aligns to the
	// socket.
	UncoreCache int    `json:"uncoreCache"`
	Siblings    string `json:"siblings"`
}

// KubeletNode is one NUMA node as cadvisor shows it.
type KubeletNode struct {
	ID          int      `json:"id"`
	CPUs        string   `json:"cpus"`
	MemoryBytes uint64   `json:"memoryBytes"`
	Distances   []uint64 `json:"distances"`
	// NodeCaches are caches above level 2 that the whole node shares.
	NodeCaches []int `json:"nodeCaches,omitempty"`
}

// NewReport puts a profile and the kubelet's view of it side by side. mi is
// the profile's MachineInfo, or for a detected machine that of
// DetectMachineInfo. It is nil for a machine that the kubelet cannot read; see
// Unreadable.
func NewReport(p *Profile, mi *model.MachineInfo) Report {
	online := p.OnlineCPUs()
	r := Report{
		Name: p.Name, Description: p.Description, Sources: slices.Clone(p.Sources), Arch: p.Arch,
		OnlineCPUs:   online.String(),
		OfflineCPUs:  p.AllCPUs().Difference(online).String(),
		PossibleCPUs: p.Possible.String(),
		NumSockets:   p.NumSockets(),
		NumCores:     p.NumCores(),
		SMTLevel:     p.SMTLevel(),
		SiblingRule:  p.siblingRule(),
		MemoryBytes:  p.MemoryBytes,
		CPUs:         make([]ReportCPU, 0, len(p.CPUs)),
		NUMANodes:    make([]ReportNode, 0, len(p.NUMANodes)),
		UncoreCaches: make([]ReportCache, 0, len(p.UncoreCaches)),
		NoCacheIDs:   p.NoCacheIDs,
		Notes:        slices.Clone(p.Notes),
		KubeletView:  newKubeletView(mi),
		Differences:  Differences(p, mi),
	}
	if mi == nil {
		r.KubeletError = unreadable
	}
	for _, c := range p.CPUs {
		r.CPUs = append(r.CPUs, ReportCPU{c, c.Siblings.String()})
	}
	for _, n := range p.NUMANodes {
		cpus := p.CPUsInNode(n.ID)
		rn := ReportNode{
			ID: n.ID, CPUs: cpus.Intersection(online).String(), OfflineCPUs: cpus.Difference(online).String(),
			AbsentCPUs: n.AbsentCPUs.String(), MemoryBytes: n.MemoryBytes, Distances: append([]int{}, n.Distances...),
		}
		if len(n.HugePages) > 0 {
			rn.HugePages = map[string]uint64{}
			for size, count := range n.HugePages {
				rn.HugePages[formatSize(size)] = count
			}
		}
		r.NUMANodes = append(r.NUMANodes, rn)
	}
	for _, u := range p.UncoreCaches {
		r.UncoreCaches = append(r.UncoreCaches, ReportCache{u, u.CPUs.String()})
	}
	return r
}

const unreadable = "the kubelet cannot read this machine"

// Unreadable is the report of a machine that the kubelet cannot read, with the
// reason.
func Unreadable(p *Profile, why error) Report {
	r := NewReport(p, nil)
	r.KubeletError = fmt.Sprintf("%s: %v", unreadable, why)
	return r
}

// newKubeletView shows what cadvisor found; nothing found is no view.
func newKubeletView(mi *model.MachineInfo) *KubeletView {
	if mi == nil {
		return nil
	}
	v := &KubeletView{
		NumCPUs: mi.NumCores, NumPhysicalCores: mi.NumPhysicalCores, NumSockets: mi.NumSockets, MemoryBytes: mi.MemoryCapacity,
		CPUs: []KubeletCPU{}, NUMANodes: []KubeletNode{},
	}
	for _, n := range mi.Topology {
		var ids []int
		for _, core := range n.Cores {
			uncore := None
			if len(core.UncoreCaches) > 0 {
				uncore = core.UncoreCaches[0].Id
			}
			siblings := cpuset.New(core.Threads...).String()
			for _, id := range core.Threads {
				v.CPUs = append(v.CPUs, KubeletCPU{id, core.Id, core.SocketID, n.Id, uncore, siblings})
				ids = append(ids, id)
			}
		}
		kn := KubeletNode{ID: n.Id, CPUs: cpuset.New(ids...).String(), MemoryBytes: n.Memory, Distances: append([]uint64{}, n.Distances...)}
		for _, c := range n.Caches {
			kn.NodeCaches = append(kn.NodeCaches, c.Id)
		}
		v.NUMANodes = append(v.NUMANodes, kn)
	}
	slices.SortStableFunc(v.CPUs, func(a, b KubeletCPU) int { return a.ID - b.ID })
	slices.SortStableFunc(v.NUMANodes, func(a, b KubeletNode) int { return a.ID - b.ID })
	return v
}

// siblingRule says which CPUs share a core: none, neighbours, a fixed step, or
// by example.
func (p *Profile) siblingRule() string {
	if p.SMTLevel() == 1 {
		return "no SMT"
	}
	steps := map[int]bool{}
	single := false
	example := ""
	for i := range p.CPUs {
		c := &p.CPUs[i]
		if !c.Online || lowest(c.Siblings) != c.ID {
			continue
		}
		ids := c.Siblings.List()
		single = single || len(ids) == 1
		if example == "" && len(ids) > 1 {
			example = c.Siblings.String()
		}
		for j := 1; j < len(ids); j++ {
			steps[ids[j]-ids[j-1]] = true
		}
	}
	rule := "irregular, such as " + example
	if len(steps) == 1 {
		for step := range steps {
			rule = "cpu+" + strconv.Itoa(step)
			if step == 1 {
				rule = "neighbours, such as " + example
			}
		}
	}
	if single {
		rule += "; some cores have one CPU"
	}
	return rule
}

// sizeText writes a size for people: with one decimal, without a trailing .0.
func sizeText(n uint64) string {
	for _, u := range sizeUnits()[:4] {
		if n >= u.bytes {
			tenths := (n*10 + u.bytes/2) / u.bytes
			if tenths%10 == 0 || tenths >= 1000 {
				return fmt.Sprintf("%d %s", (tenths+5)/10, u.name)
			}
			return fmt.Sprintf("%d.%d %s", tenths/10, tenths%10, u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}
