package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const hostUID = "8dbc1a2b-1111-4222-8333-444455556666"

func TestPaths(t *testing.T) {
	id, under := strings.Repeat("5a", 32), strings.ReplaceAll(hostUID, "-", "_")
	for rel, want := range map[string]string{
		"/kubepods/burstable/pod" + hostUID + "/" + id:                                                                       Burstable,
		"/kubepods/pod" + hostUID + "/" + id:                                                                                 Guaranteed,
		"/kubepods/besteffort/pod" + hostUID + "/" + id + "/inner/deep":                                                      BestEffort,
		"/kubepods.slice/kubepods-pod" + under + ".slice/cri-containerd-" + id + ".scope":                                    Guaranteed,
		"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under + ".slice/crio-" + id + ".scope/container": Burstable,
		"/docker/" + id + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + under + ".slice/cri-containerd-" + id + ".scope": BestEffort,
		"/docker/" + id + "/kubelet/kubepods/pod" + hostUID + "/" + id: Guaranteed,
	} {
		g := NewWithT(t)
		pod, container, ok := ContainerOf(rel)
		g.Expect(ok).To(BeTrue(), rel)
		g.Expect([]string{pod, container}).To(Equal([]string{hostUID, id}), rel)
		g.Expect(QoS(rel)).To(Equal(want), rel)
	}
	for _, rel := range []string{"", "/", "/system.slice/sshd.service", "/docker/" + id, "/kubepods/pod" + hostUID, "/kubepods/pod" + hostUID + "/crio-conmon-" + id + ".scope"} {
		_, _, ok := ContainerOf(rel)
		NewWithT(t).Expect(ok).To(BeFalse(), rel)
	}
	NewWithT(t).Expect(QoS("/system.slice/burstable")).To(BeEmpty())
}

func TestParseMembership(t *testing.T) {
	g := NewWithT(t)
	hybrid := []byte("9:name=systemd:/s\n3:cpu,cpuset:/a:b\n0::/u\n")
	rel, ok := ParseMembership(hybrid, V1)
	g.Expect(ok).To(BeTrue())
	g.Expect(rel).To(Equal("/a:b"))
	rel, ok = ParseMembership(hybrid, V2)
	g.Expect(ok).To(BeTrue())
	g.Expect(rel).To(Equal("/u"))
	_, ok = ParseMembership([]byte("0::/u\n"), V1)
	g.Expect(ok).To(BeFalse())
}

func TestKernelThread(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	for pid, stat := range map[string]string{"2": "2 (kworker/0:1) S 2 0 0 0 -1 69238880 0 0", "3": "3 (a) ) R) S 1 1 1 0 -1 4194560 0 0", "4": "4 (x) S"} {
		g.Expect(os.MkdirAll(filepath.Join(root, "proc", pid), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(root, "proc", pid, "stat"), []byte(stat), 0o644)).To(Succeed())
	}
	r := Reader{Root: root}
	pids, err := r.PIDs()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pids).To(Equal([]int{2, 3, 4}))
	for pid, want := range map[int]bool{2: true, 3: false} {
		is, err := r.KernelThread(pid)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(is).To(Equal(want))
	}
	_, err = r.KernelThread(4)
	g.Expect(err).To(MatchError("malformed stat file"))
	_, err = r.KernelThread(5)
	g.Expect(err).To(MatchError(os.ErrNotExist))
}

// TestHybridAndHidden finds the cpusets of version 2 beside version 1, and does
// not take a process of another PID namespace for none.
func TestHybridAndHidden(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	dir := filepath.Join(root, "sys/fs/cgroup/unified/kubepods/pod"+hostUID, strings.Repeat("a", 64))
	g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(root, "sys/fs/cgroup/unified/cgroup.controllers"), []byte("cpuset memory\n"), 0o644)).To(Succeed())
	for name, text := range map[string]string{"cpuset.cpus": "3,1-2\n", "cpuset.cpus.effective": "1-3\n", "cpuset.mems": "\n", "cpuset.mems.effective": "0\n", "cgroup.procs": "0\n0\n"} {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)).To(Succeed())
	}
	groups, err := Reader{Root: root}.Containers()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(groups).To(HaveLen(1))
	g.Expect(groups[0].Hidden).To(Equal(2))
	g.Expect(string(groups[0].CPUs)).To(Equal("1-3"))
	g.Expect(groups[0].Unread).To(BeEmpty())
}

func FuzzContainerOf(f *testing.F) {
	id := strings.Repeat("5a", 32)
	f.Add("/kubepods/burstable/pod" + hostUID + "/" + id)
	f.Add("/kubepods.slice/kubepods-pod" + strings.ReplaceAll(hostUID, "-", "_") + ".slice/crio-" + id + ".scope/container")
	f.Add("//../pod/")
	f.Fuzz(func(t *testing.T, rel string) {
		pod, container, ok := ContainerOf(rel)
		if ok && (len(container) != 64 || len(strings.ReplaceAll(pod, "-", "")) != 32) {
			t.Fatalf("%q: pod %q, container %q", rel, pod, container)
		}
		if ok && QoS(rel) == "" {
			t.Fatalf("%q has a pod and no class", rel)
		}
	})
}

func FuzzProcessFiles(f *testing.F) {
	f.Add([]byte("Name:\tapp\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n"))
	f.Add([]byte("Cpus_allowed_list:\t0-999999\n"))
	f.Add([]byte("1 (a) ) R) S 1 1 1 0 -1 4194560 0 0"))
	f.Add([]byte("3:cpu,cpuset:/a:b\n0::/u\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _, _ = parseStatus(data)
		_, _ = parseStatFlags(data)
		_, _ = ParseMembership(data, V1)
		_, _ = ParseMembership(data, V2)
	})
}
