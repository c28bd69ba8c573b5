package lab

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/e2e/lab/machine"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// leastMemory is what a container is left with, in bytes: the runtime needs some
// to start it.
const leastMemory = 32 << 20

// Fit returns the scenario with the memory of its pods scaled down as the
// memory of the lab's machine is. Without the Static memory manager policy the
// amount decides only whether a pod fits, and that stays as it is; with it the
// scenario is returned as it was.
func Fit(s *scenarios.Scenario, p *hwprofiles.Profile) *scenarios.Scenario {
	plan, err := machine.New(p)
	if err != nil || staticMemory(s.Kubelet) {
		return s
	}
	var have, server uint64
	for i, n := range plan.Nodes {
		have += n.MemoryBytes
		server += p.NUMANodes[i].MemoryBytes
	}
	if have >= server {
		return s
	}
	fitted, by := *s, float64(have)/float64(server)
	fitted.Steps = make([]scenarios.Step, len(s.Steps))
	for i, step := range s.Steps {
		switch e := step.Event.(type) {
		case scenarios.CreatePod:
			e.Pod = e.Pod.DeepCopy()
			scalePod(e.Pod, by)
			step.Event = e
		case scenarios.ResizePod:
			if e.Memory != nil {
				e.Memory = scaled(*e.Memory, by)
				step.Event = e
			}
		case scenarios.StartKubelet:
			if staticMemory(e.Config) {
				return s
			}
		case scenarios.RestartKubelet:
			if staticMemory(e.Config) {
				return s
			}
		}
		fitted.Steps[i] = step
	}
	return &fitted
}

func staticMemory(config json.RawMessage) bool {
	var c struct {
		MemoryManagerPolicy string `json:"memoryManagerPolicy"`
	}
	return json.Unmarshal(config, &c) == nil && c.MemoryManagerPolicy == "Static"
}

func scalePod(p *corev1.Pod, by float64) {
	if p.Spec.Resources != nil {
		scale(p.Spec.Resources, by)
	}
	for i := range p.Spec.InitContainers {
		scale(&p.Spec.InitContainers[i].Resources, by)
	}
	for i := range p.Spec.Containers {
		scale(&p.Spec.Containers[i].Resources, by)
	}
}

func scale(r *corev1.ResourceRequirements, by float64) {
	for _, list := range []corev1.ResourceList{r.Requests, r.Limits} {
		q, ok := list[corev1.ResourceMemory]
		if ok {
			list[corev1.ResourceMemory] = *scaled(q, by)
		}
	}
}

func scaled(q resource.Quantity, by float64) *resource.Quantity {
	if q.Value() <= leastMemory {
		return &q
	}
	bytes := max(int64(float64(q.Value())*by), leastMemory)
	return resource.NewQuantity(bytes-bytes%(1<<20), resource.BinarySI)
}
