package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

func cpus(list observe.CPUs) *observe.CPUs { return &list }

// TestHealthyNode reads the same node in every layout, and finds nothing.
func TestHealthyNode(t *testing.T) {
	for _, s := range layouts() {
		t.Run(s.name, func(t *testing.T) {
			g := NewWithT(t)
			tr := newTree(t, s)
			r := tr.audit()
			g.Expect(r.Held()).To(BeTrue(), "%+v", r.Findings)
			g.Expect(r.Unread).To(BeEmpty())
			g.Expect(r.Node.CgroupVersion).To(Equal(s.version))
			g.Expect(r.Kubelet.State).To(Equal("running"))
			g.Expect(r.Kubelet.PID).To(Equal(kubeletPID))
			g.Expect(r.Kubelet.ConfigFrom).To(Equal([]string{"/etc/kubelet.yaml"}))
			g.Expect(r.Containers).To(HaveLen(3))
			web, pause, logs := r.Containers[0], r.Containers[1], r.Containers[2]
			g.Expect(web.Ref()).To(Equal("default/web/app"))
			g.Expect(web.QoS).To(Equal("Guaranteed"))
			g.Expect(web.NamedBy).To(Equal("bundle"))
			g.Expect(web.Exclusive).To(BeTrue())
			g.Expect(web.Assigned).To(Equal(cpus("1,9")))
			g.Expect(web.CPUs).To(Equal(cpus("1,9")))
			g.Expect(web.Effective).To(Equal(cpus("1,9")))
			g.Expect(web.Threads).To(Equal([]Affinity{{"1,9", 1}}))
			g.Expect(web.Cgroup).To(Equal(s.web))
			g.Expect(pause.Ref()).To(Equal("default/web/(sandbox)"))
			g.Expect(logs.Ref()).To(Equal("kube-system/logs/app"))
			g.Expect(logs.QoS).To(Equal("Burstable"))
			g.Expect(logs.Exclusive).To(BeFalse())
			g.Expect(logs.Assigned).To(Equal(cpus(pool)))
		})
	}
}

