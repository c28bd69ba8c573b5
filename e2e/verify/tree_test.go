package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/hwprofiles"
)

// The pods and containers of the test trees.
const (
	uidWeb  = "11111111-1111-4111-8111-111111111111"
	uidLogs = "22222222-2222-4222-8222-222222222222"
	uidGone = "33333333-3333-4333-8333-333333333333"
)

func id(letter string) string { return strings.Repeat(letter, 64) }

// tree is a machine made of files: 16 CPUs, cores of two siblings (0,8 and so
// on), NUMA node 0 with CPUs 0-3,8-11, reserved CPU 0. A kubelet with the static
// policy runs; web/app has CPUs 1,9 to itself, logs/app runs in the shared pool.
type tree struct {
	t     *testing.T
	root  string
	style style
	group map[string]string // cgroup paths by name
}

// style is how the kubelet and the runtime of a node name cgroups.
type style struct {
	name         string
	version      int
	hybrid       bool // version 2 below /sys/fs/cgroup/unified
	web, logs    string
	pause        string
	criO         bool
	withoutNames bool
}

func under(uid string) string { return strings.ReplaceAll(uid, "-", "_") }

func layouts() []style {
	return []style{
		{
			name: "cgroupfs, v2, containerd", version: 2,
			web: "/kubepods/pod" + uidWeb + "/" + id("a"), logs: "/kubepods/burstable/pod" + uidLogs + "/" + id("b"),
			pause: "/kubepods/pod" + uidWeb + "/" + id("c"),
		},
		{
			name: "cgroupfs, v1, containerd", version: 1,
			web: "/kubepods/pod" + uidWeb + "/" + id("a"), logs: "/kubepods/burstable/pod" + uidLogs + "/" + id("b"),
			pause: "/kubepods/pod" + uidWeb + "/" + id("c"),
		},
		{
			name: "systemd, v2, containerd", version: 2,
			web:   "/kubepods.slice/kubepods-pod" + under(uidWeb) + ".slice/cri-containerd-" + id("a") + ".scope",
			logs:  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under(uidLogs) + ".slice/cri-containerd-" + id("b") + ".scope",
			pause: "/kubepods.slice/kubepods-pod" + under(uidWeb) + ".slice/cri-containerd-" + id("c") + ".scope",
		},
		{
			name: "systemd, hybrid, CRI-O", version: 2, hybrid: true, criO: true,
			web:   "/kubepods.slice/kubepods-pod" + under(uidWeb) + ".slice/crio-" + id("a") + ".scope",
			logs:  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + under(uidLogs) + ".slice/crio-" + id("b") + ".scope",
			pause: "/kubepods.slice/kubepods-pod" + under(uidWeb) + ".slice/crio-" + id("c") + ".scope",
		},
		{
			name: "kind, systemd, v2", version: 2,
			web:   "/docker/" + id("f") + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + under(uidWeb) + ".slice/cri-containerd-" + id("a") + ".scope",
			logs:  "/docker/" + id("f") + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod" + under(uidLogs) + ".slice/cri-containerd-" + id("b") + ".scope",
			pause: "/docker/" + id("f") + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + under(uidWeb) + ".slice/cri-containerd-" + id("c") + ".scope",
		},
		{
			name: "kind, cgroupfs, v1", version: 1,
			web: "/docker/" + id("f") + "/kubelet/kubepods/pod" + uidWeb + "/" + id("a"), logs: "/docker/" + id("f") + "/kubelet/kubepods/burstable/pod" + uidLogs + "/" + id("b"),
			pause: "/docker/" + id("f") + "/kubelet/kubepods/pod" + uidWeb + "/" + id("c"),
		},
	}
}

const (
	pool       = "0,2-8,10-15"
	kubeletPID = 50
)

