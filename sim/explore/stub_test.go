package explore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// bug is a mutation of the stub's policy.
type bug string

const (
	noBug            bug = ""
	offByOne         bug = "a release forgets the last CPU"
	forgottenSibling bug = "an allocation leaves the second threads in the pool"
	lostEntry        bug = "a restart loses the last entry"
	doubleAllocation bug = "a start after a kill hands assigned CPUs out again"
	initLeak         bug = "the CPUs of init containers are not used again"
	hang             bug = "the third pod is never answered"
)

// stub is a node with the simplest policy that keeps the invariants, and a bug in it.
// Its state file is saved after each change; a kill at a write loses the change.
type stub struct {
	bug     bug
	profile *hwprofiles.Profile
	online  cpuset.CPUSet
	running bool
	crashed bool // the last end was a kill
	pool    cpuset.CPUSet
	entries map[[2]string]cpuset.CPUSet
	file    *stubFile
	pods    []*stubPod
	kill    int // the write that kills, 0 for none
	started bool
	loaded  bool // some start has succeeded
}

type stubFile struct {
	pool    cpuset.CPUSet
	entries map[[2]string]cpuset.CPUSet
}

type stubPod struct {
	spec     *v1.Pod
	rejected bool
	asked    bool // a kubelet has answered
}

const stubReserved = 0

func newStub(b bug) Setup {
	return func(_ *scenarios.Scenario, p *hwprofiles.Profile) (Node, error) {
		return &stub{bug: b, profile: p, online: p.OnlineCPUs(), entries: map[[2]string]cpuset.CPUSet{}}, nil
	}
}

func (n *stub) Close() error                       { return nil }
func (n *stub) Log() []observe.LogLine             { return nil }
func (n *stub) Statements(func(observe.Statement)) {}
func (n *stub) Profile() *hwprofiles.Profile       { return n.profile }

func (n *stub) Apply(_ context.Context, event scenarios.Event) error {
	switch e := event.(type) {
	case scenarios.StartKubelet:
		if n.running {
			return scenarios.ErrMisuse
		}
		n.start()
	case scenarios.RestartKubelet:
		n.crashed = n.crashed && !n.running
		n.start()
	case scenarios.StopKubelet:
		if !n.running {
			return scenarios.ErrMisuse
		}
		n.running, n.crashed = false, false
	case scenarios.KillKubelet:
		n.running, n.crashed = false, true
	case scenarios.KillAtCheckpointWrite:
		n.kill = e.Nth
	case scenarios.CreatePod:
		p := &stubPod{spec: e.Pod}
		n.pods = append(n.pods, p)
		if n.running {
			n.admit(p)
		}
	case scenarios.DeletePod:
		n.delete(e.Pod)
	case scenarios.Reconcile:
	case scenarios.EditStateFile, scenarios.WriteStateFile, scenarios.LimitOpenFiles, scenarios.ClearFaults:
		return scenarios.ErrMisuse // it has no files
	default:
		return scenarios.ErrUnsupported
	}
	return nil
}

// save writes the state file; false means that the kubelet was killed before it.
func (n *stub) save() bool {
	if n.kill > 0 {
		if n.kill--; n.kill == 0 {
			n.running, n.crashed = false, true
			return false
		}
	}
	n.file = &stubFile{n.pool, maps.Clone(n.entries)}
	return true
}

