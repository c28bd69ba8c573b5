package verify

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/pinlab/pinlab/e2e/cgroup"
)

// sight is what this program sees of the node's processes.
type sight struct {
	// foreign says that the node's procfs counts processes otherwise than this
	// program's PID namespace, in whose numbers the kernel writes cgroup.procs.
	foreign bool
	// narrow says that the procfs is that of a PID namespace which may show a
	// part of the node's processes.
	narrow bool
}

// initPIDs is the first PID namespace of every machine, which sees all others.
const initPIDs = "pid:[4026531836]"

// look finds out. A procfs made of files is taken as it is.
func look(root files) sight {
	proc := filepath.Join(root.Root, "proc")
	if !procfs(proc) {
		return sight{}
	}
	if self, err := os.Readlink(filepath.Join(proc, "self")); err != nil || self != strconv.Itoa(os.Getpid()) {
		return sight{foreign: true}
	}
	own, err := os.Readlink("/proc/self/ns/pid")
	return sight{narrow: err != nil || own != initPIDs}
}

// errNarrow says why nothing is said of a kubelet.
var errNarrow = errors.New("this program is in a PID namespace of its own and sees none; run it with the host's (hostPID in a pod)")

// findProcesses looks among the processes of the node for those of cgroups that
// tell their numbers in another PID namespace.
func (a *audit) findProcesses() {
	hidden := slices.ContainsFunc(a.groups, func(g cgroup.Group) bool { return g.Hidden > 0 })
	if !hidden && !a.sight.foreign {
		if a.sight.narrow && a.process == nil {
			a.doubt("processes may be out of sight of this PID namespace")
		}
		return
	}
	pids, err := a.reader.PIDs()
	if err != nil {
		return // the groups stay as they are, and their processes unread
	}
	found, unread := map[string][]cgroup.Process{}, map[string]error{}
	vague := false
	for _, pid := range pids {
		rel, err := a.reader.PathOf(pid, a.version)
		if err != nil {
			vague = vague || !gone(err)
			continue
		}
		_, id, ok := cgroup.ContainerOf(rel)
		if !ok {
			continue
		}
		switch p, err := a.reader.Process(pid); {
		case err == nil:
			found[id] = append(found[id], p)
		case !gone(err):
			unread[id] = err
		}
	}
	for i := range a.groups {
		g := &a.groups[i]
		if a.sight.foreign {
			g.Hidden = max(g.Hidden, len(g.Processes))
			g.Processes = nil
			g.Unread = slices.DeleteFunc(g.Unread, ofProcess)
		}
		if n := len(found[g.ContainerID]); n > 0 && n >= g.Hidden {
			g.Processes, g.Hidden = found[g.ContainerID], 0
		}
		if err := unread[g.ContainerID]; err != nil {
			g.Unread = append(g.Unread, "process of it: "+err.Error())
		}
	}
	if vague && a.sight.foreign {
		a.doubt("the cgroups of some processes are unread")
	}
}

// doubt says of the cgroups without processes that they may have some.
func (a *audit) doubt(why string) {
	for i := range a.groups {
		if g := &a.groups[i]; len(g.Processes)+g.Hidden == 0 {
			g.Unread = append(g.Unread, "cgroup.procs: "+why)
		}
	}
}
