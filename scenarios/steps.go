package scenarios

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/sim/observe"
)

// Limits of a scenario's steps.
const (
	// maxSteps bounds the steps after replicas are counted out.
	maxSteps = 100_000
	// maxTimes bounds repetitions in one step.
	maxTimes = 10_000
	// maxAdvance bounds one jump of the clock: every reconcile period in it
	// is a tick that runs.
	maxAdvance = 24 * time.Hour
)

// keyExpect is the key of a step that is no event.
const keyExpect = "expect"

// eventKeys are the keys of a step's event, in the order of the types.
func eventKeys() []string {
	return []string{
		"startKubelet", "stopKubelet", "killKubelet", "restartKubelet", "sourcesReady", "devicesReady",
		"createPod", "deletePod", "exitContainer", "crashContainer", "resizePod", "addEphemeralContainer",
		"deleteStateFile", "writeStateFile", "editStateFile",
		"reboot", "offlineCPUs", "onlineCPUs", "addCPUs", "swapProfile", "moveMemory", "setHugePages",
		"reconcile", "advance",
		"failRuntimeUpdate", "failCheckpointRead", "failCheckpointWrite", "killAtCheckpointWrite", "limitOpenFiles", "exhaust", "clearFaults",
		"clobberCPUSet",
	}
}

// steps reads the list of steps in their order, because what a step may refer
// to depends on those before it.
func (l *loading) steps(list *node, holdInit bool) []Step {
	if list.kind != sequence {
		l.wrong(list, &place{name: "steps"}, "a list")
		return nil
	}
	if len(list.items) == 0 {
		l.errorf(list.line, "steps are empty; want at least one event")
	}
	l.scope.holdInit = holdInit
	valid := append(eventKeys(), keyExpect)
	steps := make([]Step, 0, len(list.items))
	for i, item := range list.items {
		if l.problems.full() {
			l.problems.more++
			break
		}
		steps = append(steps, l.step(item, i, valid)...)
		if len(steps) > maxSteps {
			l.errorf(item.line, "more than %d steps, replicas counted", maxSteps)
			break
		}
	}
	return steps
}

// step reads one item of the list; a createPod with replicas is several steps.
func (l *loading) step(n *node, i int, valid []string) []Step {
	if n.kind != mapping {
		l.errorf(n.line, "steps[%d]: want a mapping with one event or expect, got %s", i, n.says())
		return nil
	}
	var found []member
	name := ""
	for _, f := range n.fields {
		switch {
		case f.key == "name":
			l.into(f.value, &name, "name")
		case slices.Contains(valid, f.key):
			found = append(found, f)
		default:
			l.errorf(f.line, "%s", unknown("event", f.key, valid))
			return nil
		}
	}
	if len(found) != 1 {
		have := "none"
		if len(found) > 1 {
			have = fmt.Sprintf("%s and %s", found[0].key, found[1].key)
		}
		l.errorf(n.line, "steps[%d]: want one event or expect, got %s", i, have)
		return nil
	}
	f := found[0]
	l.scope.nameStep(l, n, name, f.key)
	if f.key == keyExpect {
		return []Step{{Name: name, Line: n.line, Expect: l.expect(f.value)}}
	}
	var steps []Step
	for _, e := range l.event(f.key, f.value) {
		steps = append(steps, Step{Name: name, Line: n.line, Event: e})
	}
	return steps
}

// event reads the event of one key; wrong ones give none.
func (l *loading) event(key string, n *node) []Event {
	before := l.problems.count()
	events := l.readEvent(key, n)
	if l.problems.count() > before {
		return nil
	}
	return events
}

func one(e Event) []Event { return []Event{e} }