// TestFindings makes each finding appear, and with it no other than those
// named. TestHealthyNode has them absent.
func TestFindings(t *testing.T) {
	layout := layouts()[2]
	irq := func(tr *tree, effective string) {
		tr.file("proc/irq/40/smp_affinity_list", "0-15\n")
		tr.file("proc/irq/40/eth0-TxRx-0/x", "")
		if effective != "" {
			tr.file("proc/irq/40/effective_affinity_list", effective+"\n")
		}
	}
	memory := func(affinity int) string {
		return fmt.Sprintf(`{"policyName":"Static","machineState":{"0":{"memoryMap":{"memory":{"allocatable":100,"reserved":40,"free":60}},"cells":[0]}},`+
			`"entries":{%q:{"app":[{"numaAffinity":[%d],"type":"memory","size":40}]}},"checksum":1}`, uidWeb, affinity)
	}
	static := "cpuManagerPolicy: static\nreservedSystemCPUs: \"0\"\n"
	for _, c := range []struct {
		name     string
		change   func(*tree)
		check    string
		severity Severity
		what     string
		with     []string // checks that find the same from another side
	}{
		{"a container of the shared pool on exclusive CPUs", func(tr *tree) {
			tr.cpus("logs", "0-15")
			tr.process(200, "app", tr.group["logs"], "0-15")
		}, invariant.ExclusiveIsolated, Critical, "kube-system/logs/app can run on CPUs 1,9 of default/web/app", []string{invariant.CgroupInSync}},
		{"drift of the owner", func(tr *tree) {
			tr.cpus("web", "1")
			tr.process(100, "app", tr.group["web"], "1")
		}, invariant.CgroupInSync, Critical, "default/web/app is assigned 1,9, its cgroup says 1", nil},
		{"a CPU held twice", func(tr *tree) {
			tr.state("0,2-8,10-15", map[string]string{uidWeb + "/app": "1,9", uidLogs + "/app": "1,9"})
			tr.cpus("logs", "1,9")
			tr.process(200, "app", tr.group["logs"], "1,9")
		}, invariant.ExclusiveDisjoint, Critical, "both hold CPUs 1,9", []string{invariant.ExclusiveIsolated}},
		{"lost CPUs", func(tr *tree) {
			tr.state("0,2-8,10-14", map[string]string{uidWeb + "/app": "1,9"})
			tr.cpus("logs", "0,2-8,10-14")
			tr.process(200, "app", tr.group["logs"], "0,2-8,10-14")
		}, invariant.PoolAccounted, Warning, "CPU 15 is online and neither in the shared pool", nil},
		{"CPUs in both pools", func(tr *tree) {
			tr.state("0,2-15", map[string]string{uidWeb + "/app": "1,9"})
			tr.cpus("logs", "0,2-15")
			tr.process(200, "app", tr.group["logs"], "0,2-15")
		}, invariant.PoolAccounted, Critical, "CPU 9 is assigned to default/web/app and in the shared pool", []string{invariant.ExclusiveIsolated}},
		{"an offline CPU", func(tr *tree) {
			tr.file("sys/devices/system/cpu/cpu9/online", "0\n")
			tr.file("sys/devices/system/cpu/online", "0-8,10-15\n")
			tr.cpus("web", "1")
			tr.process(100, "app", tr.group["web"], "1")
		}, invariant.PoolAccounted, Critical, "CPU 9 is offline and still assigned to default/web/app", nil},
		{"a reserved CPU", func(tr *tree) {
			tr.state("2-7,9-15", map[string]string{uidWeb + "/app": "0,8", uidLogs + "/app": "1"})
			tr.cpus("web", "0,8")
			tr.process(100, "app", tr.group["web"], "0,8")
			tr.cpus("logs", "1")
			tr.process(200, "app", tr.group["logs"], "1")
			tr.process(1, "systemd", "/init.scope", "2")
			tr.process(kubeletPID, "kubelet", "/system.slice/kubelet.service", "2")
			tr.file("proc/50/cmdline", "/usr/bin/kubelet\x00--config=/etc/kubelet.yaml\x00")
		}, invariant.ReservedNotExclusive, Warning, "default/web/app holds CPU 0 of the reserved 0", nil},
		{"a pod that is gone", func(tr *tree) {
			tr.state("0,3-8,11-15", map[string]string{uidWeb + "/app": "1,9", uidGone + "/db": "2,10"})
			tr.cpus("logs", "0,3-8,11-15")
			tr.process(200, "app", tr.group["logs"], "0,3-8,11-15")
		}, invariant.NoLeak, Warning, uidGone + "/db is gone and still holds CPUs 2,10", nil},
		{"an alignment that is not kept", func(tr *tree) {
			tr.file("etc/kubelet.yaml", static+"cpuManagerPolicyOptions: {full-pcpus-only: \"true\"}\n")
			tr.state("0,2-7,9-15", map[string]string{uidWeb + "/app": "1,8"})
			tr.cpus("web", "1,8")
			tr.process(100, "app", tr.group["web"], "1,8")
			tr.cpus("logs", "0,2-7,9-15")
			tr.process(200, "app", tr.group["logs"], "0,2-7,9-15")
		}, invariant.Aligned, Warning, "default/web/app holds part of a core", nil},
		{"a Guaranteed container that is not pinned", func(tr *tree) {
			tr.state("0-15", nil)
			tr.file(tr.dir("web")+"/cpu.max", "200000 100000\n")
			for name, pid := range map[string]int{"web": 100, "logs": 200} {
				tr.cpus(name, "0-15")
				tr.process(pid, "app", tr.group[name], "0-15")
			}
		}, invariant.ExclusiveCount, Warning, "default/web/app runs, has QoS Guaranteed and a limit of 2 CPUs and holds none of its own", nil},
		{"no state file", func(tr *tree) { tr.remove("var/lib/kubelet/cpu_manager_state") }, invariant.CheckpointInSync, Warning, "there is no state file", nil},
		{"a malformed state file", func(tr *tree) { tr.file("var/lib/kubelet/cpu_manager_state", "{") }, invariant.CheckpointInSync, Warning, "the state file is malformed", nil},
		{"memory that does not add up", func(tr *tree) {
			tr.file("etc/kubelet.yaml", static+"memoryManagerPolicy: Static\n")
			tr.file("var/lib/kubelet/memory_manager_state", strings.Replace(memory(0), `"free":60`, `"free":50`, 1))
			tr.mems("web", "0")
		}, invariant.MemoryAccounted, Warning, "NUMA node 0", nil},
		{"memory nodes that differ", func(tr *tree) {
			tr.file("etc/kubelet.yaml", static+"memoryManagerPolicy: Static\n")
			tr.file("var/lib/kubelet/memory_manager_state", memory(1))
			tr.mems("web", "0")
		}, MemoryInSync, Warning, "default/web/app is assigned memory of NUMA nodes 1, its cgroup says 0", nil},
		{"a thread outside of its cgroup", func(tr *tree) {
			tr.process(100, "app", tr.group["web"], "1,9", "1-3")
		}, ThreadsInCgroup, Critical, "default/web/app: its cgroup allows 1,9, and it has 1 thread on 1-3", nil},
		{"a thread pinned from inside", func(tr *tree) {
			tr.process(100, "app", tr.group["web"], "1,9", "9", "9")
		}, ThreadsInCgroup, Note, "and it has 2 threads on 9", nil},
		{"a process of the host", func(tr *tree) {
			tr.process(60, "sshd", "/system.slice/sshd.service", "0-15")
		}, HostProcesses, Warning, "1 process outside of containers may run on the exclusive CPUs of default/web/app", nil},
		{"a kernel thread", func(tr *tree) {
			tr.process(70, "kworker/u32:0", "", "0-15")
			tr.process(71, "ksoftirqd/9", "", "9")
		}, KernelThreads, Note, "1 kernel thread not bound to a CPU", nil},
		{"an interrupt", func(tr *tree) { irq(tr, "9") }, Interrupts, Warning, "1 interrupt is delivered on exclusive CPUs of default/web/app", nil},
		{"an interrupt that may come", func(tr *tree) { irq(tr, "3") }, Interrupts, Note, "1 interrupt is allowed on exclusive CPUs", nil},
		{"isolated CPUs in the shared pool", func(tr *tree) {
			tr.file("proc/cmdline", "quiet isolcpus=domain,managed_irq,2-3\n")
		}, IsolatedShared, Warning, "has isolated CPUs 2-3", nil},
		{"isolated CPUs of a container", func(tr *tree) { tr.file("sys/devices/system/cpu/isolated", "1,9\n") }, IsolatedBalanced, Note, "default/web/app has isolated CPUs 1,9", nil},
		{"nohz_full in the shared pool", func(tr *tree) { tr.file("proc/cmdline", "nohz_full=2,3") }, NoHzShared, Note, "has nohz_full CPUs 2-3", nil},
		{"a core shared with others", func(tr *tree) {
			tr.state("0,2-7,9-15", map[string]string{uidWeb + "/app": "1,8"})
			tr.cpus("web", "1,8")
			tr.process(100, "app", tr.group["web"], "1,8")
			tr.cpus("logs", "0,2-7,9-15")
			tr.process(200, "app", tr.group["logs"], "0,2-7,9-15")
		}, Siblings, Note, "default/web/app shares cores with the shared pool", nil},
		{"no kubelet", func(tr *tree) {
			tr.remove("proc/50")
			tr.file("var/lib/kubelet/config.yaml", static)
		}, KubeletStopped, Warning, "no kubelet runs", nil},
		{"memory far away", func(tr *tree) {
			tr.file(tr.dir("web")+"/memory.numa_stat", "anon N0=10485760 N1=943718400\nfile N0=0 N1=0\n")
		}, MemoryLocal, Note, "default/web/app has 99% of its 910 MiB on NUMA nodes other than those of its CPUs 1,9", nil},
		{"an entry whose container does not run", func(tr *tree) {
			tr.state("0,3-8,11-15", map[string]string{uidWeb + "/app": "1,9", uidWeb + "/init": "2,10"})
			tr.cpus("logs", "0,3-8,11-15")
			tr.process(200, "app", tr.group["logs"], "0,3-8,11-15")
		}, IdleEntries, Note, "default/web/init holds 2,10 and does not run", nil},
		{"a sandbox", func(tr *tree) {
			tr.cpus("pause", "0-15")
			tr.process(300, "pause", tr.group["pause"], "0-15")
		}, Sandboxes, Note, "1 sandbox may run on exclusive CPUs", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			tr := newTree(t, layout)
			c.change(tr)
			r := tr.audit()
			all := found(r, c.check)
			g.Expect(all).NotTo(BeEmpty(), "%+v", r.Findings)
			f := all[0]
			g.Expect(f.What).To(ContainSubstring(c.what))
			g.Expect(f.Severity).To(Equal(c.severity))
			g.Expect(f.Why).NotTo(BeEmpty())
			g.Expect(f.Remedy).NotTo(BeEmpty())
			for _, other := range r.Findings {
				if other.Severity != Note {
					g.Expect(append(c.with, c.check)).To(ContainElement(other.Check), "%+v", other)
				}
			}
			o := tr.options()
			o.Skip = []string{c.check}
			r, err := Run(context.Background(), o)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found(r, c.check)).To(BeEmpty(), "skipped")
		})
	}
}

