package sim

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/scenarios"
)

// faults are the faults in force.
type faults struct {
	updates []*updateFault
	writes  []*writeFault
	kill    *killFault
	// openFiles is how many more descriptors the kubelet may open; nil is no
	// limit.
	openFiles *int
	// unreadable are the state files that the kubelet may not read.
	unreadable []string
}

type updateFault struct {
	scenarios.FailRuntimeUpdate
	left int // failures left; negative is without end
}

type writeFault struct {
	scenarios.FailCheckpointWrite
	left int
}

type killFault struct {
	scenarios.KillAtCheckpointWrite
	seen int
}

func times(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// defaultUpdateError is what runc says on a cgroup v1 node whose container
// cannot be frozen.
const defaultUpdateError = `failed to update container: runc did not terminate successfully: exit status 1: unable to freeze`

// failUpdate is the runtime's answer to an update of a container; nil lets it
// pass.
func (f *faults) failUpdate(ref string) error {
	for _, u := range f.updates {
		if u.left != 0 && (u.Container == "" || u.Container == ref) {
			u.left--
			text := u.Error
			if text == "" {
				text = defaultUpdateError
			}
			return fmt.Errorf("rpc error: code = Unknown desc = %s", text)
		}
	}
	return nil
}

// errnos are the errors that a write of a state file can fail with.
var errnos = map[string]syscall.Errno{
	"EMFILE": syscall.EMFILE, "ENFILE": syscall.ENFILE, "ENOSPC": syscall.ENOSPC,
	"EIO": syscall.EIO, "EROFS": syscall.EROFS, "EACCES": syscall.EACCES,
}

// onWrite stands around every write of a state file.
func (n *Node) onWrite(file string, write func() error) error {
	f := &n.faults
	if k := f.kill; k != nil && string(k.File) == file {
		k.seen++
		if k.seen == k.Nth {
			f.kill = nil
			if k.When == "after" {
				_ = write()
			}
			n.life.Kill()
		}
	}
	for _, w := range f.writes {
		if w.left == 0 || (w.File != "" && string(w.File) != file) {
			continue
		}
		w.left--
		op := "open"
		if w.Errno == "ENOSPC" || w.Errno == "EIO" {
			op = "write" // the name is found or made, the data is not
		}
		return &fs.PathError{Op: op, Path: n.stateDir + "/." + randomSuffix, Err: errnos[w.Errno]}
	}
	err := write()
	if err == nil && file == string(scenarios.CPUState) {
		n.file.replaced = true
	}
	return err
}

// randomSuffix stands for the number that os.CreateTemp puts into a name.
const randomSuffix = "<random>"

// limited runs a piece of the kubelet under the nofile limit in force.
func (n *Node) limited(fn func() error) error {
	if n.faults.openFiles == nil {
		return fn()
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	limit, err := fdLimit(*n.faults.openFiles)
	if err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: old.Max}); err != nil {
		return fmt.Errorf("setrlimit nofile %d: %w", limit, err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()
	return fn()
}

// fdLimit is the soft limit under which exactly free more descriptors can be
// opened: the kernel always hands out the lowest free number.
func fdLimit(free int) (uint64, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0, fmt.Errorf("list open descriptors: %w", err)
	}
	used := make([]int, 0, len(entries))
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// The descriptor of the listing itself is closed by now.
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			used = append(used, fd)
		}
	}
	slices.Sort(used)
	limit := 0
	for _, fd := range used {
		for ; limit < fd; limit++ {
			if free == 0 {
				return uint64(limit), nil
			}
			free--
		}
		limit = fd + 1
	}
	return uint64(limit + free), nil
}
