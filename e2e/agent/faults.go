package agent

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/e2e/apiserver"
	"github.com/pinlab/pinlab/scenarios"
)

func newAPI() *apiserver.Server { return apiserver.New(time.Now) }

// HoldUpdates makes updates of containers fail, so that the kubelet's reconcile
// loop tries them again at each tick without effect, lets some through, or lets
// them go.
func (n *Node) HoldUpdates(h Hold, _ *None) error {
	if err := os.RemoveAll(HoldDir); err != nil || !h.Updates {
		return err
	}
	// Made beside its place and moved there: the wrapper sees all or nothing.
	part := HoldDir + ".new"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o755)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(part, "allow"), fmt.Appendln(nil, h.Allow), 0o644); err != nil {
		return err
	}
	return os.Rename(part, HoldDir)
}

// FailUpdate makes the runtime's update fail.
func (n *Node) FailUpdate(f FailUpdate, _ *None) error {
	if err := os.MkdirAll(FaultDir, 0o755); err != nil {
		return err
	}
	name := "all"
	if f.Container != "" {
		name = strings.Join([]string{f.Namespace, f.Pod, f.Container}, "_")
	}
	return os.WriteFile(filepath.Join(FaultDir, filepath.Base(name)), fmt.Appendf(nil, "%d\n%s\n", f.Times, f.Error), 0o644)
}

// ClearFaults ends every fault.
func (n *Node) ClearFaults(_ None, _ *None) error {
	err := os.RemoveAll(FaultDir)
	n.mu.Lock()
	hogs := n.hogs
	n.hogs = nil
	n.mu.Unlock()
	for _, release := range hogs {
		err = errors.Join(err, release())
	}
	// That of before a reboot nobody here knows of; the disk has it still.
	if e := os.Remove(fillFile); !errors.Is(e, os.ErrNotExist) {
		err = errors.Join(err, e)
	}
	return err
}

// fillFile is what a full disk is full of.
const fillFile = kubeletDir + "/.pinlab-fill"

// Exhaust uses something up. What a process of its own uses up is given back
// when the process ends.
func (n *Node) Exhaust(e Exhaust, _ *None) error {
	var release func() error
	var err error
	switch e.What {
	case "nofile":
		release, err = n.limitFiles(e.Free)
	case "disk":
		release, err = fillDisk(e.Free)
	case scenarios.InotifyInstances, scenarios.InotifyWatches, scenarios.FileMax:
		release, err = n.hog(e.What, e.Free)
	default:
		return fmt.Errorf("nothing known as %q can be used up", e.What)
	}
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.hogs = append(n.hogs, release)
	n.mu.Unlock()
	return nil
}

// limitFiles sets the running kubelet's soft limit of open files so that only
// free more can be opened.
func (n *Node) limitFiles(free int) (func() error, error) {
	pid := n.kubelet.state().PID
	if pid == 0 {
		return nil, errors.New("the kubelet does not run")
	}
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return nil, err
	}
	taken := map[uint64]bool{}
	for _, fd := range open {
		if id, err := strconv.ParseUint(fd.Name(), 10, 64); err == nil {
			taken[id] = true
		}
	}
	// The limit is above the highest number, not a count: with it at the n-th
	// free number, n more can be opened.
	var old, limit unix.Rlimit
	for left := free; left > 0 || taken[limit.Cur]; limit.Cur++ {
		if !taken[limit.Cur] {
			left--
		}
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
		return nil, err
	}
	limit.Max = old.Max
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		return nil, err
	}
	return func() error {
		err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil)
		if errors.Is(err, unix.ESRCH) {
			return nil // that kubelet is gone
		}
		return err
	}, nil
}

// fillDisk writes a file below the kubelet's directory until only free bytes
// are left for anybody.
func fillDisk(free int) (func() error, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(kubeletDir, &st); err != nil {
		return nil, err
	}
	size := int64(st.Bfree)*st.Bsize - int64(free)
	f, err := os.Create(fillFile)
	if err != nil {
		return nil, err
	}
	release := func() error {
		if err := os.Remove(fillFile); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	if size > 0 {
		if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil && !errors.Is(err, unix.ENOSPC) {
			return nil, errors.Join(err, f.Close(), release())
		}
	}
	return release, f.Close()
}

// hog starts a process that uses a limit of the kernel up until free are left.
// The release puts the limit back as it was.
func (n *Node) hog(what string, free int) (func() error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "pinlab-hog-")
	if err != nil {
		return nil, err
	}
	file := SysctlFile(what)
	before, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "lab", "hog", what, strconv.Itoa(free))
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	ready, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	release := func() error {
		if err := cmd.Process.Kill(); err != nil {
			return err
		}
		_ = cmd.Wait() // killed
		return errors.Join(os.WriteFile(file, before, 0o644), os.RemoveAll(dir))
	}
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		return nil, errors.Join(fmt.Errorf("using up %s: %w", what, err), release())
	}
	return release, nil
}
