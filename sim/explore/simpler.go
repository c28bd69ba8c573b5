package explore

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/scenarios"
)

// simplerConfigs are configurations with one thing less each. Settings that are
// nothing without each other go together.
func simplerConfigs(config json.RawMessage) []json.RawMessage {
	var c map[string]any
	if json.Unmarshal(config, &c) != nil {
		return nil
	}
	var out []json.RawMessage
	add := func(m map[string]any) {
		if data, err := json.Marshal(m); err == nil && string(data) != string(config) {
			out = append(out, data)
		}
	}
	without := func(keys ...string) map[string]any {
		m := maps.Clone(c)
		for _, k := range keys {
			delete(m, k)
		}
		return m
	}
	if c["memoryManagerPolicy"] != nil {
		m := without("memoryManagerPolicy", "reservedMemory", "kubeReserved", "evictionHard")
		if m["reservedSystemCPUs"] == nil {
			m["kubeReserved"] = map[string]any{"cpu": "1"}
		}
		add(m)
	}
	if c["topologyManagerPolicy"] != nil {
		add(without("topologyManagerPolicy", "topologyManagerScope", "topologyManagerPolicyOptions"))
	}
	for _, key := range slices.Sorted(maps.Keys(c)) {
		inner, ok := c[key].(map[string]any)
		if key != "kubeReserved" && key != "evictionHard" {
			add(without(key))
		}
		if !ok || key == "evictionHard" {
			continue
		}
		for _, k := range slices.Sorted(maps.Keys(inner)) {
			if key == "kubeReserved" && len(inner) == 1 {
				continue
			}
			m, less := maps.Clone(c), maps.Clone(inner)
			delete(less, k)
			if m[key] = less; len(less) == 0 {
				delete(m, key)
			}
			add(m)
		}
	}
	if list, ok := c["reservedSystemCPUs"].(string); ok && list != "0" {
		m := maps.Clone(c)
		m["reservedSystemCPUs"] = "0"
		add(m)
	}
	return out
}

// simplerEvents are simpler forms of an event, the simplest first.
func simplerEvents(e scenarios.Event) []scenarios.Event {
	var out []scenarios.Event
	add := func(s scenarios.Event) {
		if !reflect.DeepEqual(s, e) {
			out = append(out, s)
		}
	}
	switch e := e.(type) {
	case scenarios.CreatePod:
		for _, pod := range simplerPods(e.Pod) {
			add(scenarios.CreatePod{Pod: pod, HoldInit: e.HoldInit})
		}
	case scenarios.RestartKubelet:
		add(scenarios.RestartKubelet{Config: e.Config})
		add(scenarios.RestartKubelet{SourcesNotReady: e.SourcesNotReady})
		for _, c := range simplerConfigs(e.Config) {
			add(scenarios.RestartKubelet{Config: c, SourcesNotReady: e.SourcesNotReady})
		}
	case scenarios.StartKubelet:
		add(scenarios.StartKubelet{Config: e.Config})
		add(scenarios.StartKubelet{SourcesNotReady: e.SourcesNotReady})
	case scenarios.StopKubelet:
		add(scenarios.RestartKubelet{})
	case scenarios.KillKubelet:
		add(scenarios.RestartKubelet{})
	case scenarios.KillAtCheckpointWrite:
		add(scenarios.KillAtCheckpointWrite{File: e.File, Nth: 1, When: e.When})
		add(scenarios.KillAtCheckpointWrite{File: e.File, Nth: max(1, e.Nth-1), When: e.When})
	case scenarios.ExitContainer:
		add(scenarios.ExitContainer{Container: e.Container})
	case scenarios.Reconcile:
		add(scenarios.Reconcile{Times: 1})
	case scenarios.FailCheckpointWrite:
		add(scenarios.FailCheckpointWrite{File: e.File, Errno: "ENOSPC"})
	case scenarios.SwapProfile:
		for _, name := range SimpleMachines() {
			add(scenarios.SwapProfile{Profile: name})
		}
	case scenarios.SetHugePages:
		add(scenarios.SetHugePages{NUMANode: 0, Size: e.Size, Count: e.Count})
	case scenarios.ResizePod:
		if e.CPU != nil && e.Memory != nil {
			add(scenarios.ResizePod{Container: e.Container, CPU: e.CPU})
			add(scenarios.ResizePod{Container: e.Container, Memory: e.Memory})
		}
	case scenarios.EditStateFile:
		add(scenarios.WriteStateFile{File: e.File})
	case scenarios.LimitOpenFiles:
		add(scenarios.LimitOpenFiles{})
	case scenarios.FailRuntimeUpdate:
		add(scenarios.FailRuntimeUpdate{Error: e.Error})
	}
	return out
}

