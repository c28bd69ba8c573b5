package kind

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// namePrefix begins the names of the clusters that pinlab makes.
const namePrefix = "pinlab-"

// A claim is a cluster's name, held by this process in a locked file. The lock
// ends with the process, however that ends, and the file then says what is to be
// cleaned up.
type claim struct {
	name string
	file *os.File
}

// newClaim makes a name that no other claim in the directory has.
func newClaim(dir string) (*claim, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return nil, err
	}
	c := &claim{name: namePrefix + strings.TrimPrefix(filepath.Base(f.Name()), "new-"), file: f}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = os.Rename(f.Name(), claimFile(dir, c.name)) // only now may others see it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim the name of a cluster: %w", err), os.Remove(f.Name()), f.Close())
	}
	return c, nil
}

func claimFile(dir, name string) string { return filepath.Join(dir, name+".lock") }

// kubeconfigFile is where kind writes how to reach a cluster.
func kubeconfigFile(dir, name string) string { return filepath.Join(dir, name+".kubeconfig") }

// release gives the claim up: the cluster is gone, or is somebody's to keep.
func (c *claim) release(dir string) error {
	err := errors.Join(remove(kubeconfigFile(dir, c.name)), remove(claimFile(dir, c.name)))
	return errors.Join(err, c.file.Close())
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// orphans claims the clusters whose processes are gone.
func orphans(dir string) ([]*claim, error) {
	files, err := filepath.Glob(filepath.Join(dir, namePrefix+"*.lock"))
	if err != nil {
		return nil, err
	}
	var out []*claim
	for _, file := range files {
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue // its process has just ended well
		} else if err != nil {
			return out, err
		}
		if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
			f.Close() // its process lives
			continue
		}
		out = append(out, &claim{name: strings.TrimSuffix(filepath.Base(file), ".lock"), file: f})
	}
	return out, nil
}
