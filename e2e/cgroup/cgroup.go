// Package cgroup reads from the kernel what CPUs containers may really use:
// the cpuset files of their cgroups and the affinity of every thread of every
// process in them. It only reads, and it reads below a root directory, so that
// it works in a pod with the host mounted elsewhere and on trees of tests.
package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/sim/observe"
)

// Reader reads the cgroups of one machine.
type Reader struct {
	// Root is where the machine's file system is: "/" or a mount of it.
	Root string
}

// Group is one cgroup with the cpuset controller.
type Group struct {
	// Path is below the cgroup mount: /kubepods/burstable/pod…/….
	Path string `json:"path"`
	// PodUID and ContainerID are read from the path; empty where it is no
	// container's.
	PodUID      string `json:"podUID,omitempty"`
	ContainerID string `json:"containerID,omitempty"`
	// CPUs and Mems are what was configured, empty for inherited; Effective
	// and EffectiveMems what the kernel makes of it.
	CPUs          observe.CPUs `json:"cpus"`
	Effective     observe.CPUs `json:"effective"`
	Mems          observe.CPUs `json:"mems"`
	EffectiveMems observe.CPUs `json:"effectiveMems"`
	Processes     []Process    `json:"processes,omitempty"`
	// Hidden counts the processes that belong to a PID namespace out of the
	// reader's sight.
	Hidden int `json:"hidden,omitempty"`
	// Unread says what could not be read, and why. The fields above are then
	// not known, and nobody may take them for empty.
	Unread []string `json:"unread,omitempty"`
}

// Process is one process of a cgroup.
type Process struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	// Threads counts the threads by Cpus_allowed_list.
	Threads map[observe.CPUs]int `json:"threads"`
}

// Version of the hierarchy that has the cpuset controller.
const (
	V1 = 1
	V2 = 2
)

// ErrNoCPUSet says that the machine has no mounted cpuset hierarchy.
var ErrNoCPUSet = errors.New("no cgroup hierarchy with the cpuset controller")

// Mount finds the cpuset hierarchy below /sys/fs/cgroup. The directory is below
// Root and has no links in it.
func (r Reader) Mount() (dir string, version int, err error) {
	files := Files(r)
	var unread error
	note := func(name string, err error) {
		if unread == nil && !errors.Is(err, fs.ErrNotExist) {
			unread = fmt.Errorf("%s: %w", name, err)
		}
	}
	// Both kinds may be mounted side by side, and the second have the cpusets.
	for _, name := range []string{base, base + "/unified"} {
		data, err := files.Read(name + "/cgroup.controllers")
		if err == nil && slices.Contains(strings.Fields(string(data)), "cpuset") {
			dir, err = files.Resolve(name)
		} else if err == nil {
			continue
		}
		if err == nil {
			return dir, V2, nil
		}
		note(name+"/cgroup.controllers", err)
	}
	// A v1 hierarchy has the file at its root. Where it is mounted together with
	// another controller, cpuset is a link to "cpu,cpuset" or the like.
	for _, name := range r.cpusets() {
		_, err := files.Resolve(name + "/cpuset.cpus")
		if err == nil {
			dir, err = files.Resolve(name)
		}
		if err == nil {
			return dir, V1, nil
		}
		note(name, err)
	}
	if unread != nil {
		return "", 0, unread
	}
	return "", 0, fmt.Errorf("%s: %w (neither cgroup.controllers with cpuset nor cpuset/cpuset.cpus)", base, ErrNoCPUSet)
}

// base is where cgroups are mounted.
const base = "/sys/fs/cgroup"

// cpusets are the names that the cpuset hierarchy of version 1 may have.
func (r Reader) cpusets() []string {
	names := []string{base + "/cpuset"}
	entries, err := Files(r).List(base)
	if err != nil {
		return names
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), ",") && slices.Contains(strings.Split(e.Name(), ","), "cpuset") {
			names = append(names, base+"/"+e.Name())
		}
	}
	return names
}

// Containers lists the cgroups of pods' containers and sandboxes, in the order
// of their paths.
func (r Reader) Containers() ([]Group, error) {
	mount, version, err := r.Mount()
	if err != nil {
		return nil, err
	}
	var out []Group
	err = filepath.WalkDir(mount, func(dir string, d fs.DirEntry, err error) error {
		if isGone(err) {
			return nil // gone while it was looked at
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(dir, mount), "/")
		if err != nil {
			return fmt.Errorf("%s: %w", rel, Cause(err))
		}
		if !d.IsDir() {
			return nil
		}
		uid, id, ok := ParsePath(rel)
		if !ok {
			return nil
		}
		g := r.read(mount, version, rel)
		g.PodUID, g.ContainerID = uid, id
		out = append(out, g)
		return fs.SkipDir // a container's own sub-groups are its own business
	})
	return out, err
}

// Group reads one cgroup by its path below the mount.
func (r Reader) Group(rel string) (Group, error) {
	mount, version, err := r.Mount()
	if err != nil {
		return Group{}, err
	}
	return r.read(mount, version, rel), nil
}

