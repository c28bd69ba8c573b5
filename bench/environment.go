package bench

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/pinlab/pinlab/bench/host"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// directories makes a directory for the state files of each storage that the
// plan needs.
func (p *Plan) directories() (dirs map[Storage]string, remove func(), err error) {
	dirs = map[Storage]string{}
	var removes []func() error
	remove = func() {
		for _, fn := range removes {
			_ = fn() // what stays behind, the next run removes
		}
	}
	for _, c := range p.Configs {
		if dirs[c.Storage] != "" {
			continue
		}
		base, err := p.base(c.Storage)
		if err != nil {
			remove()
			return nil, nil, err
		}
		dir, fn, err := sim.LockedDir(base)
		if err != nil {
			remove()
			return nil, nil, fmt.Errorf("storage %s: %w", c.Storage, err)
		}
		dirs[c.Storage] = dir
		removes = append(removes, fn)
	}
	return dirs, remove, nil
}

// base finds a directory of a storage.
func (p *Plan) base(s Storage) (string, error) {
	if s == record.Memory {
		if dir := host.FindDir(true, append([]string{p.MemoryDir}, "/dev/shm", "/run/shm", os.TempDir())...); dir != "" {
			return dir, nil
		}
		return "", errors.New("storage memory: no tmpfs that can be written (tried /dev/shm and the temporary directory); use storage disk")
	}
	if p.DiskDir == "" {
		if dir := host.FindDir(false, os.TempDir(), "/var/tmp", "."); dir != "" {
			return dir, nil
		}
		return "", badInput("storage disk: no directory on a disk that can be written (tried the temporary directory, /var/tmp and this one); name one with --disk-dir")
	}
	memory, err := host.OnMemory(p.DiskDir)
	switch {
	case err != nil:
		return "", badInput("disk directory: %v", err)
	case memory:
		return "", badInput("disk directory %s: its files live in memory (tmpfs), which measures the same as storage memory", p.DiskDir)
	case host.FindDir(false, p.DiskDir) == "":
		return "", badInput("disk directory %s: no file can be made there", p.DiskDir)
	}
	return p.DiskDir, nil
}

// environment says where and with what was measured.
func environment(p *Plan, dirs map[Storage]string, started time.Time) Environment {
	e := Environment{
		Kubelet: kubelet.Version, Pinlab: p.ProgramBuild, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		CPUModel: host.CPUModel(os.DirFS("/")), CPUs: runtime.NumCPU(),
		Started: started.UTC().Truncate(time.Second), Seconds: time.Since(started).Round(time.Millisecond).Seconds(),
	}
	for _, s := range slices.Sorted(maps.Keys(dirs)) {
		base, err := p.base(s)
		if err != nil {
			continue
		}
		if s == record.Memory {
			e.MemoryDir = base
		} else {
			e.DiskDir, e.DiskSystem = base, host.FileSystem(os.DirFS("/"), base)
		}
	}
	return e
}
