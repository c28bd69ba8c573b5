// Package agent is the part of pinlab that runs on a node with a real kubelet
// and does there what a scenario's events ask for: it starts and ends the
// kubelet, holds the API objects that the kubelet watches, makes faults, and
// reads from the kernel what came of it. It talks to the outside over one byte
// stream.
//
// It decides nothing: what an event means and whether it has settled is the
// business of the other end, package e2e/node.
package agent

import (
	"encoding/json"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

// Greeting is the line with which an agent begins; what comes before it on the
// stream is noise of the boot.
const Greeting = "pinlab-agent 1\n"

// Hello is what an agent tells of itself and its machine.
type Hello struct {
	KubeletVersion string
	Kernel         string
	CgroupVersion  int
	// Sys is the machine's sysfs as far as it describes CPUs, nodes and caches:
	// files by path below the root.
	Sys map[string][]byte
	// BootSeconds is the machine's uptime when it was asked, in seconds.
	BootSeconds float64
}

// StartKubelet is the request to start the kubelet.
type StartKubelet struct {
	// Config is a KubeletConfiguration as JSON. What the lab needs to work (the
	// runtime's socket, cgroup driver, ports) is put in by the agent.
	Config json.RawMessage
	// NoFile, when not 0, is the limit of open files it is started with.
	NoFile uint64
}

// KubeletState is what became of the kubelet process.
type KubeletState struct {
	// Starts counts the starts so far.
	Starts int
	// Running says that the process lives; Ready that its managers have
	// started.
	Running, Ready bool
	// Exit is how it ended: "exit status 1", "signal: killed".
	Exit string
	// Fatal is the error that it ended with, in its own words.
	Fatal string
	PID   int
}

// Facts are what is to be seen of the node at one moment, as it was read;
// nothing is interpreted.
type Facts struct {
	Kubelet KubeletState
	// CPUState and MemoryState are the state files.
	CPUState, MemoryState File
	// Pods are the API server's pods as JSON, in the order of their creation,
	// with the status that the kubelet has reported.
	Pods [][]byte
	// Groups are the cgroups of containers and sandboxes.
	Groups []cgroup.Group
	// Resources is what the podresources API says: the exclusive CPUs of
	// containers by NAMESPACE/POD/CONTAINER. Nil while the kubelet is down, and
	// when it does not answer; ResourcesUnread then says why.
	Resources       map[string]observe.CPUs
	ResourcesUnread string
	// Listed is the whole answer of that API, in its order.
	Listed []observe.ListedContainer
	// Allocatable are the CPUs that the podresources API says may be had.
	Allocatable observe.CPUs
	Online      observe.CPUs
	// Uptime is the machine's monotonic clock, in seconds.
	Uptime float64
	// Unread says what could not be read.
	Unread []string
}

// File is a file that may not be there.
type File struct {
	Exists bool
	Data   []byte
}

// Log are the kubelet's log lines from a position on.
type Log struct {
	Lines []observe.LogLine
	// Next is the position after them.
	Next int64
}

// Created is what the API server made of a new pod.
type Created struct {
	// UID is the one that the kubelet's cgroups and state files have.
	UID string
}

// DeletePod asks for the deletion of a pod; Force takes it out of the API
// server at once.
type DeletePod struct {
	Namespace, Name string
	Force           bool
}

// Signal is sent to the kubelet; the call returns when the process has ended.
type Signal struct{ Signal int }

// ExitContainer ends the first process of a container.
type ExitContainer struct {
	ContainerID string
	Code        int
}

// WriteFile replaces a file below the kubelet's directory.
type WriteFile struct {
	Name   string
	Data   []byte
	Remove bool // instead of writing
}

// Online takes CPUs on or off line.
type Online struct {
	CPUs   []int
	Online bool
}

// SetCPUSet writes a container's cpuset behind the kubelet's back.
type SetCPUSet struct {
	ContainerID string
	CPUs        observe.CPUs
}

// Hold holds updates of containers back. Allow is how many of each container are
// let through first.
type Hold struct {
	Updates bool
	Allow   int
}

// FailUpdate makes the runtime's update fail.
type FailUpdate struct {
	// Namespace, Pod and Container name one container; all empty is every one.
	Namespace, Pod, Container string
	Error                     string
	// Times bounds the failures; 0 is no bound.
	Times int
}

// Exhaust uses something up until only Free are left.
type Exhaust struct {
	// What is nofile (the kubelet's open files), disk (bytes below the
	// kubelet's directory) or one of scenarios.Sysctls.
	What string
	Free int
}

// Rest is a wait until nothing has changed for some time. It looks at what costs
// nothing to look at: the pods in the API server, the state files and the
// kubelet process. An emulated machine has no time for more.
type Rest struct {
	// Calm is how long nothing may change, Most how long the wait may last, both
	// in seconds.
	Calm, Most float64
	// Change is how long, in seconds, the wait goes on for a first change before
	// it waits for calm. Somebody who waits for something to happen has nothing to
	// look at before it does.
	Change float64
}

// None is an argument or answer without content.
type None struct{}
