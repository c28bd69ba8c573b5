package repro

import (
	"encoding/json"
	"fmt"

	cadvisor "github.com/google/cadvisor/lib/model"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
)

// kubeletConfig are the settings that the managers are made of.
type kubeletConfig struct {
	CPUManagerPolicy        string            `json:"cpuManagerPolicy"`
	CPUManagerPolicyOptions map[string]string `json:"cpuManagerPolicyOptions"`
	TopologyPolicy          string            `json:"topologyManagerPolicy"`
	TopologyScope           string            `json:"topologyManagerScope"`
	TopologyOptions         map[string]string `json:"topologyManagerPolicyOptions"`
	MemoryPolicy            string            `json:"memoryManagerPolicy"`
	ReservedMemory          []struct {
		NumaNode int32           `json:"numaNode"`
		Limits   v1.ResourceList `json:"limits"`
	} `json:"reservedMemory"`
	ReservedSystemCPUs string            `json:"reservedSystemCPUs"`
	KubeReserved       map[string]string `json:"kubeReserved"`
	SystemReserved     map[string]string `json:"systemReserved"`
	EvictionHard       map[string]string `json:"evictionHard"`
	FeatureGates       map[string]bool   `json:"featureGates"`
}

// configOf is the literal of the test's config for a KubeletConfiguration, with the
// defaults and the arithmetic of the kubelet's command.
func configOf(data json.RawMessage) (map[string]any, error) {
	c := kubeletConfig{CPUManagerPolicy: "none", TopologyPolicy: "none", TopologyScope: "container", MemoryPolicy: "None"}
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	cpu, memory := resource.Quantity{}, resource.MustParse("100Mi")
	if text, ok := c.EvictionHard["memory.available"]; ok {
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return nil, fmt.Errorf("%w: evictionHard memory.available %s", ErrCannot, text)
		}
		memory = q
	}
	for _, list := range []map[string]string{c.KubeReserved, c.SystemReserved} {
		for name, sum := range map[string]*resource.Quantity{"cpu": &cpu, "memory": &memory} {
			if text, ok := list[name]; ok {
				q, err := resource.ParseQuantity(text)
				if err != nil {
					return nil, fmt.Errorf("reserved %s: %w", name, err)
				}
				sum.Add(q)
			}
		}
	}
	if c.ReservedSystemCPUs != "" {
		set, err := cpuset.Parse(c.ReservedSystemCPUs)
		if err != nil {
			return nil, fmt.Errorf("reservedSystemCPUs: %w", err)
		}
		cpu = *resource.NewQuantity(int64(set.Size()), resource.DecimalSI)
	}
	reservation := v1.ResourceList{v1.ResourceMemory: memory}
	if !cpu.IsZero() {
		reservation[v1.ResourceCPU] = cpu
	}
	return map[string]any{
		"CPUManagerPolicy": c.CPUManagerPolicy, "CPUManagerPolicyOptions": c.CPUManagerPolicyOptions,
		"TopologyPolicy": c.TopologyPolicy, "TopologyScope": c.TopologyScope, "TopologyOptions": c.TopologyOptions,
		"MemoryPolicy": c.MemoryPolicy, "ReservedMemory": c.ReservedMemory, "ReservedCPUs": c.ReservedSystemCPUs,
		"Reservation": reservation, "FeatureGates": c.FeatureGates,
	}, nil
}

// machineInfo is as much of a machine as the managers look at.
func machineInfo(p *hwprofiles.Profile) (map[string]any, error) {
	m, err := p.MachineInfo()
	if err != nil {
		return nil, err
	}
	// The uncore caches alone matter of the caches.
	nodes := make([]cadvisor.Node, len(m.Topology))
	copy(nodes, m.Topology)
	info := map[string]any{
		"num_cores": m.NumCores, "num_physical_cores": m.NumPhysicalCores, "num_sockets": m.NumSockets,
		"memory_capacity": m.MemoryCapacity, "topology": nodes,
	}
	if len(m.HugePages) > 0 {
		info["hugepages"] = m.HugePages
	}
	return info, nil
}

func setOf(id int) cpuset.CPUSet { return cpuset.New(id) }