func TestEveryCheckIsExplained(t *testing.T) {
	g := NewWithT(t)
	seen := map[string]bool{}
	for _, name := range Checks() {
		g.Expect(seen[name]).To(BeFalse(), name)
		seen[name] = true
		if d := guideOf(name); d.why == "" || d.remedy == "" || d.severity == "" {
			t.Errorf("%s: incomplete", name)
		}
	}
	for _, name := range invariant.Names() {
		if !strings.HasPrefix(name, "restart-") && !strings.HasPrefix(name, "room-") { // an audit sees neither restarts nor admissions
			g.Expect(seen[name]).To(BeTrue(), name)
		}
	}
}

// TestNamesUnknown judges what can be judged without names.
func TestNamesUnknown(t *testing.T) {
	g := NewWithT(t)
	s := layouts()[0]
	s.withoutNames = true
	tr := newTree(t, s)
	r := tr.audit()
	g.Expect(r.Held()).To(BeTrue(), "%+v", r.Findings)
	web, pause, logs := r.Containers[0], r.Containers[1], r.Containers[2]
	g.Expect(web.Ref()).To(Equal(uidWeb + "/aaaaaaaaaaaa"))
	g.Expect(web.NamedBy).To(BeEmpty())
	g.Expect(web.Assigned).To(BeNil(), "which entry is its is not known")
	g.Expect(pause.NamedBy).To(Equal("process"))
	g.Expect(logs.Assigned).To(Equal(cpus(pool)), "its pod has no entry")

	// An init container that has ended has left its entry; the CPUs went on.
	tr.state(pool, map[string]string{uidWeb + "/app": "1,9", uidWeb + "/setup": "1,9"})
	r = tr.audit()
	g.Expect(r.Held()).To(BeTrue(), "%+v", r.Findings)
	tr.state(pool, map[string]string{uidWeb + "/app": "1,9"})

	tr.cpus("logs", "0-15")
	f := found(tr.audit(), invariant.ExclusiveIsolated)
	g.Expect(f).To(HaveLen(1))
	g.Expect(f[0].What).To(ContainSubstring(uidLogs + "/bbbbbbbbbbbb can run on CPUs 1,9 of " + uidWeb + "/app"))
	tr.cpus("logs", pool)

	tr.cpus("web", "1-2,9")
	tr.process(100, "app", tr.group["web"], "1-2,9")
	f = found(tr.audit(), NamelessInSync)
	g.Expect(f).To(HaveLen(1))
	g.Expect(f[0].Severity).To(Equal(Critical))
	g.Expect(f[0].What).To(ContainSubstring("runs on 1-2,9, which is neither an entry of its pod (app 1,9) nor the shared pool"))
}

