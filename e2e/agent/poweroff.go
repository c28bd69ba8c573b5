package agent

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// PowerOff makes the disk ready for the end of the machine: the kubelet is
// killed, what is not on the disk yet is written, and the root file system
// becomes read-only, as in the last moment of a shutdown.
func (n *Node) PowerOff(_ None, _ *None) error {
	var state KubeletState
	err := n.StopKubelet(Signal{int(syscall.SIGKILL)}, &state)
	unix.Sync()
	// Everything may still have files open for writing, so it takes the kernel's
	// emergency remount; it is done some time after the request.
	if err := errors.Join(err, os.WriteFile("/proc/sysrq-trigger", []byte("u"), 0o200)); err != nil {
		return err
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		mounts, err := os.ReadFile("/proc/self/mounts")
		if err != nil {
			return err
		}
		if readOnlyRoot(string(mounts)) {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the root file system has not become read-only")
		}
	}
}

// readOnlyRoot says that the last file system mounted at the root is read-only.
func readOnlyRoot(mounts string) bool {
	is := false
	for line := range strings.Lines(mounts) {
		if f := strings.Fields(line); len(f) > 3 && f[1] == "/" {
			is = f[3] == "ro" || strings.HasPrefix(f[3], "ro,")
		}
	}
	return is
}
