package cgroup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/observe"
)

const (
	uid  = "8dbc0000-0000-4000-8000-00000000000a"
	cid  = "5a1c000000000000000000000000000000000000000000000000000000000001"
	cid2 = "5a1c000000000000000000000000000000000000000000000000000000000002"
)

// root is a machine's file system.
type root struct {
	*WithT
	dir string
}

func newRoot(t *testing.T) root { return root{NewWithT(t), t.TempDir()} }

func (r root) reader() Reader { return Reader{Root: r.dir} }

func (r root) write(name, text string) {
	file := filepath.Join(r.dir, name)
	r.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	r.Expect(os.WriteFile(file, []byte(text), 0o644)).To(Succeed())
}

// group writes a cgroup of version 2.
func (r root) group(path, cpus, effective, procs string) {
	base := "sys/fs/cgroup/" + path + "/"
	r.write(base+"cpuset.cpus", cpus+"\n")
	r.write(base+"cpuset.cpus.effective", effective+"\n")
	r.write(base+"cpuset.mems", "\n")
	r.write(base+"cpuset.mems.effective", "0-1\n")
	r.write(base+"cgroup.procs", procs)
}

// process writes a process with the affinities of its threads, the main one
// first.
func (r root) process(pid int, name string, allowed ...string) {
	for i, list := range allowed {
		r.write(fmt.Sprintf("proc/%d/task/%d/status", pid, pid+i), fmt.Sprintf("Name:\t%s\nState:\tS\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\nMems_allowed_list:\t0\n", name, list))
		name = "worker"
	}
}

func (r root) v2() { r.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n") }

func TestMount(t *testing.T) {
	r := newRoot(t)
	_, _, err := r.reader().Mount()
	r.Expect(err).To(MatchError(ErrNoCPUSet))
	r.write("sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n")
	_, _, err = r.reader().Mount()
	r.Expect(err).To(MatchError(ErrNoCPUSet), "a hierarchy without cpuset")
	_, err = r.reader().Containers()
	r.Expect(err).To(MatchError(ErrNoCPUSet))
	_, err = r.reader().Group("/")
	r.Expect(err).To(MatchError(ErrNoCPUSet))

	r.write("sys/fs/cgroup/cpuset/cpuset.cpus", "0-7\n")
	dir, version, err := r.reader().Mount()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(dir).To(Equal(filepath.Join(r.dir, "sys/fs/cgroup/cpuset")))
	r.Expect(version).To(Equal(V1))

	r.v2()
	dir, version, err = r.reader().Mount()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(dir).To(Equal(filepath.Join(r.dir, "sys/fs/cgroup")))
	r.Expect(version).To(Equal(V2))
}

func TestContainers(t *testing.T) {
	r := newRoot(t)
	r.v2()
	r.group("kubepods/burstable/pod"+uid+"/"+cid2, "2-3", "2-3", "20\n21\n20\n")
	r.group("kubepods/pod"+uid+"/"+cid, "", "0-7", "10\n")
	r.group("kubepods/pod"+uid+"/"+cid+"/sub", "", "0-7", "11\n")
	r.group("kubepods/pod"+uid, "", "0-7", "")
	r.group("system.slice/ssh.service", "", "0-7", "1\n")
	r.process(10, "sh", "0-7")
	r.process(11, "nested", "0-3", "0-3", "5")
	r.process(20, "app", "2-3", "2")
	got, err := r.reader().Containers()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(got).To(Equal([]Group{
		{
			Path: "/kubepods/burstable/pod" + uid + "/" + cid2, PodUID: uid, ContainerID: cid2,
			CPUs: "2-3", Effective: "2-3", EffectiveMems: "0-1",
			Processes: []Process{{PID: 20, Name: "app", Threads: map[observe.CPUs]int{"2-3": 1, "2": 1}}}, // 21 has ended
		},
		{
			Path: "/kubepods/pod" + uid + "/" + cid, PodUID: uid, ContainerID: cid,
			Effective: "0-7", EffectiveMems: "0-1",
			Processes: []Process{
				{PID: 10, Name: "sh", Threads: map[observe.CPUs]int{"0-7": 1}},
				{PID: 11, Name: "nested", Threads: map[observe.CPUs]int{"0-3": 2, "5": 1}},
			},
		},
	}))
}

func TestContainersV1(t *testing.T) {
	r := newRoot(t)
	base := "sys/fs/cgroup/cpuset/"
	r.write(base+"cpuset.cpus", "0-7\n")
	path := "kubepods.slice/kubepods-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice/cri-containerd-" + cid + ".scope"
	for file, text := range map[string]string{"cpuset.cpus": "4-5", "cpuset.effective_cpus": "4-5", "cpuset.mems": "1", "cpuset.effective_mems": "1", "cgroup.procs": ""} {
		r.write(base+path+"/"+file, text+"\n")
	}
	got, err := r.reader().Containers()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(got).To(Equal([]Group{{
		Path: "/" + path, PodUID: uid, ContainerID: cid, CPUs: "4-5", Effective: "4-5", Mems: "1", EffectiveMems: "1",
	}}))
	one, err := r.reader().Group("/" + path)
	r.Expect(err).NotTo(HaveOccurred())
	got[0].PodUID, got[0].ContainerID = "", ""
	r.Expect(one).To(Equal(got[0]))
}

// What cannot be read is told of, and never taken for empty.
func TestUnread(t *testing.T) {
	r := newRoot(t)
	r.v2()
	path := "kubepods/pod" + uid + "/" + cid
	r.group(path, "2-", "0-7", "10\nten\n")
	r.Expect(os.Remove(filepath.Join(r.dir, "sys/fs/cgroup", path, "cpuset.mems"))).To(Succeed())
	g, err := r.reader().Group("/" + path)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(g.Unread).To(HaveLen(4))
	r.Expect(g.Unread[0]).To(HavePrefix("cpuset.cpus: "))
	r.Expect(g.Unread[1]).To(Equal("cpuset.mems: no such file or directory"))
	r.Expect(g.Unread[2]).To(And(HavePrefix("cgroup.procs: "), ContainSubstring("ten")))
	r.Expect(g.Unread[3]).To(Equal("process 10: /proc: no such file or directory"), "nobody knows whether it has ended")
	r.Expect(g.Effective).To(Equal(observe.CPUs("0-7")), "the rest is read")

	r.group(path, "", "0-7", "10\n")
	r.write("proc/10/task/10/status", "Name:\tsh\n")
	g, err = r.reader().Group("/" + path)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(g.Unread).To(ConsistOf("process 10: thread 10: no Cpus_allowed_list in its status"))
	r.Expect(g.Processes).To(BeEmpty())
}

func TestProcess(t *testing.T) {
	r := newRoot(t)
	_, err := r.reader().Process(10)
	r.Expect(err).To(MatchError(fs.ErrNotExist))
	r.process(10, "sh", "0-7", "0-7", "3")
	r.Expect(os.Remove(filepath.Join(r.dir, "proc/10/task/11/status"))).To(Succeed()) // a thread that ends
	p, err := r.reader().Process(10)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(p).To(Equal(Process{PID: 10, Name: "sh", Threads: map[observe.CPUs]int{"0-7": 1, "3": 1}}))
	for _, tid := range []string{"10", "12"} {
		r.Expect(os.Remove(filepath.Join(r.dir, "proc/10/task", tid, "status"))).To(Succeed())
	}
	_, err = r.reader().Process(10)
	r.Expect(err).To(MatchError(fs.ErrNotExist), "all its threads have ended")
	r.Expect(isGone(&fs.PathError{Op: "read", Path: "status", Err: syscall.ESRCH})).To(BeTrue())
	r.Expect(isGone(nil)).To(BeFalse())
}

// This process can be read as it is.
func TestProcessOfThisMachine(t *testing.T) {
	g := NewWithT(t)
	p, err := Reader{Root: "/"}.Process(os.Getpid())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Name).NotTo(BeEmpty())
	g.Expect(p.Threads).NotTo(BeEmpty())
	for cpus := range p.Threads {
		g.Expect(cpus.Set().IsEmpty()).To(BeFalse())
	}
}

