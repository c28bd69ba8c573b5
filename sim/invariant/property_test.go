package invariant_test

import (
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// allocator hands out whole cores of one NUMA node: the simplest that keeps
// every promise.
type allocator struct {
	free map[int][]cpuset.CPUSet // by node
}

func newAllocator(p *hwprofiles.Profile, reserved cpuset.CPUSet) *allocator {
	a := &allocator{free: map[int][]cpuset.CPUSet{}}
	for _, c := range p.CPUs {
		if c.Siblings.List()[0] == c.ID && c.Siblings.Intersection(reserved).IsEmpty() {
			a.free[c.NUMANode] = append(a.free[c.NUMANode], c.Siblings)
		}
	}
	return a
}

func (a *allocator) take(node, cores int) (cpuset.CPUSet, bool) {
	if len(a.free[node]) < cores {
		return cpuset.New(), false
	}
	taken := cpuset.New().Union(a.free[node][:cores]...)
	a.free[node] = a.free[node][cores:]
	return taken, true
}

// drawMachine draws a regular machine.
func drawMachine(t *rapid.T) *hwprofiles.Profile {
	return machine(rapid.IntRange(1, 4).Draw(t, "sockets"), rapid.IntRange(1, 3).Draw(t, "nodesPerSocket"),
		rapid.IntRange(2, 6).Draw(t, "coresPerNode"), rapid.SampledFrom([]int{1, 2, 4}).Draw(t, "threads"),
		rapid.Bool().Draw(t, "block"))
}

// drawNode fills a machine with pods, as a manager without faults would.
func drawNode(t *rapid.T, p *hwprofiles.Profile) observe.Observation {
	reserved := p.CPUs[0].Siblings
	a := newAllocator(p, reserved)
	var containers []observe.Container
	for i := range rapid.IntRange(1, 8).Draw(t, "pods") {
		containers = append(containers, drawPod(t, a, p, fmt.Sprintf("pod-%d", i))...)
	}
	o := node(p, "")
	o.Config.Reserved = observe.FromSet(reserved)
	o.Config.TopologyManagerPolicy = rapid.SampledFrom([]string{"none", "best-effort", "restricted", "single-numa-node"}).Draw(t, "policy")
	o.Config.TopologyManagerScope = rapid.SampledFrom([]string{"container", "pod"}).Draw(t, "scope")
	o.Config.CPUManagerPolicyOptions["full-pcpus-only"] = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "full")
	o.Config.CPUManagerPolicyOptions["strict-cpu-reservation"] = rapid.SampledFrom([]string{"true", "false"}).Draw(t, "strict")
	o.Containers = containers
	settle(&o)
	return o
}

// drawPod draws one pod: of the shared pool when it does not fit.
func drawPod(t *rapid.T, a *allocator, p *hwprofiles.Profile, pod string) []observe.Container {
	node := rapid.SampledFrom(p.NodeIDs()).Draw(t, "node")
	own, ok := a.take(node, rapid.IntRange(1, 3).Draw(t, "cores"))
	if !ok || rapid.IntRange(0, 3).Draw(t, "shared") == 0 {
		a.free[node] = append(a.free[node], cores(p, own)...)
		return []observe.Container{shared(pod, "app")}
	}
	main := app(pod, "app", observe.FromSet(own))
	if rapid.Bool().Draw(t, "waiting") {
		main.State, main.Actual = observe.StateWaiting, ""
	}
	var containers []observe.Container
	if rapid.Bool().Draw(t, "init") {
		containers = append(containers, initDone(pod, "setup", main.Assigned))
	}
	if side, ok := a.take(node, 1); ok {
		if rapid.Bool().Draw(t, "sidecar") {
			containers = append(containers, sidecar(pod, "proxy", observe.FromSet(side)))
		} else {
			a.free[node] = append(a.free[node], side)
		}
	}
	return append(containers, main)
}

