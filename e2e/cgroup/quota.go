package cgroup

import (
	"fmt"
	"path/filepath"
	"strings"
)

// CPUMax is the quota of CPU time of a cgroup, by its path below the cpuset
// hierarchy's mount, as cpu.max of version 2 shows it: "max 100000" or
// "50000 100000", in microseconds.
func (r Reader) CPUMax(rel string) (string, error) {
	mount, version, err := r.Mount()
	if err != nil {
		return "", err
	}
	word := func(dir, name string) (string, error) {
		data, err := Files(r).readIn(dir, name)
		if err != nil {
			return "", fmt.Errorf("%s/%s: %w", rel, name, err)
		}
		return strings.TrimSpace(string(data)), nil
	}
	if version == V2 {
		return word(filepath.Join(mount, rel), "cpu.max")
	}
	// The kubelet and the runtimes give a container the same path in each
	// hierarchy. The name is the controller's, or a link to "cpu,cpuacct".
	cpu, err := Files(r).Resolve(base + "/cpu")
	if err != nil {
		return "", err
	}
	quota, err := word(filepath.Join(cpu, rel), "cpu.cfs_quota_us")
	if err != nil {
		return "", err
	}
	period, err := word(filepath.Join(cpu, rel), "cpu.cfs_period_us")
	if quota == "-1" {
		quota = "max"
	}
	return quota + " " + period, err
}
