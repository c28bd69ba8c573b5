package invariant_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

func TestAlignedWholeCores(t *testing.T) {
	full := func(c *observe.Config) { c.CPUManagerPolicyOptions["full-pcpus-only"] = "true" }
	run(t, []checkCase{
		{name: "a core", config: full, containers: []observe.Container{app("a", "app", "1,5")}},
		{
			name: "two halves", config: full, containers: []observe.Container{app("a", "app", "1-2")},
			want: invariant.Aligned, detail: "a/app holds part of a core: CPU 1 without its sibling 5, CPU 2 without its sibling 6",
		},
		{name: "two halves, not asked", containers: []observe.Container{app("a", "app", "1-2")}},
		{
			name: "said in another way", config: func(c *observe.Config) { c.CPUManagerPolicyOptions["full-pcpus-only"] = "T" },
			containers: []observe.Container{app("a", "app", "1")},
			want:       invariant.Aligned, detail: "a/app holds part of a core: CPU 1 without its sibling 5",
		},
		{
			name: "the sibling is offline", config: full, containers: []observe.Container{app("a", "app", "1")},
			machine: func(p *hwprofiles.Profile) {
				p.CPUs[5].Online, p.CPUs[5].Siblings = false, cpuset.New(5)
				p.CPUs[1].Siblings = cpuset.New(1)
			},
		},
		{
			name: "pods with pod-level resources divide their cores", config: func(c *observe.Config) { full(c); c.TopologyManagerScope = "pod" },
			containers: []observe.Container{app("a", "main", "1"), inPod("a", "log", "5")},
		},
		{
			name: "and hold whole ones", config: func(c *observe.Config) { full(c); c.TopologyManagerScope = "pod" },
			containers: []observe.Container{app("a", "main", "1"), inPod("a", "log", "2")},
			want:       invariant.Aligned, detail: "pod a holds part of a core: CPU 1 without its sibling 5, CPU 2 without its sibling 6",
		},
	})
}

func topology(policy, scope string, options ...string) func(*observe.Config) {
	return func(c *observe.Config) {
		c.TopologyManagerPolicy, c.TopologyManagerScope = policy, scope
		for _, o := range options {
			c.CPUManagerPolicyOptions[o] = "true"
		}
	}
}

// memory is topology with the memory manager's Static policy.
func memory(policy, scope string) func(*observe.Config) {
	return func(c *observe.Config) {
		topology(policy, scope)(c)
		c.MemoryManagerPolicy = "Static"
	}
}

// on puts the memory of containers on NUMA nodes.
func on(mems observe.CPUs, containers ...observe.Container) []observe.Container {
	for i := range containers {
		containers[i].Mems = mems
	}
	return containers
}

