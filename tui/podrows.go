package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// podRow is a container, or a pod that has none to show, in the list of pods.
type podRow struct {
	ref, pod string
	// container is nil for a rejected pod of which no container is known.
	container *observe.Container
	rejected  bool
	cells     view.Row
}

func podHead() []string { return []string{"", "POD/CONTAINER", "STATE", "CPUS", "NODE", "QOS"} }

// podRows lists the containers in the order of the node, then the rejected
// pods that the node no longer shows.
func podRows(o *observe.Observation, owners *cpumap.Owners, pods map[string]*created, filter string) []podRow {
	var rows []podRow
	add := func(r podRow) {
		if filter == "" || matches(r.ref, filter) {
			rows = append(rows, r)
		}
	}
	seen := map[string]bool{}
	for i := range o.Containers {
		c := &o.Containers[i]
		seen[c.Pod] = true
		p := pods[c.Pod]
		add(containerRow(o, c, owners, p != nil && !p.answer.Admitted && p.answer.Pod != ""))
	}
	var rest []string
	for name, p := range pods {
		if !seen[name] && p.answer.Pod != "" && !p.answer.Admitted {
			rest = append(rest, name)
		}
	}
	slices.Sort(rest)
	for _, name := range rest {
		add(podRow{ref: name, pod: name, rejected: true, cells: view.Row{
			{Text: " "}, {Text: name, Role: paint.Bad}, {Text: "rejected", Role: paint.Bad}, {Text: pods[name].answer.Reason}, {}, {},
		}})
	}
	return rows
}

func containerRow(o *observe.Observation, c *observe.Container, owners *cpumap.Owners, rejected bool) podRow {
	letter, role := " ", paint.Text
	for i := range owners.List {
		if w := &owners.List[i]; w.Name == c.Ref() || (w.Name == c.Pod && !c.Exclusive && c.Assigned != o.SharedPool) {
			letter, role = string(w.Letter), w.Role
		}
	}
	state := view.Cell{Text: string(c.State)}
	cpus := view.Cell{Text: string(c.Assigned), Role: role}
	switch {
	case rejected:
		state = view.Cell{Text: "rejected", Role: paint.Bad}
	case c.State == observe.StateWaiting:
		state.Role = paint.Warn
	case c.State == observe.StateTerminated:
		state.Role = paint.Dim
	}
	switch {
	case c.Assigned == "":
		cpus = view.Cell{Text: "-", Role: paint.Dim}
	case !c.Exclusive && c.Assigned == o.SharedPool:
		cpus = view.Cell{Text: "shared pool", Role: paint.Dim}
	}
	if drifted(c) {
		state = view.Cell{Text: "drift", Role: paint.Bad}
	}
	nodes := make([]string, 0, len(c.NUMANodes))
	for _, n := range c.NUMANodes {
		nodes = append(nodes, fmt.Sprint(n))
	}
	name := c.Ref()
	if c.Kind != observe.KindApp && c.Kind != "" {
		name += " (" + string(c.Kind) + ")"
	}
	return podRow{ref: c.Ref(), pod: c.Pod, container: c, rejected: rejected, cells: view.Row{
		{Text: letter, Role: role}, {Text: name, Role: role}, state, cpus, {Text: strings.Join(nodes, ",")}, {Text: c.QoS, Role: paint.Dim},
	}}
}

// drifted says that a cgroup is not what the manager says, where it says
// anything.
func drifted(c *observe.Container) bool {
	return c.State == observe.StateRunning && c.Assigned != "" && c.Actual != c.Assigned
}
