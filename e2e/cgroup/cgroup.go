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

// Mount finds the cpuset hierarchy below /sys/fs/cgroup.
func (r Reader) Mount() (dir string, version int, err error) {
	base := filepath.Join(r.Root, "sys/fs/cgroup")
	data, err := os.ReadFile(filepath.Join(base, "cgroup.controllers"))
	if err == nil && slices.Contains(strings.Fields(string(data)), "cpuset") {
		return base, V2, nil
	}
	// Both kinds are mounted side by side, and the second has the cpusets.
	unified := filepath.Join(base, "unified")
	data, err = os.ReadFile(filepath.Join(unified, "cgroup.controllers"))
	if err == nil && slices.Contains(strings.Fields(string(data)), "cpuset") {
		return unified, V2, nil
	}
	// A v1 hierarchy has the file at its root; "cpu,cpuset" and the like are
	// directories too, with links to them.
	if _, err := os.Stat(filepath.Join(base, "cpuset", "cpuset.cpus")); err == nil {
		return filepath.Join(base, "cpuset"), V1, nil
	}
	return "", 0, fmt.Errorf("%s: %w (neither cgroup.controllers with cpuset nor cpuset/cpuset.cpus)", base, ErrNoCPUSet)
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
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone while it was looked at
		}
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return nil
		}
		rel := "/" + strings.TrimPrefix(strings.TrimPrefix(dir, mount), "/")
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
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			g.Unread = append(g.Unread, fmt.Sprintf("%s: %v", name, errors.Unwrap(err)))
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
	for _, pid := range pids {
		p, err := r.Process(pid)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended
		}
		if err != nil {
			g.Unread = append(g.Unread, fmt.Sprintf("process %d: %v", pid, err))
			continue
		}
		g.Processes = append(g.Processes, p)
	}
	return g
}

// pids are the processes of a cgroup and of those below it.
func (r Reader) pids(dir string) (pids []int, hidden int, err error) {
	err = filepath.WalkDir(dir, func(sub string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.Name() != "cgroup.procs" {
			return nil
		}
		data, err := os.ReadFile(sub)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, field := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("%s: %w", sub, err)
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
	base := filepath.Join(r.Root, "proc", strconv.Itoa(pid))
	tasks, err := os.ReadDir(filepath.Join(base, "task"))
	if err != nil {
		return p, err
	}
	for _, task := range tasks {
		data, err := os.ReadFile(filepath.Join(base, "task", task.Name(), "status"))
		if errors.Is(err, fs.ErrNotExist) || isGone(err) {
			continue
		}
		if err != nil {
			return p, err
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
