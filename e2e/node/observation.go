package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// Observe implements scenarios.Target.
func (t *Target) Observe(ctx context.Context) (observe.Observation, error) {
	if err := t.look(ctx); err != nil {
		return observe.Observation{}, err
	}
	unread := slices.Clone(t.facts.Unread)
	for _, g := range t.facts.Groups {
		for _, what := range g.Unread {
			unread = append(unread, g.Path+": "+what)
		}
	}
	if len(unread) > 0 {
		return observe.Observation{}, fmt.Errorf("unread on the node: %s", strings.Join(unread, "; "))
	}
	o := t.observation()
	if t.facts.ResourcesUnread != "" {
		o.Unread = []string{t.facts.ResourcesUnread}
	}
	if why := t.memory(&o); why != "" {
		o.Unread = append(o.Unread, why)
	}
	o.Started, o.UnchangedRestart, o.Reconciled = t.started, t.started && t.restart.unchanged, t.ticked
	t.started = false
	o.Resizes, t.resizes = t.resizes, nil
	o.Admissions = t.admissions()
	return o, nil
}

// admissions are the answers of the kubelet that have not been told yet.
func (t *Target) admissions() []observe.Admission {
	if !t.running {
		return nil
	}
	static := t.observedConfig().MemoryManagerPolicy == "Static"
	var out []observe.Admission
	for _, p := range t.pods {
		if p.gone || !p.asked || p.over || p.reported {
			continue
		}
		a := observe.Admission{Pod: p.spec.Name, Admitted: true, Readmission: p.told}
		switch {
		case p.rejected():
			a.Admitted, a.Reason, a.Message = false, p.status.Reason, p.status.Message
			p.over = true
		case p.denied != nil:
			// The status does not say it: the pod ran before the kubelet was
			// restarted, and the exit codes of the containers that house keeping
			// ended have become the pod's phase.
			a.Admitted, a.Reason, a.Message = false, p.denied.reason, observe.Rejected+p.denied.message
			p.over = true
		}
		scenarios.AskedFor(&a, p.spec, static, func(c *corev1.Container) int {
			cpus, _ := t.opts.Pinning(t.config, p.spec, c)
			return cpus
		})
		p.told = true
		p.reported = true
		out = append(out, a)
	}
	return out
}

// rejected says that the kubelet did not admit the pod: it has a reason and
// none of its containers has one.
func (p *pod) rejected() bool {
	return p.status.Phase == corev1.PodFailed && p.status.Reason != ""
}

// observation is what the facts amount to.
func (t *Target) observation() observe.Observation {
	f := t.facts
	o := observe.Observation{Kubelet: observe.KubeletStopped, Online: f.Online, Config: t.observedConfig(), Containers: []observe.Container{}}
	switch {
	case t.running:
		o.Kubelet = observe.KubeletRunning
		if o.Config.CPUManagerPolicy == "static" && f.Allocatable != "" {
			o.Config.Reserved = observe.FromSet(o.Online.Set().Difference(f.Allocatable.Set()))
		}
	case t.failed:
		o.Kubelet, o.KubeletError = observe.KubeletFailed, f.Kubelet.Fatal
	}
	state, err := t.state()
	if err != nil {
		o.CheckpointError = err.Error()
	}
	if state != nil {
		o.SharedPool = state.SharedPool
		o.Checkpoint = &observe.Checkpoint{Policy: state.Policy, SharedPool: o.SharedPool, Entries: t.assignments(state, nil)}
	}
	if o.SharedPool == "" && (state == nil || len(state.Entries) == 0) && o.Config.CPUManagerPolicy != "static" {
		o.SharedPool = o.Online // the none policy keeps no sets
	}
	if pool, differs := t.memoryPool(state); differs {
		o.SharedPool = pool
	}
	groups, seen := t.groups(), map[string]bool{}
	for _, p := range t.pods {
		if p.gone && !t.lives(p) {
			continue
		}
		for i := range p.spec.Spec.InitContainers {
			o.Containers = append(o.Containers, t.container1(p, &p.spec.Spec.InitContainers[i], scenarios.InitKind(&p.spec.Spec.InitContainers[i]), &o, state, groups, seen))
		}
		for i := range p.spec.Spec.Containers {
			o.Containers = append(o.Containers, t.container1(p, &p.spec.Spec.Containers[i], observe.KindApp, &o, state, groups, seen))
		}
		for _, c := range p.ephemeral {
			o.Containers = append(o.Containers, t.container1(p, c, observe.KindEphemeral, &o, state, groups, seen))
		}
	}
	o.Sandboxes = t.sandboxes()
	if t.running && state != nil {
		o.PodCPUs = t.podCPUs(state)
	}
	if state != nil {
		o.Stale = t.assignments(state, seen)
	}
	return o
}