func TestParsePath(t *testing.T) {
	under, static := strings.ReplaceAll(uid, "-", "_"), strings.ReplaceAll(uid, "-", "")
	for name, c := range map[string]struct{ path, uid, id string }{
		"cgroupfs":            {"/kubepods/burstable/pod" + uid + "/" + cid, uid, cid},
		"cgroupfs, trailing":  {"/kubepods/besteffort/pod" + uid + "/" + cid + "/", uid, cid},
		"static pod":          {"/kubepods/pod" + static + "/" + cid, static, cid},
		"systemd":             {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/cri-containerd-" + cid + ".scope", uid, cid},
		"systemd, guaranteed": {"/kubepods.slice/kubepods-pod" + under + ".slice/cri-containerd-" + cid + ".scope", uid, cid},
		"kind":                {"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + under + ".slice/cri-containerd-" + cid + ".scope", uid, cid},
		"CRI-O":               {"/kubepods.slice/kubepods-pod" + under + ".slice/crio-" + cid + ".scope", uid, cid},
		"docker":              {"/kubepods.slice/kubepods-pod" + under + ".slice/docker-" + cid + ".scope", uid, cid},
		"a pod":               {"/kubepods/burstable/pod" + uid, "", ""},
		"a group below":       {"/kubepods/pod" + uid + "/" + cid + "/init", "", ""},
		"conmon":              {"/kubepods.slice/kubepods-pod" + under + ".slice/crio-conmon-" + cid + ".scope", "", ""},
		"docker by itself":    {"/docker/" + cid, "", ""},
		"short id":            {"/kubepods/pod" + uid + "/" + cid[1:], "", ""},
		"no pod":              {"/kubepods/podium/" + cid, "", ""},
		"root":                {"/", "", ""},
		"nothing":             {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			gotUID, id, ok := ParsePath(c.path)
			g.Expect(gotUID).To(Equal(c.uid))
			g.Expect(id).To(Equal(c.id))
			g.Expect(ok).To(Equal(c.id != ""))
		})
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("/kubepods/burstable/pod" + uid + "/" + cid)
	f.Add("/kubepods.slice/kubepods-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice/crio-" + cid + ".scope")
	f.Add("//..//pod")
	f.Fuzz(func(t *testing.T, path string) {
		uid, id, ok := ParsePath(path)
		if !ok {
			if uid != "" || id != "" {
				t.Fatalf("%q: %q %q", path, uid, id)
			}
			return
		}
		if len(id) != 64 || !strings.Contains(path, id) || strings.ContainsAny(uid, "_/") || len(uid) < 32 || len(uid) > 36 {
			t.Fatalf("%q: %q %q", path, uid, id)
		}
	})
}

func FuzzParseStatus(f *testing.F) {
	f.Add([]byte("Name:\tsh\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n"))
	f.Add([]byte("Name:\ta:b\nCpus_allowed_list:\t\n"))
	f.Add([]byte("Cpus_allowed_list:\t0-999999999\n"))
	f.Add([]byte("Name"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, allowed, err := parseStatus(data)
		if err == nil {
			if again, err := observe.ParseCPUs(string(allowed)); err != nil || again != allowed {
				t.Fatalf("%q: %q is not a list: %v", data, allowed, err)
			}
		}
	})
}