// simplerPods are pods with one thing less each.
func simplerPods(pod *v1.Pod) []*v1.Pod {
	var out []*v1.Pod
	change := func(f func(p *v1.Pod) bool) {
		p := pod.DeepCopy()
		if f(p) && len(p.Spec.Containers) > 0 {
			out = append(out, p)
		}
	}
	change(func(p *v1.Pod) bool { had := p.Spec.Resources != nil; p.Spec.Resources = nil; return had })
	change(func(p *v1.Pod) bool {
		had := p.Spec.RestartPolicy != v1.RestartPolicyAlways
		p.Spec.RestartPolicy = v1.RestartPolicyAlways
		return had
	})
	for i := range pod.Spec.InitContainers {
		change(func(p *v1.Pod) bool {
			p.Spec.InitContainers = slices.Delete(p.Spec.InitContainers, i, i+1)
			return true
		})
		change(func(p *v1.Pod) bool {
			had := p.Spec.InitContainers[i].RestartPolicy != nil
			p.Spec.InitContainers[i].RestartPolicy = nil
			return had
		})
	}
	for i := range pod.Spec.Containers {
		change(func(p *v1.Pod) bool { p.Spec.Containers = slices.Delete(p.Spec.Containers, i, i+1); return true })
	}
	for i := range pod.Spec.InitContainers {
		simplerResources(func(f func(*v1.ResourceRequirements) bool) {
			change(func(p *v1.Pod) bool { return f(&p.Spec.InitContainers[i].Resources) })
		})
	}
	for i := range pod.Spec.Containers {
		simplerResources(func(f func(*v1.ResourceRequirements) bool) {
			change(func(p *v1.Pod) bool { return f(&p.Spec.Containers[i].Resources) })
		})
	}
	if pod.Spec.Resources != nil {
		simplerResources(func(f func(*v1.ResourceRequirements) bool) {
			change(func(p *v1.Pod) bool { return f(p.Spec.Resources) })
		})
	}
	return out
}

// smallMemory is what a container gets whose memory does not matter.
const smallMemory = "64Mi"

// simplerResources offers changes to the resources of one container.
func simplerResources(change func(func(*v1.ResourceRequirements) bool)) {
	set := func(r *v1.ResourceRequirements, name v1.ResourceName, q resource.Quantity) bool {
		changed := false
		for _, list := range []v1.ResourceList{r.Requests, r.Limits} {
			if old, ok := list[name]; ok && old.Cmp(q) > 0 {
				list[name], changed = q, true
			}
		}
		return changed
	}
	for _, name := range []v1.ResourceName{deviceResource, hugePages2Mi} {
		change(func(r *v1.ResourceRequirements) bool {
			_, had := r.Limits[name]
			delete(r.Limits, name)
			delete(r.Requests, name)
			return had
		})
	}
	for _, cpus := range []int64{1, 2} {
		change(func(r *v1.ResourceRequirements) bool {
			return set(r, v1.ResourceCPU, *resource.NewQuantity(cpus, resource.DecimalSI))
		})
	}
	change(func(r *v1.ResourceRequirements) bool {
		q := r.Requests[v1.ResourceCPU]
		return q.Value() > 1 && set(r, v1.ResourceCPU, *resource.NewQuantity(q.Value()-1, resource.DecimalSI))
	})
	change(func(r *v1.ResourceRequirements) bool {
		return set(r, v1.ResourceMemory, resource.MustParse(smallMemory))
	})
}

// weight is the size of a scenario: what shrinking makes smaller.
func weight(s *scenarios.Scenario) int {
	w := 100*len(s.Steps) + len(s.Kubelet) + len(s.Profile) + 10*len(s.Devices)
	if s.HoldInit {
		w++
	}
	if s.Reconcile == scenarios.ReconcileManual {
		w++
	}
	for i := range s.Steps {
		data, err := json.Marshal(s.Steps[i].Event)
		if err != nil {
			continue
		}
		w += len(data)
		if e, ok := s.Steps[i].Event.(scenarios.CreatePod); ok {
			for _, list := range [][]v1.Container{e.Pod.Spec.InitContainers, e.Pod.Spec.Containers} {
				for c := range list {
					q := list[c].Resources.Requests[v1.ResourceCPU]
					w += int(q.Value())
				}
			}
		}
	}
	return w
}
