package explore

import (
	"encoding/json"
	"fmt"

	"github.com/pinlab/pinlab/hwprofiles"
)

// kubeletConfig draws a KubeletConfiguration for a machine. Options that upstream
// refuses together are drawn seldom: a kubelet that does not start shows little.
func kubeletConfig(d *drawer, p *hwprofiles.Profile) (config json.RawMessage, podLevel bool) {
	c := map[string]any{"cpuManagerPolicy": "static"}
	gates := map[string]bool{}
	options := map[string]string{}
	option := func(name string, of16 int) {
		if d.chance(of16) {
			options[name] = "true"
		}
	}
	option("full-pcpus-only", 4)
	if !d.chance(3) {
		option("prefer-align-cpus-by-uncorecache", 2)
	} else {
		option("distribute-cpus-across-numa", 8)
	}
	if options["full-pcpus-only"] == "" && len(options) == 0 {
		option("distribute-cpus-across-cores", 3)
	}
	option("strict-cpu-reservation", 3)
	podLevel = d.chance(5)
	topology := pick(d, "none", "best-effort", "restricted", "single-numa-node")
	if topology != "none" {
		c["topologyManagerPolicy"] = topology
	}
	if topology != "single-numa-node" {
		option("align-by-socket", 3)
	}
	if options["align-by-socket"] != "" || options["distribute-cpus-across-cores"] != "" {
		gates["CPUManagerPolicyAlphaOptions"] = true
	}
	// What is asked for a pod as a whole is given so under the pod scope alone.
	if d.chance(6) || podLevel && d.chance(6) {
		c["topologyManagerScope"] = "pod"
	}
	if d.chance(2) && topology != "none" {
		c["topologyManagerPolicyOptions"] = map[string]string{"prefer-closest-numa-nodes": "true"}
	}
	if podLevel {
		gates["PodLevelResourceManagers"] = true
	}
	for _, gate := range []string{"InPlacePodVerticalScalingExclusiveCPUs", "InPlacePodVerticalScalingExclusiveMemory"} {
		if d.chance(3) {
			gates[gate] = true
		}
	}
	if len(options) > 0 {
		c["cpuManagerPolicyOptions"] = options
	}
	if len(gates) > 0 {
		c["featureGates"] = gates
	}
	reserve(d, c, p)
	data, _ := json.Marshal(c) // maps of plain values always have a text
	return data, podLevel
}

// reserve draws what is kept back, and with it the memory manager's policy.
func reserve(d *drawer, c map[string]any, p *hwprofiles.Profile) {
	online := p.OnlineCPUs().List()
	kube := map[string]string{}
	switch d.n(5) {
	case 0:
		kube["cpu"] = pick(d, "500m", "1", "2", "1500m")
	case 1:
		c["reservedSystemCPUs"] = fmt.Sprintf("%d,%d", online[0], online[len(online)/2])
	case 2:
		c["reservedSystemCPUs"] = fmt.Sprint(online[d.n(len(online))])
	case 3:
		c["reservedSystemCPUs"] = fmt.Sprintf("%d,%d", online[d.n(len(online))], online[d.n(len(online))])
	default:
		c["reservedSystemCPUs"] = fmt.Sprint(online[0])
	}
	if !d.chance(6) {
		if len(kube) > 0 {
			c["kubeReserved"] = kube
		}
		return
	}
	c["memoryManagerPolicy"] = "Static"
	// The reserved memory must be what is reserved with the eviction threshold.
	c["evictionHard"] = map[string]string{"memory.available": "100Mi"}
	kube["memory"] = "412Mi"
	c["kubeReserved"] = kube
	var withMemory []int
	for _, n := range p.NUMANodes {
		if n.MemoryBytes > 1<<30 {
			withMemory = append(withMemory, n.ID)
		}
	}
	if len(withMemory) == 0 {
		withMemory = []int{0}
	}
	share := func(node int, memory string) any {
		return map[string]any{"numaNode": node, "limits": map[string]string{"memory": memory}}
	}
	list := []any{share(withMemory[0], "512Mi")}
	if len(withMemory) > 1 && d.chance(6) {
		list = []any{share(withMemory[0], "256Mi"), share(withMemory[1], "256Mi")}
	}
	c["reservedMemory"] = list
}