// lives says that a container of the pod still has a process.
func (t *Target) lives(p *pod) bool {
	return slices.ContainsFunc(t.facts.Groups, func(g cgroup.Group) bool {
		return g.PodUID == string(p.spec.UID) && len(g.Processes) > 0
	})
}

func (t *Target) container1(p *pod, c *corev1.Container, kind observe.ContainerKind, o *observe.Observation, state *observe.StateFile, groups map[string]cgroup.Group, seen map[string]bool) observe.Container {
	oc := observe.Container{
		Pod: p.spec.Name, Container: c.Name, Kind: kind, State: observe.StateWaiting,
		QoS: string(p.status.QOSClass), Assigned: o.SharedPool,
	}
	s := p.containerStatus(c.Name)
	if s != nil {
		switch {
		case s.State.Running != nil:
			oc.State = observe.StateRunning
		case s.State.Terminated != nil:
			oc.State = observe.StateTerminated
		}
		if oc.State != observe.StateRunning && s.State.Waiting != nil && s.LastTerminationState.Terminated != nil {
			oc.State = observe.StateTerminated // it waits to be started again
		}
	}
	oc.Requested, oc.Reason = t.opts.Pinning(t.config, p.spec, c)
	if cpus, ok := t.exclusive(p, c.Name, state); ok {
		oc.Assigned, oc.Exclusive = cpus, true
		oc.NUMANodes = numaNodes(t.profile, oc.Assigned)
		if !p.done() && !p.gone {
			seen[string(p.spec.UID)+"/"+c.Name] = true
		}
	}
	if cpus := t.podShared(p, c.Name, state); cpus != "" {
		oc.Assigned, oc.PodShared = cpus, true
		oc.NUMANodes = numaNodes(t.profile, cpus)
		oc.Reason += observe.SharesPod + string(state.PodCPUs[string(p.spec.UID)])
		seen[string(p.spec.UID)+"/"+c.Name] = true
	}
	if p.rejected() {
		switch {
		case s == nil && p.ran[c.Name]:
			oc.State = observe.StateTerminated // before a reboot; the rejection has emptied the status
		case s != nil && s.State.Terminated != nil && s.State.Terminated.Reason == "ContainerStatusUnknown" && !p.ran[c.Name]:
			oc.State = observe.StateWaiting // a restarted kubelet's guess at one that never ran
		}
		oc.Requested, oc.Assigned, oc.Reason = 0, "", "rejected: "+p.status.Reason
	}
	if s == nil {
		return oc
	}
	if g, ok := groups[containerID(s)]; ok && len(g.Processes) > 0 {
		oc.State = observe.StateRunning
		oc.Actual, oc.Mems = g.Effective, t.mems(p, c.Name, g)
		oc.Configured, oc.Threads = configured(g), threads(g)
		p.ran[c.Name] = true
	} else if oc.State == observe.StateRunning && !t.running {
		oc.State = observe.StateTerminated // the kubelet has not noticed yet
	}
	return oc
}

// state is the state file as the kubelet reads it; nil without an error is no
// file.
func (t *Target) state() (*observe.StateFile, error) {
	if !t.facts.CPUState.Exists {
		return nil, nil
	}
	return t.opts.Read(t.facts.CPUState.Data)
}

// exclusive are the CPUs that the manager assigned to a container alone: as the
// running kubelet says, which may know more than it could write to its state
// file; otherwise as the file says. (The podresources API is silent on init
// containers, except sidecars, and on pods that have ended.)
func (t *Target) exclusive(p *pod, container string, state *observe.StateFile) (observe.CPUs, bool) {
	if cpus, known := t.facts.Resources[p.spec.Namespace+"/"+p.spec.Name+"/"+container]; known && !p.gone {
		return cpus, cpus != ""
	}
	if state == nil {
		return "", false
	}
	cpus, ok := state.Entries[string(p.spec.UID)][container]
	return cpus, ok
}

// podShared are the CPUs of its pod that a container shares with others of the
// pod (pod-level resources): the state file has them under its name, and the
// podresources API does not call them its own.
func (t *Target) podShared(p *pod, container string, state *observe.StateFile) observe.CPUs {
	own, known := t.facts.Resources[p.spec.Namespace+"/"+p.spec.Name+"/"+container]
	if p.spec.Spec.Resources == nil || state == nil || !known || own != "" || p.gone || p.done() {
		return ""
	}
	return state.Entries[string(p.spec.UID)][container]
}

