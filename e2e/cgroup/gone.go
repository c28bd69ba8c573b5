package cgroup

import (
	"errors"
	"syscall"
)

// isGone says that a file of procfs could not be read because its process has
// ended between opening and reading.
func isGone(err error) bool { return errors.Is(err, syscall.ESRCH) }
