package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Hog uses a limit of the kernel up until only free are left, says so with one
// byte on ready, and holds it until done is closed.
func Hog(what string, free int, ready io.Writer, done <-chan struct{}) error {
	var err error
	switch what {
	case "inotifyInstances":
		err = hogInstances(free)
	case "inotifyWatches":
		err = hogWatches(free)
	case "openFiles":
		err = hogFiles(free)
	default:
		return fmt.Errorf("nothing known as %q can be used up", what)
	}
	if err != nil {
		return err
	}
	if _, err := ready.Write([]byte{'.'}); err != nil {
		return err
	}
	<-done
	return nil
}

// hogInstances opens inotify instances until the user may have no more, then
// gives free back.
func hogInstances(free int) error {
	if err := raiseFiles(); err != nil {
		return err
	}
	var fds []int
	for {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if errors.Is(err, unix.EMFILE) {
			break
		}
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	return closeSome(fds, free)
}

// hogWatches adds inotify watches until the user may have no more, then removes
// free.
func hogWatches(free int) error {
	dir, err := os.MkdirTemp("", "pinlab-watch-")
	if err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	var watches []int
	for i := 0; ; i++ {
		file := filepath.Join(dir, strconv.Itoa(i))
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			return err
		}
		w, err := unix.InotifyAddWatch(fd, file, unix.IN_MODIFY)
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		if err != nil {
			return err
		}
		watches = append(watches, w)
	}
	for i := range min(free, len(watches)) {
		if _, err := unix.InotifyRmWatch(fd, uint32(watches[i])); err != nil {
			return err
		}
	}
	return nil
}

// hogFiles opens files until the machine may have no more (fs.file-max). Root
// may go beyond it, so the limit is lowered to what is open plus free.
func hogFiles(free int) error {
	data, err := os.ReadFile("/proc/sys/fs/file-nr")
	if err != nil {
		return err
	}
	used, err := strconv.Atoi(strings.Fields(string(data))[0])
	if err != nil {
		return err
	}
	return os.WriteFile("/proc/sys/fs/file-max", fmt.Appendf(nil, "%d", used+free), 0o644)
}

func closeSome(fds []int, n int) error {
	for i := range min(n, len(fds)) {
		if err := unix.Close(fds[i]); err != nil {
			return err
		}
	}
	return nil
}

func raiseFiles() error {
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}

func kubeletVersion() (string, error) {
	return commandOutput("/usr/bin/kubelet", "--version")
}
