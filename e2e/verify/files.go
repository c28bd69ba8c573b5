package verify

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/e2e/cgroup"
)

// Unread is something that could not be read. Nothing is concluded from it.
type Unread struct {
	What string `json:"what"`
	Why  string `json:"why"`
	// Essential says that without it the audit is not one: that nothing was
	// found then does not mean that nothing is wrong.
	Essential bool `json:"essential,omitempty"`
}

// files reads the files of a machine below the directory where its file system
// is.
type files = cgroup.Files

// cause is an error without the path, which what stands beside it says.
func cause(err error) error { return cgroup.Cause(err) }

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// gone says that a process ended while it was looked at.
func gone(err error) bool { return missing(err) || errors.Is(err, unix.ESRCH) }

// procfs says whether a directory is a procfs of the kernel, whose links lead
// where a process sees them, and not a copy of one.
func procfs(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}