// TestUnreadIsNotEmpty takes files away: nothing may be concluded from it.
func TestUnreadIsNotEmpty(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*tree)
		unread string
	}{
		{"a cgroup's files", func(tr *tree) {
			tr.remove(tr.dir("logs") + "/cpuset.cpus")
			tr.remove(tr.dir("logs") + "/cpuset.cpus.effective")
		}, "cpuset.cpus: no such file"},
		{"threads", func(tr *tree) { tr.file("proc/200/task/200/status", "Name:\tx\n") }, "process 200"},
		{"processes out of sight", func(tr *tree) {
			tr.file(tr.dir("logs")+"/cgroup.procs", "0\n0\n")
			tr.remove("proc/200")
		}, "out of sight"},
		{"a limit", func(tr *tree) { tr.fifo(tr.dir("web") + "/cpu.max") }, "cpu.max: not a regular file"},
		{"topology", func(tr *tree) { tr.file("sys/devices/system/cpu/online", "x\n") }, "topology"},
		{"a state file that is none", func(tr *tree) {
			tr.remove("var/lib/kubelet/cpu_manager_state")
			tr.file("var/lib/kubelet/cpu_manager_state/x", "")
		}, "not a regular file"},
		{"the configuration", func(tr *tree) { tr.remove("etc/kubelet.yaml") }, "/etc/kubelet.yaml: no such file"},
		{"interrupts", func(tr *tree) {
			tr.file("proc/irq/9/acpi/x", "")
			tr.file("proc/irq/9/smp_affinity_list", "nine")
		}, "IRQ 9 acpi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			tr := newTree(t, layouts()[0])
			c.change(tr)
			r := tr.audit()
			var all []string
			for _, u := range r.Unread {
				all = append(all, u.What+": "+u.Why)
			}
			for _, ctr := range r.Containers {
				all = append(all, ctr.Unread...)
			}
			g.Expect(all).To(ContainElement(ContainSubstring(c.unread)))
			g.Expect(r.Held()).To(BeTrue(), "%+v", r.Findings)
			var b bytes.Buffer
			g.Expect(WriteTable(&b, r, TableOptions{Width: 80})).To(Succeed())
			g.Expect(b.String()).To(ContainSubstring("unread"))
		})
	}
}

