package measure

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// The fill levels; a share of the assignable CPUs like 25% is one, too.
const (
	FillEmpty      = "empty"
	FillHalf       = "half"
	FillFragmented = "fragmented"
	FillNearlyFull = "nearly-full"
)

// Fills are the fill levels that have names.
func Fills() []string { return []string{FillEmpty, FillHalf, FillFragmented, FillNearlyFull} }

// Layout is what a machine's CPUs are to the bench: the first core is reserved,
// the others can be given to pods.
type Layout struct {
	Reserved cpuset.CPUSet
	// Cores are the others, by NUMA node and then by their lowest CPU.
	Cores [][]int
	// all are the CPUs that the kubelet sees.
	all cpuset.CPUSet
}

// NewLayout lays out a machine's online CPUs.
func NewLayout(p *hwprofiles.Profile) (Layout, error) {
	visible := p.CPUsWhere(func(c *hwprofiles.CPU) bool { return c.Online && !c.NoTopology })
	type core struct {
		node int
		cpus []int
	}
	var cores []core
	for _, id := range visible.List() {
		c, _ := p.CPU(id)
		if list := c.Siblings.Intersection(visible).List(); len(list) > 0 && list[0] == id {
			cores = append(cores, core{c.NUMANode, list})
		}
	}
	if len(cores) < 2 {
		return Layout{}, fmt.Errorf("profile %s: %d core: one is reserved, and none is left for pods", p.Name, len(cores))
	}
	l := Layout{Reserved: cpuset.New(cores[0].cpus...), all: visible}
	cores = cores[1:]
	slices.SortStableFunc(cores, func(a, b core) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.cpus[0], b.cpus[0]))
	})
	for _, c := range cores {
		l.Cores = append(l.Cores, c.cpus)
	}
	return l, nil
}

// Assignable counts the CPUs that are not reserved.
func (l Layout) Assignable() int { return len(slices.Concat(l.Cores...)) }

// Residents are the CPUs of the pods that a fill level stands for, each of
// request CPUs. Where a pod of request CPUs can come, one more always can.
func (l Layout) Residents(fill string, request int) ([][]int, error) {
	total := l.Assignable()
	if request < 1 || request > total {
		return nil, fmt.Errorf("request %d: want 1 to %d CPUs, which is what can be assigned", request, total)
	}
	list, pods := slices.Concat(l.Cores...), 0
	switch fill {
	case FillEmpty:
	case FillHalf:
		pods = total / 2 / request
	case FillNearlyFull:
		pods = total/request - 1
	case FillFragmented:
		list = nil
		for i := 1; i < len(l.Cores); i += 2 {
			list = append(list, l.Cores[i]...)
		}
		pods = min(len(list), total-request) / request
	default:
		percent, err := ParsePercent(fill)
		if err != nil {
			return nil, err
		}
		pods = min(total*percent/100, total-request) / request
	}
	residents := [][]int{}
	for i := range pods {
		residents = append(residents, list[i*request:(i+1)*request])
	}
	return residents, nil
}

// ParsePercent reads a fill level like 25%.
func ParsePercent(fill string) (int, error) {
	number, ok := strings.CutSuffix(fill, "%")
	percent, err := strconv.Atoi(number)
	if !ok || err != nil || percent < 0 || percent > 100 {
		return 0, fmt.Errorf("fill %q: want %s, or a share like 25%%", fill, strings.Join(Fills(), ", "))
	}
	return percent, nil
}

// state is the CPU manager's state file with these residents.
func (l Layout) state(c record.Config, residents [][]int) ([]byte, error) {
	s := kubelet.CPUState{Policy: c.Policy, Entries: map[kubelet.ContainerKey]observe.CPUs{}}
	if c.Policy == PolicyStatic {
		pool := l.all
		if c.Options[optionStrict] == "true" {
			pool = pool.Difference(l.Reserved)
		}
		for i, cpus := range residents {
			pool = pool.Difference(cpuset.New(cpus...))
			for k, n := range spread(len(cpus), c.Containers) {
				key := kubelet.ContainerKey{PodUID: "uid-" + residentName(i), Name: containerName(k)}
				s.Entries[key] = observe.FromSet(cpuset.New(cpus[:n]...))
				cpus = cpus[n:]
			}
		}
		s.SharedPool = observe.FromSet(pool)
	}
	return kubelet.BuildCPUState("v4", s, kubelet.ChecksumValid)
}