func newTree(t *testing.T, s style) *tree {
	g := NewWithT(t)
	p, err := hwprofiles.Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	tr := &tree{t: t, root: filepath.Join(tempDir(t), "host"), style: s, group: map[string]string{"web": s.web, "logs": s.logs, "pause": s.pause}}
	g.Expect(hwprofiles.WriteSysfs(p, tr.root)).To(Succeed())
	tr.file("proc/cmdline", "BOOT_IMAGE=/vmlinuz quiet\n")
	tr.file("proc/irq/1/i8042/x", "")
	tr.file("proc/irq/1/smp_affinity_list", "15\n")
	tr.file("proc/irq/1/effective_affinity_list", "15\n")
	switch {
	case s.hybrid:
		tr.file("sys/fs/cgroup/unified/cgroup.controllers", "cpuset cpu memory\n")
	case s.version == cgroup.V2:
		tr.file("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
	default:
		tr.file("sys/fs/cgroup/cpuset/cpuset.cpus", "0-15\n")
	}
	tr.process(1, "systemd", "/init.scope", "0")
	tr.kubelet("--config=/etc/kubelet.yaml")
	tr.file("etc/kubelet.yaml", "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncpuManagerPolicy: static\nreservedSystemCPUs: \"0\"\n")
	tr.state(pool, map[string]string{uidWeb + "/app": "1,9"})
	tr.container("web", "default", "web", "app", "1,9", 100)
	tr.container("logs", "kube-system", "logs", "app", pool, 200)
	tr.container("pause", "default", "web", "", pool, 300)
	return tr
}

// tempDir is in memory where there is such a place: a tree has many files.
func tempDir(t *testing.T) string {
	if os.Getenv("TMPDIR") == "" {
		if dir, err := os.MkdirTemp("/dev/shm", "pinlab-verify-test-"); err == nil {
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			return dir
		}
	}
	return t.TempDir()
}

func (tr *tree) file(name, content string) {
	tr.t.Helper()
	full := filepath.Join(tr.root, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) remove(name string) {
	tr.t.Helper()
	if err := os.RemoveAll(filepath.Join(tr.root, name)); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) dir(name string) string {
	base := "sys/fs/cgroup"
	switch {
	case tr.style.hybrid:
		base += "/unified"
	case tr.style.version == cgroup.V1:
		base += "/cpuset"
	}
	return base + tr.group[name]
}

// cpus sets what a container's cgroup says.
func (tr *tree) cpus(name, cpus string) {
	tr.t.Helper()
	tr.file(tr.dir(name)+"/cpuset.cpus", cpus+"\n")
	tr.file(tr.dir(name)+"/"+tr.effective("cpus"), cpus+"\n")
}

func (tr *tree) effective(what string) string {
	if tr.style.version == cgroup.V1 {
		return "cpuset.effective_" + what
	}
	return "cpuset." + what + ".effective"
}

func (tr *tree) mems(name, mems string) {
	tr.t.Helper()
	tr.file(tr.dir(name)+"/cpuset.mems", mems+"\n")
	tr.file(tr.dir(name)+"/"+tr.effective("mems"), "0-1\n")
}

func (tr *tree) container(name, namespace, pod, container, cpus string, pid int) {
	tr.t.Helper()
	tr.cpus(name, cpus)
	tr.mems(name, "")
	tr.file(tr.dir(name)+"/cgroup.procs", strconv.Itoa(pid)+"\n")
	comm := container
	if container == "" {
		comm = "pause"
	}
	tr.process(pid, comm, tr.group[name], cpus)
	if tr.style.withoutNames {
		return
	}
	letter := map[string]string{"web": "a", "logs": "b", "pause": "c"}[name]
	file, notes := "run/containerd/io.containerd.runtime.v2.task/k8s.io/"+id(letter)+"/config.json", map[string]string{
		"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-namespace": namespace,
		"io.kubernetes.cri.sandbox-name": pod, "io.kubernetes.cri.container-name": container,
	}
	if container == "" {
		notes["io.kubernetes.cri.container-type"] = "sandbox"
	}
	if tr.style.criO {
		file, notes = "run/containers/storage/overlay-containers/"+id(letter)+"/userdata/config.json", map[string]string{
			"io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.pod.namespace": namespace,
			"io.kubernetes.pod.name": pod, "io.kubernetes.container.name": container,
		}
		if container == "" {
			notes["io.kubernetes.cri-o.ContainerType"], notes["io.kubernetes.container.name"] = "sandbox", "POD"
		}
	}
	data, err := json.Marshal(map[string]any{"annotations": notes})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.file(file, string(data))
}

// process writes a process with a thread for each affinity.
func (tr *tree) process(pid int, name, group string, threads ...string) {
	tr.t.Helper()
	dir := fmt.Sprintf("proc/%d/", pid)
	tr.file(dir+"stat", fmt.Sprintf("%d (%s) S 1 1 1 0 -1 4194560 1 1\n", pid, name))
	tr.file(dir+"cmdline", name+"\x00")
	if group == "" { // of the kernel
		tr.file(dir+"stat", fmt.Sprintf("%d (%s) S 2 0 0 0 -1 2129984 0 0\n", pid, name))
		tr.file(dir+"cmdline", "")
		group = "/"
	}
	if tr.style.version == cgroup.V1 {
		tr.file(dir+"cgroup", "4:memory:"+group+"\n3:cpuset:"+group+"\n0::/\n")
	} else {
		tr.file(dir+"cgroup", "1:name=systemd:/x\n0::"+group+"\n")
	}
	for i, cpus := range threads {
		tr.file(fmt.Sprintf("%stask/%d/status", dir, pid+i), fmt.Sprintf("Name:\t%s\nState:\tS\nCpus_allowed_list:\t%s\n", name, cpus))
	}
}

func (tr *tree) kubelet(args ...string) {
	tr.t.Helper()
	tr.process(kubeletPID, "kubelet", "/system.slice/kubelet.service", "0")
	tr.file(fmt.Sprintf("proc/%d/cmdline", kubeletPID), strings.Join(append([]string{"/usr/bin/kubelet"}, args...), "\x00")+"\x00")
}

func (tr *tree) state(shared string, entries map[string]string) {
	tr.t.Helper()
	byPod := map[string]map[string]string{}
	for ref, cpus := range entries {
		uid, name, _ := strings.Cut(ref, "/")
		if byPod[uid] == nil {
			byPod[uid] = map[string]string{}
		}
		byPod[uid][name] = cpus
	}
	data, err := json.Marshal(map[string]any{"policyName": "static", "defaultCpuSet": shared, "entries": byPod, "checksum": 1})
	if err != nil {
		tr.t.Fatal(err)
	}
	tr.file("var/lib/kubelet/cpu_manager_state", string(data))
}

// starts is a StartCheck of a kubelet that starts.
func starts(_ context.Context, _, _, _ []byte, _ *hwprofiles.Profile) (StartAnswer, error) {
	return StartAnswer{Reserved: "0", Version: "v0"}, nil
}

// later is long after the files of a tree were written.
var later = time.Now().Add(time.Hour)

func (tr *tree) options() Options { return Options{Root: tr.root, Start: starts, Now: later} }

func (tr *tree) audit() *Report {
	tr.t.Helper()
	r, err := Run(context.Background(), tr.options())
	if err != nil {
		tr.t.Fatal(err)
	}
	return r
}

// found are the findings of a check.
func found(r *Report, check string) []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Check == check {
			out = append(out, f)
		}
	}
	return out
}
