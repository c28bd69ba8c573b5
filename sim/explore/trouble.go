package explore

import (
	"encoding/json"
	"fmt"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// trouble is a kind of what goes wrong, or changes, on a node.
type trouble int

const (
	crash trouble = iota
	failedWrites
	failedUpdates
	offlineCPU
	newConfig
	lostFile
	reboot
	clobberedCPUSet
	resizedPod
	otherMachine
	moreCPUs
	otherHugePages
	movedMemory
	lateDevices
	debuggedPod
	kindsOfTrouble
)

// trouble draws an event of a kind, with what belongs to it.
func (g *generator) trouble(d *drawer, w *world, kind trouble) []scenarios.Event {
	file := pick(d, scenarios.CPUState, scenarios.CPUState, scenarios.MemoryState)
	switch kind {
	case crash:
		kill := scenarios.KillAtCheckpointWrite{File: file, Nth: 1 + d.n(4), When: pick(d, "before", "after")}
		out := append([]scenarios.Event{kill}, g.events(d, w)...)
		w.running = true
		return append(out, scenarios.StartKubelet{})
	case failedWrites:
		if d.chance(4) { // not a file can be opened
			return append(append([]scenarios.Event{scenarios.LimitOpenFiles{}}, g.events(d, w)...), scenarios.ClearFaults{})
		}
		return []scenarios.Event{scenarios.FailCheckpointWrite{File: file, Errno: pick(d, "ENOSPC", "EMFILE"), Times: d.n(3)}}
	case failedUpdates:
		if d.chance(6) {
			return []scenarios.Event{scenarios.ClearFaults{}}
		}
		return []scenarios.Event{scenarios.FailRuntimeUpdate{Error: "unable to freeze", Times: d.n(3)}}
	case newConfig:
		w.running = true
		return []scenarios.Event{scenarios.RestartKubelet{Config: w.patch(d)}}
	case lostFile:
		if d.chance(6) {
			w.running = true
			return []scenarios.Event{scenarios.StopKubelet{}, corrupted(d, file), scenarios.StartKubelet{}}
		}
		return []scenarios.Event{scenarios.DeleteStateFile{File: file}}
	case clobberedCPUSet:
		if c := w.container(d); c != "" {
			return []scenarios.Event{scenarios.ClobberCPUSet{Container: c, CPUs: w.cpu(d)}}
		}
	case resizedPod:
		return w.resize(d)
	case debuggedPod:
		if len(w.live) > 0 {
			w.debugs++
			return []scenarios.Event{scenarios.AddEphemeralContainer{Pod: w.live[d.n(len(w.live))].name, Name: fmt.Sprintf("debug%d", w.debugs)}}
		}
	case lateDevices:
		w.running = true
		return append([]scenarios.Event{scenarios.RestartKubelet{DevicesNotReady: true}}, append(g.events(d, w), scenarios.DevicesReady{})...)
	default:
		return g.hardware(d, w, kind)
	}
	return nil
}

// corrupted draws what a crash, a full disk or a person makes of a state file.
func corrupted(d *drawer, file scenarios.StateFile) scenarios.Event {
	switch d.n(4) {
	case 0:
		return scenarios.WriteStateFile{File: file}
	case 1:
		at := 8 * d.n(32)
		return scenarios.EditStateFile{File: file, Truncate: &at}
	case 2: // a value that its checksum does not fit
		if file == scenarios.CPUState {
			return scenarios.EditStateFile{File: file, Set: map[string]json.RawMessage{"dataChecksum": json.RawMessage("1")}}
		}
	}
	return scenarios.EditStateFile{File: file, Append: "\x00"}
}

func (w *world) resize(d *drawer) []scenarios.Event {
	c := w.container(d)
	if c == "" {
		return nil
	}
	resize := scenarios.ResizePod{Container: c}
	cpu, memory := parsed(w.env.cpu(d)), parsed(w.env.memory(d))
	if d.chance(12) {
		resize.CPU = &cpu
	}
	if resize.CPU == nil || d.chance(4) {
		resize.Memory = &memory
	}
	return []scenarios.Event{resize}
}

// hardware draws a change of the machine: now, or with the kubelet down, or at a reboot.
func (g *generator) hardware(d *drawer, w *world, kind trouble) []scenarios.Event {
	var change []scenarios.Event
	nodes := w.profile.NUMANodes
	if len(nodes) == 0 && (kind == otherHugePages || kind == movedMemory) {
		return nil
	}
	switch kind {
	case offlineCPU:
		if d.chance(8) {
			change = append(change, scenarios.OnlineCPUs{CPUs: w.cpu(d)})
		} else {
			change = append(change, scenarios.OfflineCPUs{CPUs: w.cpu(d)})
		}
	case moreCPUs:
		all := w.profile.AllCPUs().List()
		change = append(change, scenarios.AddCPUs{CPUs: observe.CPUs(fmt.Sprint(all[len(all)-1] + 1 + d.n(2))), Like: w.online[d.n(len(w.online))]})
	case otherHugePages:
		change = append(change, w.hugePages(d))
	case movedMemory:
		from, to := nodes[d.n(len(nodes))], nodes[d.n(len(nodes))]
		if from.ID != to.ID {
			change = append(change, scenarios.MoveMemory{From: from.ID, To: to.ID, Bytes: from.MemoryBytes / uint64(2+d.n(8))})
		}
	case otherMachine:
		name := g.machines[d.n(len(g.machines))]
		p, err := g.resolve(name)
		if err != nil || w.env.devices { // devices stay on their NUMA nodes
			return nil
		}
		w.profile, w.online, w.running = p, p.OnlineCPUs().List(), true
		return []scenarios.Event{scenarios.SwapProfile{Profile: name}, scenarios.StartKubelet{}}
	}
	switch {
	case kind == reboot, d.chance(3):
		w.running = true
		return append(append([]scenarios.Event{scenarios.Reboot{}}, change...), scenarios.StartKubelet{})
	case d.chance(6):
		w.running = true
		return append(append([]scenarios.Event{scenarios.StopKubelet{}}, change...), scenarios.StartKubelet{})
	}
	return change
}