// cores cuts a set into its cores.
func cores(p *hwprofiles.Profile, s cpuset.CPUSet) []cpuset.CPUSet {
	var out []cpuset.CPUSet
	for _, id := range s.List() {
		if c, _ := p.CPU(id); c.Siblings.List()[0] == id {
			out = append(out, c.Siblings)
		}
	}
	return out
}

func TestACorrectAllocatorBreaksNothing(t *testing.T) {
	checker := invariant.NewChecker()
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		p := drawMachine(t)
		o := drawNode(t, p)
		g.Expect(invariant.Check(o, p)).To(BeEmpty())
		g.Expect(checker.Check(o, p)).To(BeEmpty())
	})
}

// corruptions are faults of a node by the invariant that sees them. One
// returns false when the node has nothing to break in this way.
func corruptions(p *hwprofiles.Profile) map[string]func(*rapid.T, *observe.Observation) bool {
	pick := func(t *rapid.T, o *observe.Observation, ok func(observe.Container) bool) *observe.Container {
		var found []int
		for i, c := range o.Containers {
			if ok(c) {
				found = append(found, i)
			}
		}
		if len(found) == 0 {
			return nil
		}
		return &o.Containers[rapid.SampledFrom(found).Draw(t, "container")]
	}
	running := func(c observe.Container) bool { return c.State == observe.StateRunning }
	owner := func(c observe.Container) bool { return c.Exclusive && c.Kind != observe.KindInit }
	return map[string]func(*rapid.T, *observe.Observation) bool{
		invariant.ExclusiveDisjoint: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, owner)
			if a == nil {
				return false
			}
			b := pick(t, o, func(c observe.Container) bool { return owner(c) && c.Ref() != a.Ref() })
			if b == nil {
				return false
			}
			b.Assigned = observe.FromSet(b.Assigned.Set().Union(cpuset.New(a.Assigned.Set().List()[0])))
			return true
		},
		invariant.ExclusiveIsolated: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, func(c observe.Container) bool { return owner(c) && running(c) })
			if a == nil {
				return false
			}
			b := pick(t, o, func(c observe.Container) bool { return running(c) && c.Ref() != a.Ref() })
			if b == nil {
				return false
			}
			b.Actual = observe.FromSet(b.Actual.Set().Union(a.Assigned.Set()))
			return true
		},
		invariant.PoolAccounted: func(t *rapid.T, o *observe.Observation) bool {
			spare := o.SharedPool.Set().Difference(o.Config.Reserved.Set())
			if spare.IsEmpty() {
				return false
			}
			o.SharedPool = observe.FromSet(o.SharedPool.Set().Difference(cpuset.New(rapid.SampledFrom(spare.List()).Draw(t, "cpu"))))
			for i := range o.Containers {
				if c := &o.Containers[i]; !c.Exclusive {
					c.Assigned = o.SharedPool
				}
			}
			return true
		},
		invariant.ReservedNotExclusive: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, owner)
			if a == nil {
				return false
			}
			a.Assigned = observe.FromSet(a.Assigned.Set().Union(o.Config.Reserved.Set()))
			return true
		},
		invariant.ExclusiveCount: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, owner)
			if a == nil {
				return false
			}
			a.Requested++
			return true
		},
		invariant.CheckpointInSync: func(t *rapid.T, o *observe.Observation) bool {
			if len(o.Checkpoint.Entries) == 0 {
				o.Checkpoint = nil
				return true
			}
			i := rapid.IntRange(0, len(o.Checkpoint.Entries)-1).Draw(t, "entry")
			o.Checkpoint.Entries = slices.Delete(o.Checkpoint.Entries, i, i+1)
			return true
		},
		invariant.CgroupInSync: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, func(c observe.Container) bool { return running(c) && c.Actual != "" })
			if a == nil {
				return false
			}
			a.Actual = observe.FromSet(a.Actual.Set().Difference(cpuset.New(a.Actual.Set().List()[0])))
			return true
		},
		invariant.NoLeak: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, owner)
			if a == nil {
				return false
			}
			o.Stale = append(o.Stale, observe.Assignment{Pod: "uid", Container: a.Container, CPUs: a.Assigned})
			return true
		},
		invariant.ThreadsInCgroup: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, running)
			if a == nil {
				return false
			}
			a.Threads = []observe.CPUs{"4095"}
			return true
		},
		invariant.Aligned: func(t *rapid.T, o *observe.Observation) bool {
			a := pick(t, o, owner)
			if a == nil || o.Config.CPUManagerPolicyOptions["full-pcpus-only"] != "true" {
				return false
			}
			first := a.Assigned.Set().List()[0]
			a.Assigned = observe.FromSet(a.Assigned.Set().Difference(cpuset.New(first)))
			return a.Assigned != ""
		},
		invariant.RestartStarts: func(_ *rapid.T, o *observe.Observation) bool {
			o.UnchangedRestart, o.Kubelet = true, observe.KubeletFailed
			return true
		},
		invariant.RestartKeepsPods: func(_ *rapid.T, o *observe.Observation) bool {
			o.UnchangedRestart = true
			o.Admissions = []observe.Admission{{Pod: "ran", Readmission: true, Reason: "TopologyAffinityError"}}
			return true
		},
		invariant.RoomAdmits: func(_ *rapid.T, o *observe.Observation) bool {
			free := o.SharedPool.Set().Difference(o.Config.Reserved.Set())
			if free.IsEmpty() || o.Config.CPUManagerPolicyOptions["full-pcpus-only"] == "true" {
				return false
			}
			o.Config.MemoryManagerPolicy = "None"
			o.Admissions = []observe.Admission{{Pod: "new", ExclusiveCPUs: 1, Reason: "UnexpectedAdmissionError"}}
			return true
		},
		invariant.RoomAligns: func(_ *rapid.T, o *observe.Observation) bool {
			// A container on a CPU of each of two NUMA nodes, one of which had both.
			o.Config.MemoryManagerPolicy, o.Config.TopologyManagerPolicy, o.Config.CPUManagerPolicyOptions = "None", "best-effort", nil
			free := o.SharedPool.Set().Difference(o.Config.Reserved.Set())
			for _, a := range free.List() {
				there := cpuset.New()
				for _, b := range free.List() {
					if nodeOf(p, a) == nodeOf(p, b) {
						there = there.Union(cpuset.New(b))
					}
				}
				if elsewhere := free.Difference(there); there.Size() > 1 && !elsewhere.IsEmpty() {
					cpus := cpuset.New(a, elsewhere.List()[0])
					o.SharedPool = observe.FromSet(o.SharedPool.Set().Difference(cpus))
					o.Containers = append(o.Containers, app("placed", "app", observe.FromSet(cpus)))
					o.Admissions = []observe.Admission{{Pod: "placed", Admitted: true, ExclusiveCPUs: 2}}
					return true
				}
			}
			return false
		},
		invariant.MemoryAccounted: func(t *rapid.T, o *observe.Observation) bool {
			o.NUMAMemory = []observe.NUMAMemory{{Allocatable: 100, Free: rapid.Uint64Range(0, 99).Draw(t, "free")}}
			return true
		},
	}
}

func nodeOf(p *hwprofiles.Profile, id int) int {
	c, _ := p.CPU(id)
	return c.NUMANode
}

func TestEveryCorruptionIsSeen(t *testing.T) {
	for _, name := range invariant.Names() {
		t.Run(name, func(t *testing.T) {
			checker := invariant.NewChecker()
			seen := 0
			rapid.Check(t, func(t *rapid.T) {
				g := NewWithT(t)
				p := drawMachine(t)
				o := drawNode(t, p)
				if !corruptions(p)[name](t, &o) || (name == invariant.Aligned && p.SMTLevel() == 1) {
					return
				}
				seen++
				found := checker.Check(o, p)
				g.Expect(found).To(ContainElement(HaveField("Invariant", name)))
				g.Expect(invariant.Check(o, p)).To(Equal(found))
			})
			NewWithT(t).Expect(seen).To(BeNumerically(">", 0), "the corruption was never possible")
		})
	}
}
