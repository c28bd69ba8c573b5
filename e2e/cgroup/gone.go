package cgroup

import (
	"errors"
	"io/fs"
	"syscall"
)

// isGone says that a file could not be read because its process or its cgroup
// has ended, before or after it was opened.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.ENODEV)
}
