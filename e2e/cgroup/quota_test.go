package cgroup

import (
	"io/fs"
	"testing"

	. "github.com/onsi/gomega"
)

// One form for both versions, and an error where there is nothing to be read.
func TestCPUMax(t *testing.T) {
	r := newRoot(t)
	r.v2()
	r.write("sys/fs/cgroup/kubepods/a/cpu.max", "50000 100000\n")
	r.Expect(r.reader().CPUMax("/kubepods/a")).To(Equal("50000 100000"))
	_, err := r.reader().CPUMax("/kubepods/b")
	r.Expect(err).To(MatchError(fs.ErrNotExist))

	r = newRoot(t)
	r.write("sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n")
	_, err = r.reader().CPUMax("/kubepods/a")
	r.Expect(err).To(MatchError(fs.ErrNotExist), "no cpu controller")
	for group, quota := range map[string]string{"a": "50000", "b": "-1"} {
		r.write("sys/fs/cgroup/cpu/kubepods/"+group+"/cpu.cfs_quota_us", quota+"\n")
		r.write("sys/fs/cgroup/cpu/kubepods/"+group+"/cpu.cfs_period_us", "100000\n")
	}
	r.Expect(r.reader().CPUMax("/kubepods/a")).To(Equal("50000 100000"))
	r.Expect(r.reader().CPUMax("/kubepods/b")).To(Equal("max 100000"))
}
