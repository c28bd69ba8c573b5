package host

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OnMemory says whether a directory's files live in memory.
func OnMemory(dir string) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return false, fmt.Errorf("%s: %w", dir, err)
	}
	return st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC, nil
}

// FindDir returns the first of the directories that can be written and whose
// files live in memory, or do not; empty when there is none.
func FindDir(memory bool, candidates ...string) string {
	for _, dir := range candidates {
		if is, err := OnMemory(dir); err != nil || is != memory {
			continue
		}
		probe, err := os.MkdirTemp(dir, "pinlab-")
		if err != nil {
			continue
		}
		if os.Remove(probe) == nil {
			return dir
		}
	}
	return ""
}