// memoryPool is the shared pool that the running kubelet works with, where its
// state file is behind: all CPUs of the file without the exclusive ones.
func (t *Target) memoryPool(state *observe.StateFile) (observe.CPUs, bool) {
	if state == nil || t.facts.Resources == nil {
		return "", false
	}
	pool, differs := state.SharedPool.Set(), false
	taken := cpuset.New()
	for _, p := range t.pods {
		for _, c := range append(slices.Clone(p.spec.Spec.InitContainers), p.spec.Spec.Containers...) {
			file := state.Entries[string(p.spec.UID)][c.Name]
			now, _ := t.exclusive(p, c.Name, state)
			if now == "" {
				now = t.podShared(p, c.Name, state)
			}
			differs = differs || now != file
			pool, taken = pool.Union(file.Set()), taken.Union(now.Set())
		}
	}
	return observe.FromSet(pool.Difference(taken)), differs
}

// configured is what a cgroup was given, when the kernel says something else.
func configured(g cgroup.Group) observe.CPUs {
	if g.CPUs == g.Effective {
		return ""
	}
	return g.CPUs
}

// sandboxes are the running cgroups of pods that are none of their containers',
// in the order of the pods.
func (t *Target) sandboxes() []observe.Sandbox {
	containers := map[string]bool{}
	for _, p := range t.pods {
		for _, s := range p.statuses() {
			containers[containerID(&s)] = true
		}
	}
	var out []observe.Sandbox
	for _, p := range t.pods {
		for _, g := range t.facts.Groups {
			if g.PodUID == string(p.spec.UID) && len(g.Processes) > 0 && !containers[g.ContainerID] {
				out = append(out, observe.Sandbox{Pod: p.spec.Name, Actual: g.Effective, Configured: configured(g), Threads: threads(g)})
			}
		}
	}
	return out
}

// threads is where the threads of a container may run, when that is not what
// its cgroup says: each set once, in order.
func threads(g cgroup.Group) []observe.CPUs {
	sets := map[string]bool{}
	for _, p := range g.Processes {
		for cpus := range p.Threads {
			if cpus != g.Effective {
				sets[string(cpus)] = true
			}
		}
	}
	var out []observe.CPUs
	for _, s := range sortedNames(sets) {
		out = append(out, observe.CPUs(s))
	}
	return out
}

func numaNodes(p *hwprofiles.Profile, cpus observe.CPUs) []int {
	var nodes []int
	for _, id := range cpus.Set().List() {
		if c, ok := p.CPU(id); ok && c.NUMANode != hwprofiles.None {
			nodes = append(nodes, c.NUMANode)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// assignments lists entries by pod name, those in skip left out.
func (t *Target) assignments(s *observe.StateFile, skip map[string]bool) []observe.Assignment {
	var out []observe.Assignment
	for uid, containers := range s.Entries {
		for name, cpus := range containers {
			if skip[uid+"/"+name] {
				continue
			}
			pod := t.names[uid]
			if pod == "" {
				pod = uid
			}
			out = append(out, observe.Assignment{Pod: pod, Container: name, CPUs: cpus})
		}
	}
	slices.SortFunc(out, func(a, b observe.Assignment) int {
		return slices.Compare([]string{a.Pod, a.Container}, []string{b.Pod, b.Container})
	})
	return out
}

// observedConfig is the part of the configuration that invariants look at, with
// the kubelet's defaults.
func (t *Target) observedConfig() observe.Config {
	if !t.begun {
		return observe.Config{} // no kubelet has been started
	}
	var c struct {
		CPUManagerPolicy        string            `json:"cpuManagerPolicy"`
		CPUManagerPolicyOptions map[string]string `json:"cpuManagerPolicyOptions"`
		TopologyManagerPolicy   string            `json:"topologyManagerPolicy"`
		TopologyManagerScope    string            `json:"topologyManagerScope"`
		MemoryManagerPolicy     string            `json:"memoryManagerPolicy"`
	}
	_ = json.Unmarshal(t.config, &c) // the loader has read it already
	or := func(value, fallback string) string {
		if value == "" {
			return fallback
		}
		return value
	}
	return observe.Config{
		CPUManagerPolicy: or(c.CPUManagerPolicy, "none"), CPUManagerPolicyOptions: c.CPUManagerPolicyOptions,
		TopologyManagerPolicy: or(c.TopologyManagerPolicy, "none"), TopologyManagerScope: or(c.TopologyManagerScope, "container"),
		MemoryManagerPolicy: or(c.MemoryManagerPolicy, "None"),
	}
}
