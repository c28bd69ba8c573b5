package story

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/pinlab/pinlab/sim/observe"
)

// The shapes below have the keys of the scenario format, in its words.
type expect struct {
	Kubelet    observe.KubeletState `json:"kubelet,omitempty"`
	SharedPool *observe.CPUs        `json:"sharedPool,omitempty"`
	Pods       map[string]pod       `json:"pods,omitempty"`
	Containers map[string]container `json:"containers,omitempty"`
	Violations []string             `json:"violations"`
}

type pod struct {
	Present  *bool  `json:"present,omitempty"`
	Admitted *bool  `json:"admitted,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

type container struct {
	State     observe.ContainerState `json:"state,omitempty"`
	Exclusive *bool                  `json:"exclusive,omitempty"`
	CPUs      string                 `json:"cpus,omitempty"`
	Actual    string                 `json:"actual,omitempty"`
}

// Expect writes what was seen after a step as an expectation: the kubelet's
// answers, what has changed since the step before (nil for none), and what is
// broken.
func Expect(before, now *observe.Step, answers []observe.Admission) ([]string, error) {
	was := observe.Observation{}
	if before != nil {
		was = before.Observation
	}
	o := &now.Observation
	e := expect{Kubelet: o.Kubelet, Pods: map[string]pod{}, Containers: map[string]container{}, Violations: []string{}}
	if o.Kubelet == observe.KubeletRunning {
		e.SharedPool = &o.SharedPool
	}
	known := map[string]bool{}
	for i := range o.Containers {
		known[o.Containers[i].Pod] = true
	}
	for _, a := range answers {
		if known[a.Pod] {
			admitted := a.Admitted
			e.Pods[a.Pod] = pod{Admitted: &admitted, Reason: a.Reason}
		}
	}
	old := map[string]observe.Container{}
	for _, c := range was.Containers {
		old[c.Ref()] = c
	}
	for _, c := range o.Containers {
		if before, ok := old[c.Ref()]; !ok || differs(before, c) {
			e.Containers[c.Ref()] = seen(o, c)
		}
	}
	for _, c := range was.Containers {
		if !known[c.Pod] {
			gone := false
			e.Pods[c.Pod] = pod{Present: &gone}
		}
	}
	for _, v := range now.Violations {
		if !slices.Contains(e.Violations, v.Invariant) {
			e.Violations = append(e.Violations, v.Invariant)
		}
	}
	data, err := json.Marshal(e) // a flow mapping is YAML too, and stays on its line
	if err != nil {
		return nil, fmt.Errorf("expectation: %w", err)
	}
	return []string{"- expect: " + string(data)}, nil
}

func differs(a, b observe.Container) bool {
	return a.State != b.State || a.Exclusive != b.Exclusive || a.Assigned != b.Assigned || a.Actual != b.Actual
}

func seen(o *observe.Observation, c observe.Container) container {
	e := container{State: c.State, Exclusive: &c.Exclusive}
	switch {
	case c.Assigned == "":
		e.CPUs = "none"
	case !c.Exclusive && c.Assigned == o.SharedPool:
		e.CPUs = "shared"
	default:
		e.CPUs = string(c.Assigned)
	}
	if c.State == observe.StateRunning && c.Assigned != "" {
		e.Actual = "assigned"
		if c.Actual != c.Assigned {
			e.Actual = string(c.Actual)
		}
	}
	return e
}