// TestHiddenProcessesAreFound reads cgroups of another PID namespace.
func TestHiddenProcessesAreFound(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[3])
	tr.file(tr.dir("logs")+"/cgroup.procs", "")
	tr.file(tr.dir("logs")+"/container/cgroup.procs", "0\n")
	tr.process(200, "app", tr.group["logs"]+"/container", pool)
	r := tr.audit()
	g.Expect(r.Containers[2].Threads).To(Equal([]Affinity{{pool, 1}}))
	g.Expect(r.Containers[2].Unread).To(BeEmpty())
	g.Expect(r.Held()).To(BeTrue(), "%+v", r.Findings)
}

func TestSettling(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	tr.cpus("logs", "0-15")
	o := tr.options()
	o.Now = time.Now()
	r, err := Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	f := found(r, invariant.CgroupInSync)
	g.Expect(f).To(HaveLen(1))
	g.Expect(f[0].Severity).To(Equal(Note), "the kubelet is about to repair it")
}

// TestStarts asks about the node's configuration and a proposed one.
func TestStarts(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	o := tr.options()
	o.Config, o.ConfigName = []byte(`{"cpuManagerPolicy":"none"}`), "new.yaml"
	asked := []string{}
	o.Start = func(_ context.Context, config, cpuState, memoryState []byte, p *hwprofiles.Profile) (StartAnswer, error) {
		asked = append(asked, string(config))
		g.Expect(string(cpuState)).To(ContainSubstring("policyName"))
		g.Expect(memoryState).To(BeNil())
		g.Expect(p.CPUs).To(HaveLen(16))
		if strings.Contains(string(config), `"none"`) {
			return StartAnswer{Refusal: "configured policy \"none\" differs", Version: "v0"}, nil
		}
		return StartAnswer{Reserved: "0", Version: "v0"}, nil
	}
	r, err := Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(asked).To(HaveLen(2))
	g.Expect(r.Starts[0].Result).To(Equal(Starts))
	g.Expect(r.Starts[1]).To(Equal(Start{Config: "new.yaml", Proposed: true, Result: Refused, Refusal: "configured policy \"none\" differs", KubeletVersion: "v0"}))
	g.Expect(found(r, StateRefused)).To(ConsistOf(And(HaveField("Severity", Warning), HaveField("What", ContainSubstring("proposed configuration")))))
	g.Expect(r.Kubelet.Config.CPUManagerPolicy).To(Equal("static"), "the proposal is not in force")

	o.Config = nil
	o.Start = func(context.Context, []byte, []byte, []byte, *hwprofiles.Profile) (StartAnswer, error) {
		return StartAnswer{Refusal: "corrupted"}, nil
	}
	r, err = Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found(r, StateRefused)).To(ConsistOf(HaveField("Severity", Critical)))

	o.Start = func(context.Context, []byte, []byte, []byte, *hwprofiles.Profile) (StartAnswer, error) {
		return StartAnswer{}, errors.New("no place")
	}
	r, err = Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Starts).To(Equal([]Start{{Config: "/etc/kubelet.yaml", Result: Unchecked, Unchecked: "no place"}}))
	g.Expect(r.Held()).To(BeTrue())
}