func TestAlignedNUMA(t *testing.T) {
	within := []observe.Container{app("a", "x", "1"), app("a", "y", "2,6")}
	across := []observe.Container{app("a", "x", "1-2")}
	run(t, []checkCase{
		{name: "single, container scope", config: topology("single-numa-node", "container"), containers: within},
		{name: "single, default scope", config: topology("single-numa-node", ""), containers: within},
		{
			name: "single, pod scope", config: topology("single-numa-node", "pod"), containers: within,
			want: invariant.Aligned, detail: "pod a holds 1-2,6 on NUMA nodes 0-1; single-numa-node allows one",
		},
		{
			name: "single, across", config: topology("single-numa-node", "container"), containers: across,
			want: invariant.Aligned, detail: "a/x holds 1-2 on NUMA nodes 0-1; single-numa-node allows one",
		},
		{
			name: "single, an init container that is done", config: topology("single-numa-node", "container"),
			containers: []observe.Container{initDone("a", "setup", "1-2"), app("a", "x", "1"), app("a", "y", "2")},
		},
		{
			name: "restricted, across", config: topology("restricted", "container"), containers: across,
			want: invariant.Aligned, detail: "a/x holds 1-2 on NUMA nodes 0-1; restricted allows 1 for 2 CPUs",
		},
		{
			name: "restricted, reserved CPUs count", config: topology("restricted", "container"),
			containers: []observe.Container{app("a", "x", "1-3,5")},
			want:       invariant.Aligned, detail: "a/x holds 1-3,5 on NUMA nodes 0-1; restricted allows 1 for 4 CPUs",
		},
		{
			name: "restricted, more than a node has", config: topology("restricted", "container"),
			containers: []observe.Container{app("a", "x", "1-3,5-6")},
		},
		{
			name: "restricted, pod scope", config: topology("restricted", "pod"), containers: within,
			want: invariant.Aligned, detail: "pod a holds 1-2,6 on NUMA nodes 0-1; restricted allows 1 for 3 CPUs",
		},
		{
			name: "restricted, pod scope, more than a node has", config: topology("restricted", "pod"),
			containers: []observe.Container{app("a", "x", "1,5"), app("a", "y", "2-3,6")},
		},
		{name: "best-effort", config: topology("best-effort", "container"), containers: across},
		{name: "single, memory beside", config: memory("single-numa-node", "container"), containers: append(on("0", app("a", "x", "1")), on("1", app("a", "y", "2,6"))...)},
		{
			name: "single, memory elsewhere", config: memory("single-numa-node", "container"), containers: on("1", app("a", "x", "1")),
			want: invariant.Aligned, detail: "a/x has its memory on NUMA node 1 and its CPUs on 0; single-numa-node allows one",
		},
		{
			name: "single, memory of a shared container on two", config: memory("single-numa-node", "container"), containers: on("0-1", shared("a", "x")),
			want: invariant.Aligned, detail: "a/x has its memory on NUMA node 0-1; single-numa-node allows one",
		},
		{
			name: "single, memory elsewhere, pod scope", config: memory("single-numa-node", "pod"), containers: append(on("0", app("a", "x", "1")), on("1", shared("a", "y"))...),
			want: invariant.Aligned, detail: "pod a has its memory on NUMA node 0-1 and its CPUs on 0; single-numa-node allows one",
		},
		{name: "restricted, memory elsewhere", config: memory("restricted", "container"), containers: on("1", app("a", "x", "1"))},
		{name: "single, nobody manages memory", config: topology("single-numa-node", "container"), containers: on("1", app("a", "x", "1"))},
		{name: "spread over cores", config: topology("best-effort", "container", "distribute-cpus-across-cores"), containers: across},
		{name: "none", config: topology("none", "container", "distribute-cpus-across-numa"), containers: across},
	})
}

func TestAlignedBySocket(t *testing.T) {
	g := NewWithT(t)
	// Two nodes a socket, one core of two threads a node: socket 0 is 0-3.
	p := machine(2, 2, 1, 2, false)
	o := node(p, "", app("a", "app", "1-2"))
	topology("restricted", "container")(&o.Config)
	g.Expect(invariant.Check(o, p)).To(HaveLen(1), "two nodes where one would do")
	o.Config.CPUManagerPolicyOptions["align-by-socket"] = "true"
	g.Expect(invariant.Check(o, p)).To(BeEmpty(), "one socket")

	o = node(p, "", app("a", "app", "3-4"))
	topology("restricted", "container", "align-by-socket")(&o.Config)
	g.Expect(invariant.Check(o, p)).To(Equal([]observe.Violation{{
		Invariant: invariant.Aligned,
		Detail:    "a/app holds 3-4 on sockets 0-1; restricted with align-by-socket allows 1 for 2 CPUs",
	}}))
}

func TestAlignedOnUnevenNodes(t *testing.T) {
	g := NewWithT(t)
	// Node 0 has six CPUs, node 1 two.
	p := machine(1, 2, 4, 1, true)
	p.CPUs[4].NUMANode, p.CPUs[5].NUMANode = 0, 0
	o := node(p, "", app("a", "app", "0-2,6-7"))
	topology("restricted", "container")(&o.Config)
	g.Expect(invariant.Check(o, p)).To(HaveLen(1), "five fit into node 0")
	o = node(p, "", app("a", "app", "0-4,6-7"))
	topology("restricted", "container")(&o.Config)
	g.Expect(invariant.Check(o, p)).To(BeEmpty(), "seven do not")
}

func TestAlignedWithoutNUMA(t *testing.T) {
	g := NewWithT(t)
	p := machine(1, 1, 4, 2, true)
	p.NUMANodes = nil
	for i := range p.CPUs {
		p.CPUs[i].NUMANode = hwprofiles.None
	}
	o := node(p, "0", app("a", "app", "1-3,5"))
	topology("single-numa-node", "pod")(&o.Config)
	g.Expect(invariant.Check(o, p)).To(BeEmpty())
}
