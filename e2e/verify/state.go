package verify

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// key names one container of one pod.
type key struct{ uid, name string }

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.uid, o.uid), cmp.Compare(k.name, o.name))
}

// cpuState is what all versions of cpu_manager_state have in common, and the
// pods' sets of those that have them. Checksums are for the kubelet's code.
type cpuState struct {
	policy string
	shared observe.CPUs
	held   map[key]observe.CPUs
	byPod  map[string]map[string]observe.CPUs // the same, by UID and name
	order  []key
	pods   map[string]observe.CPUs // of pods with CPUs as a whole
}

type cpuStateFields struct {
	PolicyName    string                       `json:"policyName"`
	DefaultCPUSet string                       `json:"defaultCpuSet"`
	Entries       map[string]map[string]string `json:"entries"`
	PodEntries    map[string]struct {
		CPUSet string `json:"cpuSet"`
	} `json:"podEntries"`
}

func parseCPUState(data []byte) (*cpuState, error) {
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	var doc struct {
		cpuStateFields
		Data string `json:"data"` // from 1.37 on, what counts
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	fields := doc.cpuStateFields
	if doc.Data != "" {
		fields = cpuStateFields{}
		if err := json.Unmarshal([]byte(doc.Data), &fields); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	}
	if fields.PolicyName == "" {
		return nil, errors.New("no policyName")
	}
	s := &cpuState{policy: fields.PolicyName, held: map[key]observe.CPUs{}, byPod: map[string]map[string]observe.CPUs{}, pods: map[string]observe.CPUs{}}
	var err error
	known := map[string]observe.CPUs{} // files may say the same very often
	parse := func(list string) (observe.CPUs, error) {
		cpus, ok := known[list]
		if ok {
			return cpus, nil
		}
		cpus, err := observe.ParseCPUs(list)
		if err == nil {
			known[list] = cpus
		}
		return cpus, err
	}
	if s.shared, err = parse(fields.DefaultCPUSet); err != nil {
		return nil, fmt.Errorf("defaultCpuSet: %w", err)
	}
	for uid, containers := range fields.Entries {
		s.byPod[uid] = map[string]observe.CPUs{}
		for name, list := range containers {
			cpus, err := parse(list)
			if err != nil {
				return nil, fmt.Errorf("entry %s/%s: %w", uid, name, err)
			}
			s.held[key{uid, name}], s.byPod[uid][name] = cpus, cpus
		}
	}
	s.order = slices.SortedFunc(maps.Keys(s.held), key.compare)
	for uid, pod := range fields.PodEntries {
		if s.pods[uid], err = parse(pod.CPUSet); err != nil {
			return nil, fmt.Errorf("pod entry %s: %w", uid, err)
		}
	}
	return s, nil
}

// keys are the entries in order.
func (s *cpuState) keys() []key {
	if s == nil {
		return nil
	}
	return s.order
}

// entriesOf are a pod's.
func (s *cpuState) entriesOf(uid string) map[string]observe.CPUs {
	if s == nil {
		return nil
	}
	return s.byPod[uid]
}

// memoryState is what all versions of memory_manager_state have in common.
type memoryState struct {
	policy string
	nodes  []observe.NUMAMemory
	held   map[key]observe.CPUs // NUMA nodes
}

type memoryStateFields struct {
	PolicyName   string `json:"policyName"`
	MachineState map[string]struct {
		MemoryMap map[string]struct {
			Allocatable uint64 `json:"allocatable"`
			Reserved    uint64 `json:"reserved"`
			Free        uint64 `json:"free"`
		} `json:"memoryMap"`
		Cells []int `json:"cells"`
	} `json:"machineState"`
	Entries map[string]map[string][]struct {
		NUMAAffinity []int  `json:"numaAffinity"`
		Type         string `json:"type"`
	} `json:"entries"`
}

func parseMemoryState(data []byte) (*memoryState, error) {
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	var doc struct {
		memoryStateFields
		Data string `json:"data"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	fields := doc.memoryStateFields
	if doc.Data != "" {
		fields = memoryStateFields{}
		if err := json.Unmarshal([]byte(doc.Data), &fields); err != nil {
			return nil, fmt.Errorf("data: %w", err)
		}
	}
	if fields.PolicyName == "" {
		return nil, errors.New("no policyName")
	}
	s := &memoryState{policy: fields.PolicyName, held: map[key]observe.CPUs{}}
	for id, node := range fields.MachineState {
		n, err := strconv.Atoi(id)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("machineState: NUMA node %q", id)
		}
		m := node.MemoryMap["memory"]
		s.nodes = append(s.nodes, observe.NUMAMemory{Node: n, Allocatable: m.Allocatable, Reserved: m.Reserved, Free: m.Free, Group: node.Cells})
	}
	slices.SortFunc(s.nodes, func(a, b observe.NUMAMemory) int { return a.Node - b.Node })
	for uid, containers := range fields.Entries {
		for name, blocks := range containers {
			nodes := cpuset.New()
			for _, b := range blocks {
				for _, n := range b.NUMAAffinity {
					if n < 0 || n > observe.MaxCPUID {
						return nil, fmt.Errorf("entry %s/%s: NUMA node %d", uid, name, n)
					}
				}
				nodes = nodes.Union(cpuset.New(b.NUMAAffinity...))
			}
			s.held[key{uid, name}] = observe.FromSet(nodes)
		}
	}
	return s, nil
}
