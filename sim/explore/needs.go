package explore

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// Needs are the ingredients of a scenario, sorted: policies and options, kinds of
// event and of pod, oddities of the machine. Those of a smallest scenario are what
// its cause cannot do without.
func Needs(s *scenarios.Scenario, resolve func(ref string) (*hwprofiles.Profile, error)) ([]string, error) {
	n := map[string]bool{}
	machines, err := machinesOf(s, resolve)
	if err != nil {
		return nil, err
	}
	for _, p := range machines {
		machineNeeds(n, p)
	}
	configNeeds(n, s.Kubelet, "")
	codec := newCodec()
	for i := range s.Steps {
		switch e := s.Steps[i].Event.(type) {
		case nil, scenarios.StartKubelet, scenarios.OnlineCPUs:
		case scenarios.CreatePod:
			podNeeds(n, e.Pod)
		case scenarios.RestartKubelet:
			n["restart"] = true
			configNeeds(n, e.Config, "change ")
			if e.SourcesNotReady {
				n["sources not ready"] = true
			}
			if e.DevicesNotReady {
				n["devices not ready"] = true
			}
		case scenarios.StopKubelet, scenarios.KillKubelet:
			n["restart"] = true
		case scenarios.KillAtCheckpointWrite:
			n["kill at a write of "+string(e.File)] = true
		case scenarios.FailCheckpointWrite:
			n["failing write of "+string(e.File)] = true
		default:
			n[codec.key(e)] = true
		}
	}
	if s.Reconcile == scenarios.ReconcileManual {
		n["no reconcile"] = true
	}
	if len(s.Devices) > 0 {
		n["devices"] = true
	}
	return slices.Sorted(maps.Keys(n)), nil
}

// machinesOf are the machines that a kubelet was started on. A running one does not
// notice changes.
func machinesOf(s *scenarios.Scenario, resolve func(ref string) (*hwprofiles.Profile, error)) ([]*hwprofiles.Profile, error) {
	p, err := resolve(s.Profile)
	if err != nil {
		return nil, err
	}
	var started []*hwprofiles.Profile
	for i := range s.Steps {
		changed := p
		switch e := s.Steps[i].Event.(type) {
		case scenarios.StartKubelet, scenarios.RestartKubelet:
			started = append(started, p)
		case scenarios.OfflineCPUs:
			changed, err = p.WithOnline(e.CPUs.Set(), false)
		case scenarios.OnlineCPUs:
			changed, err = p.WithOnline(e.CPUs.Set(), true)
		case scenarios.AddCPUs:
			for _, id := range e.CPUs.Set().List() {
				if err == nil {
					changed, err = changed.WithCPUAdded(id, e.Like)
				}
			}
		case scenarios.SwapProfile:
			changed, err = resolve(e.Profile)
		}
		if err == nil { // what is not possible is left out by the replay, too
			p = changed
		}
		err = nil
	}
	if len(started) == 0 {
		started = append(started, p)
	}
	return started, nil
}

func machineNeeds(n map[string]bool, p *hwprofiles.Profile) {
	type core struct{ socket, core int }
	threads := map[core]int{}
	for _, c := range p.CPUs {
		if c.Online {
			threads[core{c.Socket, c.Core}]++
		}
	}
	sizes := slices.Sorted(maps.Values(threads))
	if len(sizes) > 0 && sizes[0] != sizes[len(sizes)-1] {
		n["cores of unequal size"] = true
	}
	sockets := map[int]int{}
	for _, c := range p.CPUs {
		if c.Online {
			sockets[c.Socket]++
		}
	}
	sizes = slices.Sorted(maps.Values(sockets))
	if len(sizes) > 0 && sizes[0] != sizes[len(sizes)-1] {
		n["sockets of unequal size"] = true
	}
	if mi, err := p.MachineInfo(); err == nil {
		for _, text := range hwprofiles.Differences(p, mi) {
			if strings.Contains(text, "core") && !strings.Contains(text, "uncore") {
				n["cores that the kubelet sees otherwise"] = true
			}
		}
	}
	if len(p.NUMANodes) > 1 {
		n["several NUMA nodes"] = true
	}
}

func configNeeds(n map[string]bool, config json.RawMessage, prefix string) {
	var c map[string]any
	if json.Unmarshal(config, &c) != nil {
		return
	}
	for key, value := range c {
		switch key {
		case "kubeReserved", "systemReserved", "reservedSystemCPUs":
			if prefix != "" {
				n[prefix+"reserved CPUs"] = true
			}
			continue
		case "evictionHard", "reservedMemory":
			continue
		}
		if inner, ok := value.(map[string]any); ok {
			for k, v := range inner {
				n[prefix+setting(k, v)] = true
			}
		} else if text := setting(key, value); text != "cpuManagerPolicy=static" || prefix != "" {
			n[prefix+text] = true
		}
	}
}

func setting(key string, value any) string {
	if value == true || value == "true" {
		return key
	}
	return fmt.Sprintf("%s=%v", key, value)
}

func podNeeds(n map[string]bool, pod *v1.Pod) {
	if pod.Spec.Resources != nil {
		n["pod-level resources"] = true
	}
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].RestartPolicy != nil {
			n["sidecar"] = true
		} else {
			n["init container"] = true
		}
	}
	for name := range resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}) {
		if strings.HasPrefix(string(name), v1.ResourceHugePagesPrefix) {
			n["huge pages"] = true
		}
	}
	if len(pod.Spec.Containers) > 1 {
		n["several containers"] = true
	}
	if pod.Spec.RestartPolicy != v1.RestartPolicyAlways && pod.Spec.RestartPolicy != "" {
		n["restartPolicy "+string(pod.Spec.RestartPolicy)] = true
	}
}
