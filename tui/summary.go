package tui

import (
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// summary is a frame in one line.
func summary(f *frame) string {
	text := f.step.Event
	for _, a := range f.step.Observation.Admissions {
		if !a.Admitted {
			text = "rejected " + a.Pod + ": " + a.Reason + ": " + strings.Join(strings.Fields(a.Message), " ")
		}
	}
	if o := &f.step.Observation; o.Kubelet == observe.KubeletFailed && o.Started {
		text = "kubelet failed: " + strings.Join(strings.Fields(o.KubeletError), " ")
	}
	return text
}

// others is a state file without a pod's own entries: what the kubelet finds
// when it decides about the pod.
func others(step *observe.Step, pod string) *observe.Checkpoint {
	if step == nil || step.Observation.Checkpoint == nil {
		return nil
	}
	c := *step.Observation.Checkpoint
	c.Entries = nil
	pool := c.SharedPool.Set()
	for _, a := range step.Observation.Checkpoint.Entries {
		if a.Pod == pod {
			pool = pool.Union(a.CPUs.Set())
			continue
		}
		c.Entries = append(c.Entries, a)
	}
	c.SharedPool = observe.FromSet(pool)
	return &c
}