func (l *loading) readEvent(key string, n *node) []Event {
	switch key {
	case "startKubelet":
		var e StartKubelet
		l.into(n, &e, key)
		e.Config, e.Line = l.compact(e.Config), n.line
		l.patch(n, e.Config)
		return one(e)
	case "restartKubelet":
		var e RestartKubelet
		l.into(n, &e, key)
		e.Config, e.Line = l.compact(e.Config), n.line
		l.patch(n, e.Config)
		return one(e)
	case "stopKubelet":
		return l.bare(key, n, StopKubelet{})
	case "killKubelet":
		return l.bare(key, n, KillKubelet{})
	case "sourcesReady":
		return l.bare(key, n, SourcesReady{})
	case "devicesReady":
		return l.bare(key, n, DevicesReady{})
	case "reboot":
		return l.bare(key, n, Reboot{})
	case "clearFaults":
		return l.bare(key, n, ClearFaults{})
	case "createPod":
		return l.createPod(n)
	case "deletePod":
		var e DeletePod
		n = n.asField("pod")
		if l.read(n, &e, key) || e.Pod != "" {
			l.scope.delete(l, n.lineOf("pod"), e.Pod)
		}
		return one(e)
	case "exitContainer":
		var e ExitContainer
		n = n.asField("container")
		ok := l.read(n, &e, key)
		l.between(n, key, "exitCode", e.ExitCode, 0, 255)
		l.useContainer(n, key, e.Container, ok)
		return one(e)
	case "crashContainer":
		var e struct {
			Container string `json:"container"`
		}
		n = n.asField("container")
		ok := l.read(n, &e, key)
		l.useContainer(n, key, e.Container, ok)
		return one(ExitContainer{Container: e.Container, ExitCode: 137})
	case "addEphemeralContainer":
		var e AddEphemeralContainer
		if l.read(n, &e, key) {
			l.scope.addContainer(l, n, key, e)
		}
		return one(e)
	case "resizePod":
		var e ResizePod
		ok := l.read(n, &e, key)
		l.useContainer(n, key, e.Container, ok)
		if l.scope.ephemeral(e.Container) {
			l.errorf(n.lineOf("container"), "resizePod: %s is an ephemeral container, which asks for nothing", quote(e.Container))
		}
		if ok && e.CPU == nil && e.Memory == nil {
			l.errorf(n.line, "resizePod: want cpu or memory")
		}
		return one(e)
	case "deleteStateFile", "writeStateFile", "editStateFile":
		return l.stateEvent(key, n)
	case "offlineCPUs", "onlineCPUs", "addCPUs", "swapProfile", "moveMemory", "setHugePages":
		return l.machineEvent(key, n)
	case "reconcile", "advance":
		return l.clockEvent(key, n)
	}
	return l.faultEvent(key, n)
}

// bare is an event without arguments: "reboot: {}" or "reboot:".
func (l *loading) bare(key string, n *node, e Event) []Event {
	var none struct{}
	l.into(n, &none, key)
	return one(e)
}

// compact drops an empty patch, which is none.
func (l *loading) compact(config json.RawMessage) json.RawMessage {
	if s := string(config); s == "{}" || s == "null" {
		return nil
	}
	return config
}

// useContainer looks up the container an event names; an event that could not
// be read need not name one.
func (l *loading) useContainer(n *node, key, ref string, ok bool) {
	if ok || ref != "" {
		l.scope.useContainer(l, n.lineOf("container"), key, ref)
	}
}

func (l *loading) machineEvent(key string, n *node) []Event {
	switch key {
	case "offlineCPUs":
		var e OfflineCPUs
		n = n.asField("cpus")
		if l.read(n, &e, key) {
			l.someCPUs(n, key, e.CPUs)
		}
		return one(e)
	case "onlineCPUs":
		var e OnlineCPUs
		n = n.asField("cpus")
		if l.read(n, &e, key) {
			l.someCPUs(n, key, e.CPUs)
		}
		return one(e)
	case "addCPUs":
		var e AddCPUs
		if l.read(n, &e, key) {
			l.someCPUs(n, key, e.CPUs)
			l.need(n, key, "like")
			l.atLeast(n, key, "like", e.Like, 0)
		}
		return one(e)
	case "setHugePages":
		var e SetHugePages
		if l.read(n, &e, key) {
			l.need(n, key, "size")
			l.atLeast(n, key, "numaNode", e.NUMANode, 0)
			l.between(n, key, "count", e.Count, 0, 1<<20)
			if n.get("size") != nil && e.Size.Value() <= 0 {
				l.errorf(n.lineOf("size"), "setHugePages.size: want the size of a page, like 2Mi")
			}
		}
		return one(e)
	case "swapProfile":
		var e SwapProfile
		n = n.asField("profile")
		if l.read(n, &e, key) {
			e.Profile = l.profile(n, "swapProfile.profile", e.Profile)
		}
		return one(e)
	}
	return l.moveMemory(key, n)
}

