package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// TestCoMounted reads a cpuset hierarchy of version 1 that shares its mount with
// another controller. Its links stay below the root, absolute ones too.
func TestCoMounted(t *testing.T) {
	for name, link := range map[string]string{"relative": "cpu,cpuset", "absolute": "/sys/fs/cgroup/cpu,cpuset", "none": ""} {
		t.Run(name, func(t *testing.T) {
			r := newRoot(t)
			base := "sys/fs/cgroup/cpu,cpuset/"
			r.write(base+"cpuset.cpus", "0-7\n")
			dir := "kubepods/pod" + uid + "/" + cid + "/"
			for file, text := range map[string]string{"cpuset.cpus": "4-5", "cpuset.effective_cpus": "4-5", "cpuset.mems": "1", "cpuset.effective_mems": "1", "cgroup.procs": ""} {
				r.write(base+dir+file, text+"\n")
			}
			if link != "" {
				r.Expect(os.Symlink(link, filepath.Join(r.dir, "sys/fs/cgroup/cpuset"))).To(Succeed())
			}
			mount, version, err := r.reader().Mount()
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(version).To(Equal(V1))
			r.Expect(Files{r.dir}.Name(mount)).To(Equal("/sys/fs/cgroup/cpu,cpuset"))
			got, err := r.reader().Containers()
			r.Expect(err).NotTo(HaveOccurred())
			r.Expect(got).To(HaveLen(1))
			r.Expect(string(got[0].CPUs)).To(Equal("4-5"))
			r.Expect(got[0].Unread).To(BeEmpty())
		})
	}
}

// TestLinksStayBelowTheRoot shows links that would lead out of it.
func TestLinksStayBelowTheRoot(t *testing.T) {
	r := newRoot(t)
	r.v2()
	outside := filepath.Join(t.TempDir(), "cpus")
	r.Expect(os.WriteFile(outside, []byte("7\n"), 0o600)).To(Succeed())
	dir := "kubepods/pod" + uid + "/" + cid
	r.group(dir, "1", "1", "10\n")
	r.process(10, "app", "1")
	for _, file := range []string{"sys/fs/cgroup/" + dir + "/cpuset.cpus", "proc/10/task/10/status"} {
		full := filepath.Join(r.dir, file)
		r.Expect(os.Remove(full)).To(Succeed())
		r.Expect(os.Symlink(outside, full)).To(Succeed())
	}
	g, err := r.reader().Group("/" + dir)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(g.CPUs).To(BeEmpty())
	r.Expect(g.Unread).To(ContainElement("cpuset.cpus: no such file or directory"))
	r.Expect(g.Processes).To(BeEmpty())

	// The same link leads to a file of the machine where there is one.
	r.write(outside, "3\n")
	g, err = r.reader().Group("/" + dir)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(string(g.CPUs)).To(Equal("3"))
}

// TestNothingIsWaitedFor reads what is no regular file, or too large.
func TestNothingIsWaitedFor(t *testing.T) {
	r := newRoot(t)
	r.v2()
	dir := "kubepods/pod" + uid + "/" + cid
	r.group(dir, "1", "1", "10\n11\n")
	r.process(10, "app", "1")
	r.process(11, "app", "1")
	for _, file := range []string{"sys/fs/cgroup/" + dir + "/cpuset.cpus", "proc/10/task/10/status"} {
		full := filepath.Join(r.dir, file)
		r.Expect(os.Remove(full)).To(Succeed())
		r.Expect(unix.Mkfifo(full, 0o600)).To(Succeed())
	}
	r.write("sys/fs/cgroup/"+dir+"/cpuset.mems", strings.Repeat("0,", maxList))
	g, err := r.reader().Group("/" + dir)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(g.Unread).To(ConsistOf(
		"cpuset.cpus: not a regular file", "cpuset.mems: too long for a list of CPUs", "process 10: thread 10: not a regular file"))
	r.Expect(g.Processes).To(HaveLen(1), "the other is read")

	r.Expect(os.Truncate(filepath.Join(r.dir, "sys/fs/cgroup", dir, "cgroup.procs"), 400<<20)).To(Succeed())
	g, err = r.reader().Group("/" + dir)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(g.Unread).To(ContainElement("cgroup.procs: larger than 16 MiB"))

	controllers := filepath.Join(r.dir, "sys/fs/cgroup/cgroup.controllers")
	r.Expect(os.Remove(controllers)).To(Succeed())
	r.Expect(unix.Mkfifo(controllers, 0o600)).To(Succeed())
	_, _, err = r.reader().Mount()
	r.Expect(err).To(MatchError("/sys/fs/cgroup/cgroup.controllers: not a regular file"))
}

// TestProcessesOutOfSight tells processes that have ended from those of a
// machine whose procfs is not there, or whose cgroup is out of sight.
func TestProcessesOutOfSight(t *testing.T) {
	r := newRoot(t)
	r.Expect(os.Mkdir(filepath.Join(r.dir, "proc"), 0o755)).To(Succeed())
	_, err := r.reader().PIDs()
	r.Expect(err).To(MatchError(ErrNoProcess))
	r.write("proc/9/cgroup", "0::/../cri-containerd-"+cid+".scope\n")
	_, err = r.reader().PathOf(9, V2)
	r.Expect(err).To(MatchError(ErrForeign))
}