func (r Reader) read(mount string, version int, rel string) Group {
	g := Group{Path: rel}
	dir := filepath.Join(mount, rel)
	list := func(name string) observe.CPUs {
		data, err := Files(r).readIn(dir, name)
		if err != nil {
			g.Unread = append(g.Unread, fmt.Sprintf("%s: %v", name, err))
			return ""
		}
		if len(data) > maxList {
			g.Unread = append(g.Unread, name+": too long for a list of CPUs")
			return ""
		}
		cpus, err := observe.ParseCPUs(strings.TrimSpace(string(data)))
		if err != nil {
			g.Unread = append(g.Unread, fmt.Sprintf("%s: %v", name, err))
		}
		return cpus
	}
	g.CPUs, g.Mems = list("cpuset.cpus"), list("cpuset.mems")
	if version == V2 {
		g.Effective, g.EffectiveMems = list("cpuset.cpus.effective"), list("cpuset.mems.effective")
	} else {
		g.Effective, g.EffectiveMems = list("cpuset.effective_cpus"), list("cpuset.effective_mems")
	}
	pids, hidden, err := r.pids(dir)
	if err != nil {
		g.Unread = append(g.Unread, fmt.Sprintf("cgroup.procs: %v", err))
	}
	g.Hidden = hidden
	ended := 0
	for _, pid := range pids {
		p, err := r.Process(pid)
		if errors.Is(err, fs.ErrNotExist) {
			ended++
			continue
		}
		if err != nil {
			g.Unread = append(g.Unread, fmt.Sprintf("process %d: %v", pid, err))
			continue
		}
		g.Processes = append(g.Processes, p)
	}
	if ended > 0 && len(g.Processes) == 0 {
		// Where there is no procfs at all they have not ended.
		if _, err := r.PIDs(); err != nil {
			g.Unread = append(g.Unread, fmt.Sprintf("process %d: %v", pids[0], err))
		}
	}
	return g
}

// maxList is far more than the longest list of CPUs that a kernel writes.
const maxList = 64 << 10

// pids are the processes of a cgroup and of those below it.
func (r Reader) pids(dir string) (pids []int, hidden int, err error) {
	err = filepath.WalkDir(dir, func(sub string, d fs.DirEntry, err error) error {
		if isGone(err) {
			return nil
		}
		if err != nil {
			return Cause(err)
		}
		if d.Name() != "cgroup.procs" {
			return nil
		}
		data, err := Files(r).readIn(filepath.Dir(sub), "cgroup.procs")
		if isGone(err) {
			return nil
		}
		if errors.Is(err, unix.EOPNOTSUPP) && filepath.Dir(sub) != dir {
			return nil // a group of threads, whose processes a group above lists
		}
		if err != nil {
			return err
		}
		for _, field := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return err
			}
			if pid == 0 { // a process of another PID namespace
				hidden++
				continue
			}
			pids = append(pids, pid)
		}
		return nil
	})
	slices.Sort(pids)
	return slices.Compact(pids), hidden, err
}

// Process reads the affinity of every thread of a process. The error is
// fs.ErrNotExist for one that has ended.
func (r Reader) Process(pid int) (Process, error) {
	p := Process{PID: pid, Threads: map[observe.CPUs]int{}}
	files := Files(r)
	dir, err := files.Resolve(fmt.Sprintf("proc/%d/task", pid))
	if err != nil {
		return p, err
	}
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return p, Cause(err)
	}
	for _, task := range tasks {
		data, err := files.readIn(filepath.Join(dir, task.Name()), "status")
		if isGone(err) {
			continue
		}
		if err != nil {
			return p, fmt.Errorf("thread %s: %w", task.Name(), err)
		}
		name, allowed, err := parseStatus(data)
		if err != nil {
			return p, fmt.Errorf("thread %s: %w", task.Name(), err)
		}
		if task.Name() == strconv.Itoa(pid) {
			p.Name = name
		}
		p.Threads[allowed]++
	}
	if len(p.Threads) == 0 {
		return p, fs.ErrNotExist
	}
	return p, nil
}

// parseStatus takes the name and the CPU affinity out of a status file of
// procfs.
func parseStatus(data []byte) (name string, allowed observe.CPUs, err error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		switch key {
		case "Name":
			name = strings.TrimSpace(value)
		case "Cpus_allowed_list":
			allowed, err = observe.ParseCPUs(strings.TrimSpace(value))
			return name, allowed, err
		}
	}
	return name, "", errors.New("no Cpus_allowed_list in its status")
}

var (
	// A pod's UID in a cgroup name: the cgroupfs driver writes it as it is,
	// the systemd driver with underscores. Static pods' are a bare hash.
	podName = regexp.MustCompile(`(?:^|-)pod([0-9a-f]{8}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{4}[-_]?[0-9a-f]{12})(?:\.slice)?$`)
	// A container's or sandbox's: containerd and dockershim write the id
	// alone, their systemd forms and CRI-O a prefix.
	containerName = regexp.MustCompile(`^(?:cri-containerd-|crio-|docker-)?([0-9a-f]{64})(?:\.scope)?$`)
)

// ParsePath reads the pod's UID and the container's id from a cgroup path as
// the kubelet's two cgroup drivers and the container runtimes write them:
//
//	/kubepods/burstable/pod8dbc…/5a1c…                               cgroupfs
//	/kubepods.slice/kubepods-pod8dbc_….slice/cri-containerd-5a1c….scope  systemd
//	/kubepods.slice/kubepods-pod8dbc_….slice/crio-5a1c….scope            CRI-O
func ParsePath(rel string) (podUID, containerID string, ok bool) {
	dir, base := path.Split(path.Clean(rel))
	c := containerName.FindStringSubmatch(base)
	p := podName.FindStringSubmatch(path.Base(dir))
	if c == nil || p == nil {
		return "", "", false
	}
	return strings.ReplaceAll(p[1], "_", "-"), c[1], true
}
