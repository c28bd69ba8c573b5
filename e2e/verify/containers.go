package verify

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

// readGroups reads the cgroups of pods and the processes in them.
func (a *audit) readGroups() {
	mount, version, err := a.reader.Mount()
	if err != nil {
		a.lacks("cgroups", err)
		return
	}
	a.version, a.mount = version, a.root.Name(mount)
	a.report.Node.CgroupVersion = version
	if a.groups, err = a.reader.Containers(); err != nil {
		a.lacks("cgroups", err)
	}
	a.groups = slices.DeleteFunc(a.groups, func(g cgroup.Group) bool {
		_, err := os.Stat(filepath.Join(mount, g.Path))
		return missing(err) // gone while it was looked at
	})
	a.findProcesses()
}

// readContainers says of every cgroup whose it is.
func (a *audit) readContainers(ctx context.Context) {
	var known map[string]label
	if !a.opts.NoRuntime && len(a.groups) > 0 {
		endpoint := ""
		if a.config != nil {
			endpoint = a.config.ContainerRuntimeEndpoint
		}
		known = a.askRuntime(ctx, endpoint)
	}
	for _, g := range a.groups {
		l, ok := known[g.ContainerID]
		if !ok {
			l, ok = a.readBundle(g.ContainerID)
		}
		if !ok && pause(g) {
			l = label{by: "process", sandbox: true}
		}
		a.report.Containers = append(a.report.Containers, a.container(g, l))
	}
	// A pod's name is known as soon as one of its containers' is.
	names := map[string]Container{}
	for _, c := range a.report.Containers {
		if c.Pod != "" {
			names[c.PodUID] = c
		}
	}
	for i := range a.report.Containers {
		c := &a.report.Containers[i]
		if n, ok := names[c.PodUID]; ok && c.Pod == "" {
			c.Namespace, c.Pod = n.Namespace, n.Pod
		}
	}
	slices.SortStableFunc(a.report.Containers, func(x, y Container) int {
		return cmp.Or(cmp.Compare(x.podRef(), y.podRef()), cmp.Compare(x.PodUID, y.PodUID), compareBool(x.Sandbox, y.Sandbox), cmp.Compare(x.name(), y.name()))
	})
	for _, k := range a.state.keys() {
		pod := k.uid
		if n, ok := names[k.uid]; ok {
			pod = n.podRef()
		}
		a.report.Kubelet.Entries = append(a.report.Kubelet.Entries, observe.Assignment{Pod: pod, Container: k.name, CPUs: a.state.held[k]})
	}
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

// container tells all that is known of one cgroup.
func (a *audit) container(g cgroup.Group, l label) Container {
	c := Container{
		Namespace: l.namespace, Pod: l.pod, Container: l.container, NamedBy: l.by, Sandbox: l.sandbox,
		PodUID: g.PodUID, ID: g.ContainerID, Cgroup: g.Path, QoS: cgroup.QoS(g.Path),
		Running: runs(g), Unread: slices.Clone(g.Unread),
	}
	field := func(name string, cpus observe.CPUs) *observe.CPUs {
		if slices.ContainsFunc(g.Unread, func(u string) bool { return strings.HasPrefix(u, name+": ") }) {
			return nil
		}
		return &cpus
	}
	c.CPUs, c.Mems = field("cpuset.cpus", g.CPUs), field("cpuset.mems", g.Mems)
	if a.version == cgroup.V2 {
		c.Effective = field("cpuset.cpus.effective", g.Effective)
	} else {
		c.Effective = field("cpuset.effective_cpus", g.Effective)
	}
	if g.Hidden > 0 {
		c.Unread = append(c.Unread, fmt.Sprintf("threads: %d processes are out of sight of this PID namespace", g.Hidden))
	}
	threads := map[observe.CPUs]int{}
	for _, p := range g.Processes {
		for cpus, n := range p.Threads {
			threads[cpus] += n
		}
	}
	unreadProcess := func(u string) bool { return ofProcess(u) || strings.HasPrefix(u, "cgroup.procs") }
	if g.Hidden == 0 && !slices.ContainsFunc(g.Unread, unreadProcess) {
		for cpus, n := range threads {
			c.Threads = append(c.Threads, Affinity{cpus, n})
		}
		slices.SortFunc(c.Threads, func(x, y Affinity) int { return cmp.Or(y.Threads-x.Threads, cmp.Compare(x.CPUs, y.CPUs)) })
	}
	a.assign(&c)
	if c.QoS == cgroup.Guaranteed && !c.Sandbox {
		var err error
		if c.Requested, err = a.wholeCPUs(g.Path); err != nil {
			c.Unread = append(c.Unread, err.Error())
		}
	}
	if c.Runs() && !c.Sandbox {
		a.memoryOf(g, &c)
	}
	return c
}

// ofProcess says that what is unread is a process of a cgroup.
func ofProcess(unread string) bool { return strings.HasPrefix(unread, "process ") }

// runs says whether there are processes in a cgroup, nil when that is not known.
func runs(g cgroup.Group) *bool {
	known := len(g.Processes)+g.Hidden > 0
	for _, u := range g.Unread {
		known = known || ofProcess(u) // listed, at least
		if strings.HasPrefix(u, "cgroup.procs: ") && !known {
			return nil
		}
	}
	return &known
}

// assign finds what the state files give a container.
func (a *audit) assign(c *Container) {
	if a.memory != nil && c.Container != "" {
		if nodes, ok := a.memory.held[key{c.PodUID, c.Container}]; ok {
			c.AssignedMems = &nodes
		}
	}
	if a.state == nil || c.Sandbox || a.kc.CPUManagerPolicy != "static" {
		return
	}
	entries := a.state.entriesOf(c.PodUID)
	switch cpus, has := entries[c.Container]; {
	case c.Container != "" && has:
		c.Assigned, c.Exclusive = &cpus, true
	case c.Container != "" || len(entries) == 0:
		c.Assigned = &a.state.shared
	}
}

func (a *audit) memoryOf(g cgroup.Group, c *Container) {
	m, from, err := a.readMemory(g)
	if err != nil {
		c.Unread = append(c.Unread, "memory: "+err.Error())
		return
	}
	cpus := c.Effective
	if c.Exclusive {
		cpus = c.Assigned
	}
	if cpus == nil {
		return
	}
	share, known := a.local(m, cpus.Set())
	if !known {
		return
	}
	c.Memory = &Memory{From: from, Bytes: map[string]uint64{}, Local: share}
	for node, bytes := range m {
		c.Memory.Bytes[strconv.Itoa(node)] = bytes
	}
}

// wholeCPUs is a container's CPU limit when it is a whole number, read from its
// quota; 0 otherwise, and when there is no quota.
func (a *audit) wholeCPUs(rel string) (int, error) {
	names := []string{path.Join(a.mount, rel, "cpu.max")}
	if a.version != cgroup.V2 {
		dir := path.Join("sys/fs/cgroup/cpu", rel)
		names = []string{path.Join(dir, "cpu.cfs_quota_us"), path.Join(dir, "cpu.cfs_period_us")}
	}
	var fields []string
	for _, name := range names {
		data, err := a.root.Read(name)
		if missing(err) {
			return 0, nil // no controller
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", path.Base(name), err)
		}
		fields = append(fields, strings.Fields(string(data))...)
	}
	if len(fields) != 2 {
		return 0, nil
	}
	quota, err := strconv.Atoi(fields[0])
	period, err2 := strconv.Atoi(fields[1])
	if err != nil || err2 != nil || quota <= 0 || period <= 0 || quota%period != 0 {
		return 0, nil // "max" is no limit
	}
	return quota / period, nil
}
