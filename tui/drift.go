package tui

import (
	"fmt"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/paint"
)

// driftOf are the CPUs on which a container may run and should not, or should and
// may not.
func driftOf(c *observe.Container) cpuset.CPUSet {
	if c.State != observe.StateRunning || c.Assigned == "" {
		return cpuset.New()
	}
	assigned, out := c.Assigned.Set(), cpuset.New()
	if c.Actual != "" {
		actual := c.Actual.Set()
		out = actual.Difference(assigned).Union(assigned.Difference(actual))
	}
	for _, list := range c.Threads {
		out = out.Union(list.Set().Difference(assigned))
	}
	return out
}

// markDrift underlines the drift of all containers that are listed.
func (v *verify) markDrift() {
	v.drift = cpuset.New()
	for i := range v.rows {
		v.drift = v.drift.Union(driftOf(v.rows[i].container))
	}
	v.marks = v.marks.Drift(v.drift)
}

// legend is the map's, and what drift looks like on it.
func (v *verify) legend() []cpumap.Entry {
	list := v.owners.Legend(v.plan.Level)
	if n := v.drift.Size(); n > 0 {
		mark := cpumap.Marks{{Symbol: '_', Role: paint.Shared}}.Drift(cpuset.New(0))[0]
		list = append([]cpumap.Entry{{Mark: mark, Text: fmt.Sprintf("drift %d", n)}}, list...)
	}
	return list
}
