package invariant_test

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// smallMachine has two sockets of one NUMA node each, two cores a socket and
// two threads a core, the second threads numbered after all first ones:
// node 0 is 0-1,4-5, node 1 is 2-3,6-7, and the siblings of 0-3 are 4-7.
func smallMachine() *hwprofiles.Profile { return machine(2, 1, 2, 2, true) }

// machine makes a regular machine. With block numbering the second threads
// follow all first ones, else the threads of a core are neighbours.
func machine(sockets, nodesPerSocket, coresPerNode, threads int, block bool) *hwprofiles.Profile {
	cores := sockets * nodesPerSocket * coresPerNode
	p := &hwprofiles.Profile{Name: fmt.Sprintf("test-%d-%d-%d-%d", sockets, nodesPerSocket, coresPerNode, threads)}
	p.CPUs = make([]hwprofiles.CPU, cores*threads)
	for core := range cores {
		ids := make([]int, threads)
		for t := range ids {
			ids[t] = core*threads + t
			if block {
				ids[t] = core + t*cores
			}
		}
		for _, id := range ids {
			p.CPUs[id] = hwprofiles.CPU{
				ID: id, Online: true, Core: core,
				Socket: core / (nodesPerSocket * coresPerNode), Package: core / (nodesPerSocket * coresPerNode),
				NUMANode: core / coresPerNode, UncoreCache: core / coresPerNode,
				Die: hwprofiles.None, Cluster: hwprofiles.None, Book: hwprofiles.None, Drawer: hwprofiles.None,
				Siblings: cpuset.New(ids...),
			}
		}
	}
	for id := range sockets * nodesPerSocket {
		p.NUMANodes = append(p.NUMANodes, hwprofiles.NUMANode{ID: id, MemoryBytes: 1 << 30})
	}
	return p
}

// app returns a running app container with CPUs of its own.
func app(pod, name string, cpus observe.CPUs) observe.Container {
	return observe.Container{
		Pod: pod, Container: name, Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed",
		Requested: cpus.Set().Size(), Exclusive: true, Assigned: cpus, Actual: cpus,
	}
}

// initDone returns an init container that has ended.
func initDone(pod, name string, cpus observe.CPUs) observe.Container {
	c := app(pod, name, cpus)
	c.Kind, c.State, c.Actual = observe.KindInit, observe.StateTerminated, ""
	return c
}

// sidecar returns a running sidecar.
func sidecar(pod, name string, cpus observe.CPUs) observe.Container {
	c := app(pod, name, cpus)
	c.Kind = observe.KindSidecar
	return c
}

// shared returns a running container of the shared pool; node fills in which.
func shared(pod, name string) observe.Container {
	return observe.Container{
		Pod: pod, Container: name, Kind: observe.KindApp, State: observe.StateRunning, QoS: "Burstable",
	}
}

// node returns what a node looks like when everything is right: CPU 0 and its
// sibling reserved, the given containers, the rest of the machine shared.
func node(p *hwprofiles.Profile, reserved observe.CPUs, containers ...observe.Container) observe.Observation {
	o := observe.Observation{
		Kubelet: observe.KubeletRunning,
		Config: observe.Config{
			CPUManagerPolicy: "static", CPUManagerPolicyOptions: map[string]string{},
			TopologyManagerPolicy: "none", TopologyManagerScope: "container", Reserved: reserved,
		},
		Online:     observe.FromSet(p.OnlineCPUs()),
		Containers: containers,
		Reconciled: true,
	}
	settle(&o)
	return o
}

// settle derives the shared pool, the shared containers and the state file
// from the assignments.
func settle(o *observe.Observation) {
	pool := o.Online.Set()
	if o.Config.CPUManagerPolicyOptions["strict-cpu-reservation"] == "true" {
		pool = pool.Difference(o.Config.Reserved.Set())
	}
	file := &observe.Checkpoint{Policy: "static"}
	for _, c := range o.Containers {
		if c.Exclusive || c.Assigned != "" {
			pool = pool.Difference(c.Assigned.Set())
			file.Entries = append(file.Entries, observe.Assignment{Pod: c.Pod, Container: c.Container, CPUs: c.Assigned})
		}
	}
	pods := map[string]cpuset.CPUSet{}
	for _, c := range o.Containers {
		if c.PodShared {
			pods[c.Pod] = cpuset.New()
		}
	}
	for _, c := range o.Containers {
		if set, ok := pods[c.Pod]; ok {
			pods[c.Pod] = set.Union(c.Assigned.Set())
		}
	}
	for _, pod := range slices.Sorted(maps.Keys(pods)) {
		o.PodCPUs = append(o.PodCPUs, observe.Assignment{Pod: pod, CPUs: observe.FromSet(pods[pod])})
	}
	for _, a := range o.Stale {
		pool = pool.Difference(a.CPUs.Set())
		file.Entries = append(file.Entries, a)
	}
	o.SharedPool = observe.FromSet(pool)
	for i := range o.Containers {
		if c := &o.Containers[i]; !c.Exclusive && c.Assigned == "" {
			c.Assigned = o.SharedPool
			if c.State == observe.StateRunning {
				c.Actual = o.SharedPool
			}
		}
	}
	file.SharedPool = o.SharedPool
	o.Checkpoint = file
}