func (n *stub) start() {
	n.running, n.started = true, true
	n.pool, n.entries = n.online, map[[2]string]cpuset.CPUSet{}
	if n.file != nil {
		n.pool, n.entries = n.file.pool, maps.Clone(n.file.entries)
	}
	keys := slices.SortedFunc(maps.Keys(n.entries), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	if n.bug == lostEntry && n.loaded && len(keys) > 0 {
		last := keys[len(keys)-1]
		n.pool = n.pool.Union(n.entries[last])
		delete(n.entries, last)
	}
	if n.bug == doubleAllocation && n.crashed {
		n.pool = n.online
	}
	n.loaded, n.crashed = true, false
	for key := range n.entries {
		if n.find(key[0]) == nil {
			n.release(key)
		}
	}
	for _, p := range n.pods {
		if !p.asked && n.running {
			n.admit(p)
		}
	}
}

func (n *stub) find(name string) *stubPod {
	for _, p := range n.pods {
		if p.spec.Name == name {
			return p
		}
	}
	return nil
}

func wanted(c *v1.Container) int {
	q := c.Resources.Limits[v1.ResourceCPU]
	if q.MilliValue()%1000 != 0 {
		return 0
	}
	return int(q.Value())
}

func (n *stub) admit(p *stubPod) {
	if n.bug == hang && len(n.pods) == 3 {
		select {}
	}
	before := n.pool
	var entries [][2]string
	reuse := cpuset.New()
	all := append(slices.Clone(p.spec.Spec.InitContainers), p.spec.Spec.Containers...)
	for i := range all {
		isInit := i < len(p.spec.Spec.InitContainers)
		cpus, ok := n.take(wanted(&all[i]), reuse)
		if !ok {
			for _, key := range entries {
				delete(n.entries, key)
			}
			n.pool, p.rejected, p.asked = before, true, true
			return
		}
		if cpus.IsEmpty() {
			continue
		}
		key := [2]string{p.spec.Name, all[i].Name}
		entries = append(entries, key)
		n.entries[key] = cpus
		switch {
		case isInit && n.bug != initLeak:
			reuse = reuse.Union(cpus)
		default:
			reuse = reuse.Difference(cpus)
		}
	}
	if n.bug != initLeak { // what no later container uses goes back
		n.trim(p, reuse)
	}
	p.asked = n.save() // a kubelet killed before it has not answered
}

// trim gives back what only init containers held: they have ended.
func (n *stub) trim(p *stubPod, left cpuset.CPUSet) {
	for i := range p.spec.Spec.InitContainers {
		delete(n.entries, [2]string{p.spec.Name, p.spec.Spec.InitContainers[i].Name})
	}
	n.pool = n.pool.Union(left)
}

func (n *stub) take(count int, reuse cpuset.CPUSet) (cpuset.CPUSet, bool) {
	free := n.pool.Difference(cpuset.New(stubReserved)).List()
	from := append(reuse.List(), free...)
	if count > len(from) {
		return cpuset.New(), false
	}
	cpus := cpuset.New(from[:count]...)
	taken := cpus
	if n.bug == forgottenSibling {
		half := n.online.Size() / 2
		var first []int
		for _, id := range cpus.List() {
			if id < half {
				first = append(first, id)
			}
		}
		taken = cpuset.New(first...)
	}
	n.pool = n.pool.Difference(taken)
	return cpus, true
}

func (n *stub) release(key [2]string) {
	list := n.entries[key].List()
	if n.bug == offByOne && len(list) > 0 {
		list = list[:len(list)-1]
	}
	delete(n.entries, key)
	n.pool = n.pool.Union(cpuset.New(list...))
}

func (n *stub) delete(name string) {
	n.pods = slices.DeleteFunc(n.pods, func(p *stubPod) bool { return p.spec.Name == name })
	if !n.running {
		return
	}
	for _, key := range slices.Collect(maps.Keys(n.entries)) {
		if key[0] == name {
			n.release(key)
		}
	}
	n.save()
}

func (n *stub) Observe(context.Context) (observe.Observation, error) {
	o := observe.Observation{
		Kubelet: observe.KubeletStopped, Online: observe.FromSet(n.online), SharedPool: observe.FromSet(n.pool), Started: n.started,
		Config: observe.Config{CPUManagerPolicy: "static", Reserved: observe.CPUs(fmt.Sprint(stubReserved))},
	}
	n.started = false
	if !n.running {
		return o, nil
	}
	o.Kubelet = observe.KubeletRunning
	for _, p := range n.pods {
		for i := range p.spec.Spec.InitContainers {
			n.see(&o, p, &p.spec.Spec.InitContainers[i], observe.KindInit, observe.StateTerminated)
		}
		for i := range p.spec.Spec.Containers {
			n.see(&o, p, &p.spec.Spec.Containers[i], observe.KindApp, observe.StateRunning)
		}
	}
	o.Checkpoint = &observe.Checkpoint{Policy: "static", SharedPool: o.SharedPool}
	for _, key := range slices.SortedFunc(maps.Keys(n.entries), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		o.Checkpoint.Entries = append(o.Checkpoint.Entries, observe.Assignment{Pod: key[0], Container: key[1], CPUs: observe.FromSet(n.entries[key])})
	}
	return o, nil
}

func (n *stub) see(o *observe.Observation, p *stubPod, c *v1.Container, kind observe.ContainerKind, state observe.ContainerState) {
	oc := observe.Container{Pod: p.spec.Name, Container: c.Name, Kind: kind, State: state, Assigned: o.SharedPool}
	if p.rejected {
		oc.State, oc.Assigned = observe.StateTerminated, ""
	} else {
		oc.Requested = wanted(c)
	}
	if cpus, ok := n.entries[[2]string{p.spec.Name, c.Name}]; ok {
		oc.Exclusive, oc.Assigned = true, observe.FromSet(cpus)
	}
	if oc.State == observe.StateRunning {
		oc.Actual = oc.Assigned
	}
	o.Containers = append(o.Containers, oc)
}
