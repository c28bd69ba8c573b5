package explore

import (
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// tracker follows, over the events of a replay, which code of upstream's wrote what the
// managers know. The path of a cause is made of it: the functions that made the write
// which broke the invariant, or raised the error.
type tracker struct {
	cpu, memory written
	step        int
	// errors and refusals are the step's errors, and what hint providers refused.
	errors, refusals []observe.Statement
}

// written are the last writers of one manager's state.
type written struct {
	entries map[[2]string]writer
	pool    writer
	last    writer
}

type writer struct {
	path []string
	step int
}

// Packages of the managers, as they are in a path.
const (
	inCPUManager    = "cpumanager."
	inMemoryManager = "memorymanager."
	inCPUStore      = "cpumanager/state."
	inMemoryStore   = "memorymanager/state."
	inTopology      = "topologymanager."
)

// begin starts a step.
func (t *tracker) begin() {
	t.step++
	t.errors, t.refusals = t.errors[:0], t.refusals[:0]
}

// note takes a statement of the step in.
func (t *tracker) note(s observe.Statement) {
	switch {
	case s.Write && len(s.Path) > 0:
		m := &t.cpu
		if strings.HasPrefix(s.Path[0], inMemoryManager) {
			m = &t.memory
		}
		m.last = writer{s.Path, t.step}
		if s.Pod == "" {
			m.pool = m.last
			return
		}
		if m.entries == nil {
			m.entries = map[[2]string]writer{}
		}
		m.entries[[2]string{s.Pod, s.Container}] = m.last
	case s.Error && len(s.Path) > 0:
		t.errors = append(t.errors, s)
	case len(s.Refused) > 0:
		t.refusals = append(t.refusals, s)
	}
}

// pathOf is the path of a violation that was first seen in this step, after an event.
// errs are the texts of those errors that led to it.
func (t *tracker) pathOf(v observe.Violation, event string, o *observe.Observation) (path, errs []string) {
	switch v.Invariant {
	case invariant.RestartStarts:
		return t.failedStart(o)
	case invariant.RestartKeepsPods, invariant.RoomAdmits:
		return t.rejection(v, o)
	case invariant.CheckpointInSync:
		if path, errs = t.raised(func(s observe.Statement) bool { return strings.HasPrefix(s.Path[0], inCPUStore) }); path != nil {
			return path, errs
		}
	case invariant.CgroupInSync, invariant.ExclusiveIsolated:
		if drifts(v, o) {
			return t.drift(o)
		}
	}
	m := &t.cpu
	if v.Invariant == invariant.MemoryAccounted {
		m = &t.memory
	}
	return t.writers(m, v, event, o), nil
}

// failedStart is where a start failed, and what had written the state that it fails on:
// upstream judges it in one function, whatever is wrong with it.
func (t *tracker) failedStart(o *observe.Observation) (path, errs []string) {
	path, _ = t.raised(func(s observe.Statement) bool { return !strings.HasPrefix(s.Path[0], inTopology) })
	last := t.cpu.last
	if len(path) > 0 && strings.HasPrefix(path[0], "memorymanager") {
		last = t.memory.last
	}
	if op := operation(last.path); op != "" && !slices.Contains(path, op) {
		path = append(path, op)
	}
	return path, []string{template(o.KubeletError, o)}
}

// rejection is where an admission failed, or whose hints made it fail.
func (t *tracker) rejection(v observe.Violation, o *observe.Observation) (path, errs []string) {
	reason := ""
	for _, a := range o.Admissions {
		if !a.Admitted && about(v, a.Pod) {
			reason = a.Reason
			break
		}
	}
	if reason != topologyRefusal { // else it was refused before anything was allocated
		path, errs = t.raised(func(s observe.Statement) bool {
			return !slices.Contains(s.Path, reconcileState) && !strings.HasPrefix(s.Path[0], inCPUStore) &&
				!strings.HasPrefix(s.Path[0], inMemoryStore) && !strings.HasPrefix(s.Path[0], inTopology) &&
				(s.Pod == "" || about(v, s.Pod))
		})
	}
	if path == nil {
		for _, s := range t.refusals {
			if !about(v, s.Pod) {
				continue
			}
			for _, resource := range s.Refused {
				path = append(path, provider(resource, o.Config.TopologyManagerScope))
			}
		}
		slices.Sort(path)
		path = slices.Compact(path)
	}
	if path == nil && reason == topologyRefusal {
		path = []string{inTopology + "Policy.Merge"}
	}
	return path, append(errs, reason)
}

// about says that a violation names a pod as its subject.
func about(v observe.Violation, pod string) bool {
	return strings.Contains(v.Detail, "pod "+pod+",") || strings.HasPrefix(v.Detail, "pod "+pod+" ")
}

// topologyRefusal is the reason of pods that the topology manager rejects by itself.
const topologyRefusal = "TopologyAffinityError"

// provider is the function that gives the hints for a resource.
func provider(resource, scope string) string {
	function := "GetTopologyHints"
	if scope == "pod" {
		function = "GetPodTopologyHints"
	}
	switch {
	case resource == "cpu":
		return inCPUManager + "(*staticPolicy)." + function
	case resource == "memory", strings.HasPrefix(resource, "hugepages-"):
		return inMemoryManager + "(*staticPolicy)." + function
	}
	return "devicemanager.(*ManagerImpl)." + function
}

// reconcileState is the CPU manager's loop, which alone looks at running containers.
const reconcileState = inCPUManager + "(*manager).reconcileState"

// drift is for a cgroup that is not what the manager has: the loop should have seen to
// it. Before it has run, what the container was given at its creation counts.
func (t *tracker) drift(o *observe.Observation) (path, errs []string) {
	path, errs = t.raised(func(s observe.Statement) bool { return s.Path[0] == reconcileState })
	switch {
	case path != nil:
	case o.Reconciled:
		path = []string{reconcileState}
	default:
		path = []string{inCPUManager + "(*manager).GetCPUAffinity"}
	}
	return path, errs
}

// drifts says whether it is the cgroup that is wrong, and not the assignment.
func drifts(v observe.Violation, o *observe.Observation) bool {
	if v.Invariant == invariant.CgroupInSync {
		return true
	}
	for i := range o.Containers {
		c := &o.Containers[i]
		if strings.HasPrefix(v.Detail, c.Ref()+" ") {
			return c.Actual != c.Assigned
		}
	}
	return false
}

// raised are the function that raised the first of some errors, and its text.
func (t *tracker) raised(counts func(observe.Statement) bool) (path, errs []string) {
	for _, s := range t.errors {
		if counts(s) {
			return s.Path[:1:1], []string{s.Message}
		}
	}
	return nil, nil
}

// writers are those who last wrote what a violation is about: the entries of the
// containers that it names, and the shared pool. Those of this step broke it; when
// none wrote in this step, then the step did not do what it should have.
func (t *tracker) writers(m *written, v observe.Violation, event string, o *observe.Observation) []string {
	var about []writer
	named := refs(v.Detail, o)
	for _, ref := range named {
		for _, key := range [][2]string{ref, {ref[0], ""}} {
			if w, ok := m.entries[key]; ok {
				about = append(about, w)
			}
		}
	}
	if len(named) == 0 || strings.Contains(v.Detail, "shared pool") {
		about = append(about, m.pool)
	}
	now := slices.DeleteFunc(slices.Clone(about), func(w writer) bool { return w.step != t.step })
	if len(now) > 0 {
		return chains(now)
	}
	without := "(no write in " + event + ")"
	if outside(event) {
		return []string{without}
	}
	switch v.Invariant {
	case invariant.NoLeak, invariant.ExclusiveCount, invariant.PoolAccounted, invariant.MemoryAccounted, invariant.CheckpointInSync:
	default: // what was written was wrong before; it does not matter when it shows
		without = "(written before)"
	}
	return append(chains(about), without)
}

// outside says of an event that it changes the node and asks nothing of the managers.
func outside(event string) bool {
	switch event {
	case "offlineCPUs", "onlineCPUs", "addCPUs", "moveMemory", "setHugePages", "clobberCPUSet",
		"deleteStateFile", "writeStateFile", "editStateFile":
		return true
	}
	return false
}

// refs are the containers that a text names.
func refs(text string, o *observe.Observation) (out [][2]string) {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,:;()\"", r) })
	named := func(pod, container string) {
		if slices.Contains(words, pod+"/"+container) {
			out = append(out, [2]string{pod, container})
		}
	}
	for i := range o.Containers {
		named(o.Containers[i].Pod, o.Containers[i].Container)
	}
	for _, s := range o.Stale {
		named(s.Pod, s.Container)
	}
	return out
}

// chains are the functions of some writers, from the write up to the policy's own
// entry, each once. They do not depend on the order of the writers.
func chains(list []writer) []string {
	slices.SortFunc(list, func(a, b writer) int { return slices.Compare(a.path, b.path) })
	var out []string
	for _, w := range list {
		for _, f := range w.path[:entryOf(w.path)] {
			if !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
	}
	return out
}

// operation is what a policy was asked to do when it wrote.
func operation(path []string) string {
	if n := entryOf(path); n > 0 {
		return path[n-1]
	}
	return ""
}

// entryOf is the length of a path up to the policy's entry: what is above it only says
// who asked.
func entryOf(path []string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if strings.Contains(path[i], "Policy).") && !strings.HasPrefix(path[i], inTopology) {
			return i + 1
		}
	}
	return min(1, len(path))
}
