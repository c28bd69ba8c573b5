package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// pickFault chooses what goes wrong. Each is a step, shown before it happens so
// that it can be changed.
func (m *Model) pickFault() {
	e := m.explore
	ref, cpu := "", fmt.Sprint(e.cpu)
	if row := e.row(); row != nil && row.container != nil {
		ref = e.runs(row)
	}
	container := ""
	if ref != "" {
		container = "container: " + ref + ", "
	}
	var choices []choice
	add := func(name, note, step string) {
		choices = append(choices, choice{name: name, note: note, do: func(m *Model) tea.Cmd {
			m.askStep(name, step, "the step that does it; change it as you like")
			return nil
		}})
	}
	add("unable to freeze", "the runtime's updates of the container fail", "failRuntimeUpdate: {"+container+"error: unable to freeze}")
	if ref != "" {
		add("clobber the cpuset", "its cgroup is rewritten behind the kubelet's back", "clobberCPUSet: {container: "+ref+", cpus: \"0\"}")
	}
	add("disk full", "writes of the state file fail with ENOSPC", "failCheckpointWrite: {errno: ENOSPC}")
	add("too many open files", "writes of the state file fail with EMFILE", "failCheckpointWrite: {errno: EMFILE}")
	add("kill at a write", "the kubelet is killed at its next write of the state file", "killAtCheckpointWrite: {nth: 1, when: before}")
	add("delete the state file", "as the usual remedy has it", "deleteStateFile: {}")
	add("damage the state file", "it is cut off in the middle", "editStateFile: {truncate: 20}")
	add("offline a CPU", "the selected one", "offlineCPUs: \""+cpu+"\"")
	add("online a CPU", "the selected one", "onlineCPUs: \""+cpu+"\"")
	add("reboot", "kubelet and containers are gone; S starts the kubelet", "reboot: {}")
	other := e.ref
	if hwprofiles.NamesFile(other) {
		other = "" // a step cannot name a file: the session is not in its directory
	}
	add("another machine", "the same disk, a BIOS setting changed; takes effect at the next start", "swapProfile: "+other)
	add("clear all faults", "", "clearFaults: {}")
	m.overlay = newPicker("inject a fault", choices)
}

// runs is the container of a row, or one of its pod that runs where it does not:
// a fault of what has ended shows nothing.
func (e *explore) runs(row *podRow) string {
	if row.container.State == observe.StateRunning {
		return row.container.Ref()
	}
	for i := range e.rows {
		if c := e.rows[i].container; c != nil && c.Pod == row.pod && c.State == observe.StateRunning {
			return c.Ref()
		}
	}
	return row.container.Ref()
}