func (l *loading) moveMemory(key string, n *node) []Event {
	var m struct {
		From  int               `json:"from"`
		To    int               `json:"to"`
		Bytes resource.Quantity `json:"bytes"`
	}
	if !l.read(n, &m, key) {
		return nil
	}
	l.need(n, key, "from")
	l.need(n, key, "to")
	l.need(n, key, "bytes")
	l.atLeast(n, key, "from", m.From, 0)
	l.atLeast(n, key, "to", m.To, 0)
	bytes, ok := m.Bytes.AsInt64()
	if n.get("bytes") != nil && (!ok || bytes <= 0) {
		l.errorf(n.lineOf("bytes"), "moveMemory.bytes: want a number of bytes, like 43696128 or 64Mi")
	}
	if n.get("to") != nil && m.From == m.To {
		l.errorf(n.lineOf("to"), "moveMemory: from and to are both NUMA node %d", m.From)
	}
	return one(MoveMemory{From: m.From, To: m.To, Bytes: uint64(max(bytes, 0))})
}

func (l *loading) clockEvent(key string, n *node) []Event {
	if key == "reconcile" {
		e := Reconcile{Times: 1}
		n = n.asField("times")
		if l.read(n, &e, key) {
			l.between(n, key, "times", e.Times, 1, maxTimes)
		}
		return one(e)
	}
	var e Advance
	n = n.asField("duration")
	if l.read(n, &e, key) && (e.Duration <= 0 || e.Duration > maxAdvance) {
		l.errorf(n.lineOf("duration"), "advance: want a duration between 0s and %s", maxAdvance)
	}
	return one(e)
}

func (l *loading) faultEvent(key string, n *node) []Event {
	switch key {
	case "failRuntimeUpdate":
		var e FailRuntimeUpdate
		n = n.asField("error")
		ok := l.read(n, &e, key)
		l.useContainer(n, key, e.Container, false)
		if ok && e.Error == "" {
			l.errorf(n.lineOf("error"), "failRuntimeUpdate.error is missing; want the runtime's text")
		}
		l.between(n, key, "times", e.Times, 0, maxTimes)
		return one(e)
	case "failCheckpointRead":
		e := FailCheckpointRead{File: CPUState}
		l.into(n.asField("file"), &e, key)
		return one(e)
	case "failCheckpointWrite":
		e := FailCheckpointWrite{File: CPUState}
		n = n.asField("errno")
		if l.read(n, &e, key) {
			l.oneOf(n, key, "errno", e.Errno, "EMFILE", "ENFILE", "ENOSPC", "EIO", "EROFS", "EACCES")
			l.between(n, key, "times", e.Times, 0, maxTimes)
		}
		return one(e)
	case "killAtCheckpointWrite":
		e := KillAtCheckpointWrite{File: CPUState, Nth: 1, When: "before"}
		n = n.asField("nth")
		if l.read(n, &e, key) {
			l.between(n, key, "nth", e.Nth, 1, maxTimes)
			l.oneOf(n, key, "when", e.When, "before", "after")
		}
		return one(e)
	case "limitOpenFiles":
		var e LimitOpenFiles
		n = n.asField("free")
		if l.read(n, &e, key) {
			l.need(n, key, "free")
			l.between(n, key, "free", e.Free, 0, 1000)
		}
		return one(e)
	case "exhaust":
		var e Exhaust
		n = n.asField("sysctl")
		if l.read(n, &e, key) {
			l.oneOf(n, key, "sysctl", e.Sysctl, Sysctls()...)
			l.between(n, key, "free", e.Free, 0, 1000)
		}
		return one(e)
	case "clobberCPUSet":
		var e ClobberCPUSet
		ok := l.read(n, &e, key)
		l.useContainer(n, key, e.Container, ok)
		if ok {
			l.someCPUs(n, key, e.CPUs)
		}
		return one(e)
	}
	l.errorf(n.line, "event %s has no reader", key)
	return nil
}

// need says that a field must be there.
func (l *loading) need(n *node, key, field string) {
	if f := n.get(field); n.kind == mapping && (f == nil || f.isNull()) || n.isNull() {
		l.errorf(n.line, "%s.%s is missing", key, field)
	}
}

func (l *loading) someCPUs(n *node, key string, cpus observe.CPUs) {
	if cpus == "" {
		l.errorf(n.lineOf("cpus"), `%s.cpus: want a CPU list like "0-3,8"`, key)
	}
}

func (l *loading) atLeast(n *node, key, field string, got, least int) {
	if got < least {
		l.errorf(n.lineOf(field), "%s.%s: %d is less than %d", key, field, got, least)
	}
}

func (l *loading) between(n *node, key, field string, got, least, most int) {
	if got < least || got > most {
		l.errorf(n.lineOf(field), "%s.%s: %d is not between %d and %d", key, field, got, least, most)
	}
}
