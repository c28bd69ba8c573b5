package sim

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// shm is where Linux keeps files in memory: upstream syncs every write of a
// state file, which costs a hundred times more on a disk.
const shm = "/dev/shm"

// StateBase is the directory below which nodes keep their state files: TMPDIR
// when it is set, else memory when there is such a place.
func StateBase() string {
	if os.Getenv("TMPDIR") == "" {
		if probe, err := os.MkdirTemp(shm, "pinlab-"); err == nil {
			if os.Remove(probe) == nil {
				return shm
			}
		}
	}
	return os.TempDir()
}

// lockedPrefix begins the names of directories that are locked for as long as
// the process that made them lives.
const lockedPrefix = "pinlab-locked-"

// LockedDir makes a directory below base for this process's state directories,
// and removes those of processes that were killed before they could do it
// themselves. The lock tells them apart: it ends with its process however that
// ends, and holds across PID namespaces that share the place.
func LockedDir(base string) (dir string, remove func() error, err error) {
	sweep(base)
	dir, err = os.MkdirTemp(base, "pinlab-new-")
	if err != nil {
		return "", nil, fmt.Errorf("temporary directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err == nil {
		// Only now may it be seen by who sweeps.
		named := filepath.Join(base, lockedPrefix+strings.TrimPrefix(filepath.Base(dir), "pinlab-new-"))
		if err = os.Rename(dir, named); err == nil {
			return named, func() error { return errors.Join(os.RemoveAll(named), lock.Close()) }, nil
		}
		lock.Close()
	}
	return "", nil, errors.Join(fmt.Errorf("temporary directory: %w", err), os.RemoveAll(dir))
}

// lockDir opens and locks a directory of this user's; an error when another
// process has it.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(int(f.Fd()), &st); err == nil && int(st.Uid) != os.Getuid() {
		err = fmt.Errorf("%s belongs to user %d", dir, st.Uid)
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweep removes the locked directories whose processes are gone. What cannot be
// removed is no trouble of this run's.
func sweep(base string) {
	left, _ := filepath.Glob(filepath.Join(base, lockedPrefix+"*"))
	for _, dir := range left {
		if lock, err := lockDir(dir); err == nil {
			_ = os.RemoveAll(dir)
			lock.Close()
		}
	}
}
