package host

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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

// FileSystem is the kind of file system that a directory lies on, and its device:
// ext4 on /dev/vda1. It is empty where that cannot be told. Root is the machine's
// root directory, for /proc.
func FileSystem(root fs.FS, dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return ""
	}
	const pointField, leastAfterDash = 4, 2
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\134`, `\`)
	found, longest := "", -1
	for line := range strings.Lines(string(mounts)) {
		before, after, ok := strings.Cut(line, " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) <= pointField || len(right) < leastAfterDash {
			continue
		}
		point := unescape.Replace(left[pointField])
		// The later of two mounts at the same place lies above the other.
		if inside(dir, point) && len(point) >= longest {
			found, longest = right[0]+" on "+unescape.Replace(right[1]), len(point)
		}
	}
	return found
}

func inside(dir, point string) bool {
	return dir == point || strings.HasPrefix(dir, strings.TrimSuffix(point, "/")+"/")
}
