package sim

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// stateFileCache keeps the last content read, so that a file that upstream has
// not replaced is not read again.
type stateFileCache struct {
	id    fileID
	state *kubelet.CPUState
	err   error
	// replaced says that the running kubelet has written the file since, and
	// nobody else after it: what it wrote is known without reading.
	replaced bool
}

type fileID struct {
	inode uint64
	size  int64
	mtime syscall.Timespec
}

// stateFile reads cpu_manager_state; a missing file is nil without an error.
func (n *Node) stateFile() (*kubelet.CPUState, error) {
	if n.file.replaced && n.running() {
		if s, err := n.life.Written(); s != nil || err != nil {
			return s, err
		}
	}
	path := n.path(scenarios.CPUState)
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		n.file = stateFileCache{}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	id := fileID{st.Ino, st.Size, st.Mtim}
	if id == n.file.id {
		return n.file.state, n.file.err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := kubelet.ReadCPUState(data)
	n.file = stateFileCache{id: id, state: s, err: err}
	return s, err
}

// Observe implements scenarios.Target.
func (n *Node) Observe(context.Context) (observe.Observation, error) {
	n.drainLog()
	o := observe.Observation{
		Kubelet: observe.KubeletStopped, Online: n.runtime.online, Admissions: n.admissions, Resizes: n.resizes,
		Started: n.started, Reconciled: n.reconcile, UnchangedRestart: n.restart.unchanged,
		Containers: make([]observe.Container, 0, len(n.pods)),
	}
	n.resizes = nil
	n.admissions, n.restart.unchanged, n.started = nil, false, false // told once
	if n.config != nil {
		o.Config = n.config.Observed()
	}
	file, err := n.stateFile()
	if err != nil {
		o.CheckpointError = n.mask(err.Error())
	}
	var snap kubelet.Snapshot
	switch {
	case n.running():
		o.Kubelet = observe.KubeletRunning
		snap = n.life.Snapshot()
		o.Config.Reserved, o.NUMAMemory, o.SourcesNotReady = snap.Reserved, snap.NUMA, !n.apiSeen
	case n.failed:
		o.Kubelet, o.KubeletError = observe.KubeletFailed, n.lastError
	}
	if !n.running() && file != nil {
		snap.SharedPool, snap.Entries = file.SharedPool, file.Entries
	}
	o.SharedPool = snap.SharedPool
	if o.SharedPool == "" && len(snap.Entries) == 0 && o.Config.CPUManagerPolicy != "static" {
		o.SharedPool = o.Online // the none policy keeps no sets: all CPUs are shared
	}
	seen := make(map[kubelet.ContainerKey]bool, len(snap.Entries))
	for _, p := range n.pods {
		if p.deleted && !n.anyRunning(p) {
			continue
		}
		for _, c := range p.containers {
			key := kubelet.ContainerKey{PodUID: p.uid, Name: c.spec.Name}
			oc := n.seeContainer(p, c, &o, snap, key)
			if _, has := snap.Entries[key]; has && !p.deleted && !p.terminal() {
				seen[key] = true
			}
			o.Containers = append(o.Containers, oc)
		}
	}
	o.Stale = n.assignments(snap.Entries, seen)
	for uid, cpus := range snap.PodCPUs { // pods that are gone keep theirs until the next tick
		o.PodCPUs = append(o.PodCPUs, observe.Assignment{Pod: n.podName(uid), CPUs: cpus})
	}
	slices.SortFunc(o.PodCPUs, func(a, b observe.Assignment) int { return strings.Compare(a.Pod, b.Pod) })
	if file != nil {
		o.Checkpoint = &observe.Checkpoint{Policy: file.Policy, SharedPool: file.SharedPool, Entries: n.assignments(file.Entries, nil)}
	}
	return o, nil
}

func (n *Node) anyRunning(p *pod) bool {
	return slices.ContainsFunc(p.containers, func(c *container) bool { return c.state == observe.StateRunning })
}

// seeContainer tells what is to be seen of one container.
func (n *Node) seeContainer(p *pod, c *container, o *observe.Observation, snap kubelet.Snapshot, key kubelet.ContainerKey) observe.Container {
	oc := observe.Container{
		Pod: p.spec.Name, Container: c.spec.Name, Kind: c.kind, State: c.state,
		QoS: string(p.spec.Status.QOSClass), Assigned: o.SharedPool,
	}
	if oc.QoS == "" {
		oc.QoS = string(kubelet.QoS(p.spec))
	}
	if n.config != nil {
		promised := n.promised(p, c)
		oc.Requested, oc.Reason = promised.cpus, promised.reason
	}
	if cpus, ok := snap.Entries[key]; ok {
		oc.Assigned = cpus
		podPool, podLevel := snap.PodCPUs[p.uid]
		oc.Exclusive = !podLevel || oc.Requested > 0
		oc.PodShared = !oc.Exclusive
		if oc.PodShared {
			oc.Reason += observe.SharesPod + string(podPool)
		}
		oc.NUMANodes = n.numaNodes(cpus)
	}
	if p.rejected {
		oc.Requested, oc.Assigned, oc.Reason = 0, "", "rejected: "+p.answer.Reason
	}
	if c.cgroup != nil && c.cgroup.Running {
		oc.Actual, oc.Mems = n.runtime.actual(c.cgroup), c.cgroup.mems
	}
	if n.running() && len(n.allDevs) > 0 {
		oc.Devices = n.life.DevicesOf(key)
	}
	return oc
}

func (n *Node) numaNodes(cpus observe.CPUs) []int {
	if nodes, ok := n.numaCache[cpus]; ok {
		return nodes
	}
	set := map[int]bool{}
	for _, id := range cpus.Set().UnsortedList() {
		if node, ok := n.nodeOf[id]; ok && node != hwprofiles.None {
			set[node] = true
		}
	}
	nodes := slices.Sorted(maps.Keys(set))
	if len(n.numaCache) > 4096 {
		clear(n.numaCache)
	}
	n.numaCache[cpus] = nodes
	return nodes
}

// podName is a pod's name, or the UID that no pod has had.
func (n *Node) podName(uid string) string {
	if name, ok := n.names[uid]; ok {
		return name
	}
	return uid
}

// assignments lists state entries by pod name, those in skip left out.
func (n *Node) assignments(entries map[kubelet.ContainerKey]observe.CPUs, skip map[kubelet.ContainerKey]bool) []observe.Assignment {
	if len(entries) == len(skip) {
		return nil
	}
	var out []observe.Assignment
	for key, cpus := range entries {
		if skip[key] {
			continue
		}
		out = append(out, observe.Assignment{Pod: n.podName(key.PodUID), Container: key.Name, CPUs: cpus})
	}
	slices.SortFunc(out, func(a, b observe.Assignment) int {
		return slices.Compare([]string{a.Pod, a.Container}, []string{b.Pod, b.Container})
	})
	return out
}