func TestKubeletsFlags(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	tr.kubelet("--config", "/etc/kubelet.yaml", "--config-dir=/etc/kubelet.d", "--root-dir=/data/kubelet", "--v=2", "--reserved-cpus=0,8", "--feature-gates=A=true,B=false", "--feature-gates=A=false",
		"--kube-reserved=cpu=1,memory=1Gi", "--reserved-memory=0:memory=1Gi,hugepages-1Gi=2Gi;1:memory=2Gi")
	tr.file("etc/kubelet.d/20-b.conf", "topologyManagerPolicy: restricted\nfeatureGates: {C: true}\n")
	tr.file("etc/kubelet.d/10-a.conf", "topologyManagerPolicy: best-effort\ncpuManagerReconcilePeriod: 5s\n")
	tr.file("etc/kubelet.d/README", "cpuManagerPolicy: none\n")
	tr.remove("var/lib/kubelet")
	tr.file("mnt/kubelet/cpu_manager_state", `{"policyName":"static","defaultCpuSet":"0-15"}`)
	g.Expect(os.Symlink("/mnt", filepath.Join(tr.root, "data"))).To(Succeed(), "an absolute link stays below the root")
	o := tr.options()
	var config string
	o.Start = func(_ context.Context, data, state, _ []byte, _ *hwprofiles.Profile) (StartAnswer, error) {
		config = string(data)
		g.Expect(string(state)).To(ContainSubstring("0-15"))
		return StartAnswer{}, nil
	}
	r, err := Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Unread).To(BeEmpty())
	g.Expect(r.Kubelet.RootDir).To(Equal("/data/kubelet"))
	g.Expect(r.Kubelet.ConfigFrom).To(Equal([]string{
		"/etc/kubelet.yaml", "/etc/kubelet.d/10-a.conf", "/etc/kubelet.d/20-b.conf", "--feature-gates --kube-reserved --reserved-cpus --reserved-memory",
	}))
	g.Expect(config).To(MatchJSON(`{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration","cpuManagerPolicy":"static",
		"reservedSystemCPUs":"0,8","topologyManagerPolicy":"restricted","cpuManagerReconcilePeriod":"5s","featureGates":{"A":false,"B":false,"C":true},
		"kubeReserved":{"cpu":"1","memory":"1Gi"},
		"reservedMemory":[{"numaNode":0,"limits":{"memory":"1Gi","hugepages-1Gi":"2Gi"}},{"numaNode":1,"limits":{"memory":"2Gi"}}]}`))
}

