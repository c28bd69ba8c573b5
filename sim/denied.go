package sim

import (
	"fmt"
	"os"
	goruntime "runtime"

	"golang.org/x/sys/unix"
)

// denied runs a piece of the kubelet that may not read some state files: they
// have no permissions for that long, and the thread no privilege to pass over
// them, for pinlab may run as root.
func (n *Node) denied(fn func() error) (err error) {
	if len(n.faults.unreadable) == 0 {
		return fn()
	}
	for _, name := range n.faults.unreadable {
		file := n.stateDir + "/" + name
		info, err := os.Stat(file)
		if err != nil {
			continue // what is not there cannot be denied
		}
		if err := os.Chmod(file, 0); err != nil {
			return fmt.Errorf("deny %s: %w", name, err)
		}
		defer func() { _ = os.Chmod(file, info.Mode().Perm()) }()
	}
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var had [2]unix.CapUserData
	if err := unix.Capget(&header, &had[0]); err != nil {
		return fmt.Errorf("capget: %w", err)
	}
	has := had
	has[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &has[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	defer func() { _ = unix.Capset(&header, &had[0]) }()
	return fn()
}
