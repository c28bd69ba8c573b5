package explain

import (
	"iter"
	"maps"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// observation is the node with every pod placed: init containers have ended,
// the others run on what they were assigned.
func (x *explainer) observation() observe.Observation {
	last := x.base.last
	o := observe.Observation{
		Kubelet: observe.KubeletRunning, Config: x.report.Kubelet.Config, Online: observe.FromSet(x.Profile.OnlineCPUs()),
		SharedPool: last.SharedPool, Containers: []observe.Container{}, NUMAMemory: last.NUMA, Reconciled: true,
	}
	if x.base.startErr != nil {
		o.Kubelet, o.KubeletError = observe.KubeletFailed, x.base.startErr.Error()
		return o
	}
	if o.SharedPool == "" && len(last.Entries) == 0 && o.Config.CPUManagerPolicy != "static" {
		o.SharedPool = o.Online
	}
	own := map[string]bool{}
	for i := range x.Pods {
		own[string(x.Pods[i].Pod.UID)] = true
	}
	o.Containers = append(o.Containers, x.strangers(own)...)
	for i := range x.report.Pods {
		o.Containers = append(o.Containers, x.observed(i)...)
		p := &x.report.Pods[i]
		if p.Verdict != NotPlaced {
			a := observe.Admission{Pod: p.Pod, Admitted: p.Admission.Admitted, Reason: p.Admission.Reason, Message: p.Admission.Message}
			if !a.Admitted {
				a.Message = observe.Rejected + a.Message
			}
			o.Admissions = append(o.Admissions, a)
		}
	}
	return o
}

// strangers are the containers of the state file. One whose CPUs others of its
// pod have as well is an init container that has handed them on: the file does
// not say so, but nothing else makes a manager assign a CPU twice.
func (x *explainer) strangers(own map[string]bool) []observe.Container {
	entries := x.base.last.Entries
	ended := map[kubelet.ContainerKey]bool{}
	var list []observe.Container
	for _, key := range sortedKeys(entries) {
		if own[key.PodUID] {
			continue
		}
		others := cpuset.New()
		for other, cpus := range entries {
			if other.PodUID == key.PodUID && other != key && !ended[other] {
				others = others.Union(cpus.Set())
			}
		}
		cpus := entries[key]
		c := observe.Container{
			Pod: key.PodUID, Container: key.Name, Kind: observe.KindApp, State: observe.StateRunning, Exclusive: true,
			Assigned: cpus, Actual: cpus, NUMANodes: nodesOf(x.Profile, cpus.Set().List()), Reason: "from the state file",
		}
		if cpus.Set().IsSubsetOf(others) {
			ended[key] = true
			c.Kind, c.State, c.Actual = observe.KindInit, observe.StateTerminated, ""
		}
		list = append(list, c)
	}
	return list
}

func (x *explainer) observed(i int) []observe.Container {
	p := &x.report.Pods[i]
	if !p.Admission.Admitted {
		return nil
	}
	var list []observe.Container
	for _, c := range p.Containers {
		oc := observe.Container{
			Pod: p.Pod, Container: c.Name, Kind: c.Kind, State: observe.StateRunning, QoS: p.QoS.Class, Requested: c.Promised,
			Exclusive: c.Exclusive, Assigned: c.CPUs, Actual: c.CPUs, NUMANodes: c.NUMANodes, Devices: c.Devices, Reason: c.Reason,
		}
		if c.Kind == observe.KindInit {
			oc.State, oc.Actual = observe.StateTerminated, ""
		}
		list = append(list, oc)
	}
	return list
}

func keysOf[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