func TestWhatCannotBeAudited(t *testing.T) {
	g := NewWithT(t)
	empty := t.TempDir()
	_, err := Run(context.Background(), Options{Root: empty})
	g.Expect(err).To(MatchError(ErrNothing))
	g.Expect(err).To(MatchError(And(ContainSubstring("no kubelet is seen"), ContainSubstring("there is no /var/lib/kubelet/cpu_manager_state"))))
	var input *InputError
	_, err = Run(context.Background(), Options{Root: filepath.Join(empty, "nowhere")})
	g.Expect(errors.As(err, &input)).To(BeTrue())
	_, err = Run(context.Background(), Options{Root: empty, Skip: []string{"nothing"}})
	g.Expect(errors.As(err, &input)).To(BeTrue())

	tr := newTree(t, layouts()[0])
	tr.process(51, "kubelet", "/x", "0")
	tr.file("proc/51/cmdline", "kubelet\x00")
	g.Expect(unix.Mkfifo(filepath.Join(tr.root, "var/lib/kubelet/memory_manager_state"), 0o600)).To(Succeed())
	r, err := Run(context.Background(), tr.options())
	g.Expect(errors.As(err, &input)).To(BeTrue(), "%v %v", r, err)
	g.Expect(err).To(MatchError(ContainSubstring("several kubelets")))

	tr.remove("proc/51")
	r = tr.audit()
	g.Expect(r.Kubelet.MemoryState).To(Equal("unread"), "nobody waits for a FIFO")
	g.Expect(r.Starts[0].Unchecked).To(Equal("a state file is unread"))

	tr.remove("proc/50")
	tr.process(52, "k3s", "/x", "0")
	tr.file("proc/52/cmdline", "/usr/local/bin/k3s\x00server\x00")
	g.Expect(tr.audit().Unread).To(ContainElement(HaveField("Why", ContainSubstring("k3s runs it inside of itself"))))
}

// TestNothingIsWritten compares everything before and after.
func TestNothingIsWritten(t *testing.T) {
	for _, s := range layouts() {
		g := NewWithT(t)
		tr := newTree(t, s)
		tr.file("proc/irq/40/eth0/x", "")
		tr.file("proc/irq/40/smp_affinity_list", "0-15\n")
		before := hashes(t, tr.root)
		_ = tr.audit()
		g.Expect(hashes(t, tr.root)).To(Equal(before), s.name)
	}
}

func hashes(t *testing.T, root string) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String() + info.ModTime().String()
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf("%x", sha256.Sum256(data))
		}
		out[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTable holds the screen to its width, in plain and in colour.
func TestTable(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[2])
	tr.cpus("logs", "0-15")
	tr.process(60, "sshd\x1b[2J", "/system.slice/sshd.service", "0-15")
	r := tr.audit()
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		g.Expect(WriteTable(&b, r, TableOptions{Width: width})).To(Succeed())
		text := b.String()
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("width %d: %d: %s", width, n, line)
			}
		}
		g.Expect(text).To(ContainSubstring(`
  CONTAINER  ASSIGNED  CPUSET       EFFECTIVE  THREADS      MEMS  LOCAL
default/web  Guaranteed
  app        1,9       =            =          =            -     -
  (sandbox)  -         0,2-8,10-15  =          =            -     -
kube-system/logs  Burstable
  app        shared    0-15         =          0,2-8,10-15  -     -
`))
		g.Expect(text).To(ContainSubstring("CRITICAL   kube-system/logs/app can run on CPUs 1,9 of default/web/app"))
		g.Expect(text).NotTo(ContainSubstring("\x1b"))
		b.Reset()
		g.Expect(WriteTable(&b, r, TableOptions{Width: width, Color: true})).To(Succeed())
		g.Expect(b.String()).To(ContainSubstring("\x1b[31mCRITICAL\x1b[0m"))
		g.Expect(b.String()).NotTo(ContainSubstring("\x1b[2J"))
	}
	tr.cpus("web", "1-2,4-5,7-8,10-11,13-14")
	tr.process(100, "app", tr.group["web"], "1", "2", "4", "5", "7", "8", "10", "11", "13")
	var b bytes.Buffer
	g.Expect(WriteTable(&b, tr.audit(), TableOptions{Width: 80})).To(Succeed())
	g.Expect(b.String()).To(ContainSubstring("default/web  Guaranteed\n  app\n    assigned    1,9\n    cpuset      1-2,4-5,7-8,10-11,13-14\n"))
}
