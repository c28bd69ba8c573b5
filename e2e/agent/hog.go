package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/scenarios"
)

// SysctlFile is where a sysctl is read and set.
func SysctlFile(name string) string {
	return "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
}

// Hog uses a limit of the kernel up until only free are left, says so with one
// byte on ready, and holds it until done is closed. It leaves files in the
// working directory, and the limit may be lower than it was.
func Hog(sysctl string, free int, ready io.Writer, done <-chan struct{}) error {
	var err error
	switch sysctl {
	case scenarios.InotifyInstances:
		err = hogInstances(free)
	case scenarios.InotifyWatches:
		err = hogWatches(free)
	case scenarios.FileMax:
		err = hogFiles(free)
	default:
		err = fmt.Errorf("%s cannot be used up; want one of %s", sysctl, strings.Join(scenarios.Sysctls(), ", "))
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

// fewWatches is what the limit of watches is lowered to, the kernel's own
// default before 5.11: a machine with much memory has a million, which would
// take minutes to use up.
const fewWatches = 8192

// hogWatches adds inotify watches until the user may have no more, then removes
// free.
func hogWatches(free int) error {
	if err := lower(scenarios.InotifyWatches, fewWatches); err != nil {
		return err
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	var watches []int
	for i := 0; ; i++ {
		file := strconv.Itoa(i)
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

// manyFiles is how many files are held open.
const manyFiles = 4096

// hogFiles opens files until only free are left of fs.file-max. The limit is
// lowered first, or a million would have to be opened. It does not bind root,
// and so not this process either: it counts.
func hogFiles(free int) error {
	if err := raiseFiles(); err != nil {
		return err
	}
	data, err := os.ReadFile("/proc/sys/fs/file-nr")
	if err != nil {
		return err
	}
	open, err := strconv.Atoi(strings.Fields(string(data))[0])
	if err != nil {
		return err
	}
	if err := lower(scenarios.FileMax, open+manyFiles+free); err != nil {
		return err
	}
	for range manyFiles {
		if _, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return err
		}
	}
	return nil
}

// lower sets a limit, unless it is lower already.
func lower(sysctl string, to int) error {
	data, err := os.ReadFile(SysctlFile(sysctl))
	if err != nil {
		return err
	}
	now, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || now <= int64(to) {
		return err
	}
	return os.WriteFile(SysctlFile(sysctl), []byte(strconv.Itoa(to)), 0o644)
}

func closeSome(fds []int, n int) error {
	for i := range min(n, len(fds)) {
		if err := unix.Close(fds[i]); err != nil {
			return err
		}
	}
	return nil
}

// raiseFiles lets this process open many files.
func raiseFiles() error {
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
}
