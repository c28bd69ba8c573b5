package kind

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// namePrefix begins the names of the clusters that pinlab makes.
	namePrefix = "pinlab-"
	// attachedPrefix begins the files of clusters that are somebody's.
	attachedPrefix = "attached-"
)

// A claim is a cluster, held by this process in a locked file. The lock ends with
// the process, however that ends, and the file then says what is to be cleaned up.
type claim struct {
	name string
	path string
	file *os.File
	record
}

// record is what a claim's file says.
type record struct {
	PID int `json:"pid"`
	// Engine is the container engine that the cluster is on, see engineOf.
	Engine string `json:"engine"`
	// Cluster is its name.
	Cluster string `json:"cluster"`
}

// newClaim makes a name that no other claim in the directory has.
func newClaim(dir, engine string) (*claim, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "new-")
	if err != nil {
		return nil, err
	}
	c := &claim{name: namePrefix + strings.TrimPrefix(filepath.Base(f.Name()), "new-"), file: f}
	c.path = filepath.Join(dir, c.name+".lock")
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		err = c.write(engine)
	}
	if err == nil {
		err = os.Rename(f.Name(), c.path) // only now may others see it
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim the name of a cluster: %w", err), os.Remove(f.Name()), f.Close())
	}
	return c, nil
}

// attachedFile is the file of a cluster that is somebody's. Two engines may have
// clusters of one name.
func attachedFile(dir, engine, name string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(engine))
	return filepath.Join(dir, fmt.Sprintf("%s%s-%08x.lock", attachedPrefix, name, h.Sum32()))
}

// claimAttached claims a cluster that is somebody's. Two pinlabs would take each
// other's kubelet away.
func claimAttached(dir, engine, name string) (*claim, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	c := &claim{name: name, path: attachedFile(dir, engine, name)}
	for {
		var err error
		if c.file, err = os.OpenFile(c.path, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
			return nil, err
		}
		err = unix.Flock(int(c.file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			who := "another pinlab"
			if c.read() == nil {
				who = fmt.Sprintf("the pinlab with process ID %d", c.PID)
			}
			return nil, errors.Join(fmt.Errorf("%w: cluster %s is in use by %s; want one that no other pinlab replays on", ErrUsage, name, who), c.file.Close())
		} else if err != nil {
			return nil, errors.Join(fmt.Errorf("claim cluster %s: %w", name, err), c.file.Close())
		}
		if !c.named() { // who had it has just given it up
			_ = c.file.Close()
			continue
		}
		if err := c.write(engine); err != nil {
			return nil, errors.Join(fmt.Errorf("claim cluster %s: %w", name, err), c.file.Close())
		}
		return c, nil
	}
}

// write says in the claim's file whose it is.
func (c *claim) write(engine string) error {
	c.record = record{PID: os.Getpid(), Engine: engine, Cluster: c.name}
	data, err := json.Marshal(c.record)
	if err != nil {
		return err
	}
	if err := c.file.Truncate(0); err != nil {
		return err
	}
	_, err = c.file.WriteAt(append(data, '\n'), 0)
	return err
}

func (c *claim) read() error {
	data, err := os.ReadFile(c.path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, &c.record)
}

// named says that the file which was locked is the one that has the name still:
// its holder may have given it up between our opening it and locking it.
func (c *claim) named() bool {
	at, err := os.Stat(c.path)
	if err != nil {
		return false
	}
	ours, err := c.file.Stat()
	return err == nil && os.SameFile(at, ours)
}

// kubeconfigFile is where kind writes how to reach a cluster.
func kubeconfigFile(dir, name string) string { return filepath.Join(dir, name+".kubeconfig") }

// patchesDir is where kubeadm's patches for a cluster are.
func patchesDir(dir, name string) string { return filepath.Join(dir, name+".patches") }

// release gives the claim up: the cluster is gone, or is somebody's to keep.
func (c *claim) release(dir string) error {
	err := errors.Join(remove(kubeconfigFile(dir, c.name)), os.RemoveAll(patchesDir(dir, c.name)), remove(c.path))
	return errors.Join(err, c.file.Close())
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// orphans claims what processes that are gone have left: the clusters that they
// made and those that they had attached to.
func orphans(dir string) (made, attached []*claim, err error) {
	for prefix, list := range map[string]*[]*claim{namePrefix: &made, attachedPrefix: &attached} {
		files, err := filepath.Glob(filepath.Join(dir, prefix+"*.lock"))
		if err != nil {
			return nil, nil, err
		}
		for _, path := range files {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if errors.Is(err, os.ErrNotExist) {
				continue // its process has just ended well
			} else if err != nil {
				return made, attached, err
			}
			c := &claim{path: path, file: f}
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil || !c.named() || c.read() != nil {
				_ = f.Close() // its process lives, or has just ended well
				continue
			}
			c.name = c.Cluster
			*list = append(*list, c)
		}
	}
	return made, attached, nil
}
