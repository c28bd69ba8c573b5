package scenarios

import (
	"slices"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// celVars lays out what is seen for expressions. Every field is always there,
// so that no expression fails for a field that happens to be empty. The pods
// are those on the node and those just answered, not all there ever were: an
// expectation must not cost more the later it comes.
func celVars(seen *Seen) map[string]any {
	o := &seen.Observation
	containers := make([]any, 0, len(o.Containers))
	byRef := make(map[string]any, len(o.Containers))
	pods := map[string]any{}
	for i := range o.Containers {
		c := celContainer(&o.Containers[i])
		containers = append(containers, c)
		byRef[o.Containers[i].Ref()] = c
		pods[o.Containers[i].Pod] = celPod(o.Containers[i].QoS, seen.Admissions[o.Containers[i].Pod])
	}
	for _, a := range o.Admissions {
		if _, ok := pods[a.Pod]; !ok {
			pods[a.Pod] = celPod("", a)
		}
	}
	lines := make([]string, len(seen.Log))
	for i := range seen.Log {
		lines[i] = seen.Log[i].Text
	}
	broken := []string{}
	for _, v := range seen.Violations {
		if !slices.Contains(broken, v.Invariant) {
			broken = append(broken, v.Invariant)
		}
	}
	return map[string]any{
		"kubelet": string(o.Kubelet), "kubeletError": o.KubeletError,
		"config": map[string]any{
			"cpuManagerPolicy": o.Config.CPUManagerPolicy, "cpuManagerPolicyOptions": o.Config.CPUManagerPolicyOptions,
			"topologyManagerPolicy": o.Config.TopologyManagerPolicy, "topologyManagerScope": o.Config.TopologyManagerScope,
			"memoryManagerPolicy": o.Config.MemoryManagerPolicy, "reserved": string(o.Config.Reserved),
		},
		"online": string(o.Online), "reserved": string(o.Config.Reserved), "sharedPool": string(o.SharedPool),
		"containers": containers, "container": byRef, "pods": pods, "admissions": celAdmissions(o.Admissions), "resizes": celAdmissions(o.Resizes),
		"stale": celAssignments(o.Stale), "checkpoint": celCheckpoint(o),
		"violations": broken, "log": lines, "profile": func() any { return celProfile(seen.Profile) }, // made when it is asked for
		"metrics":      map[string]any{"exclusiveCPUs": seen.Told.ExclusiveCPUs, "sharedPoolMilliCPUs": seen.Told.SharedPoolMilliCPUs},
		"podResources": celListed(seen.Told.PodResources), "cpuMax": seen.Told.CPUMax,
	}
}

func celAdmissions(list []observe.Admission) []any {
	out := make([]any, 0, len(list))
	for _, a := range list {
		out = append(out, map[string]any{
			"pod": a.Pod, "admitted": a.Admitted, "reason": a.Reason, "message": a.Message, "readmission": a.Readmission,
		})
	}
	return out
}

func celListed(list []observe.ListedContainer) map[string]any {
	out := make(map[string]any, len(list))
	for _, c := range list {
		out[c.Pod+"/"+c.Container] = map[string]any{"cpus": string(c.CPUs), "memoryBytes": int64(c.MemoryBytes)}
	}
	return out
}

func celContainer(c *observe.Container) map[string]any {
	return map[string]any{
		"pod": c.Pod, "container": c.Container, "ref": c.Ref(), "kind": string(c.Kind), "state": string(c.State),
		"qos": c.QoS, "requested": c.Requested, "exclusive": c.Exclusive,
		"assigned": string(c.Assigned), "actual": string(c.Actual),
		"numaNodes": c.NUMANodes, "mems": string(c.Mems), "devices": c.Devices, "reason": c.Reason,
	}
}

func celPod(qos string, a observe.Admission) map[string]any {
	return map[string]any{"qos": qos, "admitted": a.Admitted, "reason": a.Reason, "message": a.Message, "readmission": a.Readmission}
}

func celAssignments(list []observe.Assignment) []any {
	out := make([]any, 0, len(list))
	for _, a := range list {
		out = append(out, map[string]any{"pod": a.Pod, "container": a.Container, "ref": a.Pod + "/" + a.Container, "cpus": string(a.CPUs)})
	}
	return out
}

func celCheckpoint(o *observe.Observation) map[string]any {
	c := observe.Checkpoint{}
	if o.Checkpoint != nil {
		c = *o.Checkpoint
	}
	entries := make(map[string]any, len(c.Entries))
	for _, e := range c.Entries {
		entries[e.Pod+"/"+e.Container] = string(e.CPUs)
	}
	return map[string]any{
		"exists": o.Checkpoint != nil || o.CheckpointError != "", "error": o.CheckpointError,
		"policy": c.Policy, "sharedPool": string(c.SharedPool), "entries": entries,
	}
}

func celProfile(p *hwprofiles.Profile) map[string]any {
	if p == nil {
		p = &hwprofiles.Profile{}
	}
	nodes := make([]any, 0, len(p.NUMANodes))
	for i := range p.NUMANodes {
		n := &p.NUMANodes[i]
		cpus := p.CPUsWhere(func(c *hwprofiles.CPU) bool { return c.NUMANode == n.ID && c.Online })
		nodes = append(nodes, map[string]any{"id": n.ID, "cpus": cpus.String(), "memoryBytes": int64(n.MemoryBytes)})
	}
	return map[string]any{
		"name": p.Name, "online": p.OnlineCPUs().String(), "smt": p.SMTLevel(), "sockets": p.NumSockets(),
		"cores": p.NumCores(), "numaNodes": nodes,
	}
}
