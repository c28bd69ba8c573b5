package node

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// A machine that an agent tells of is the machine that it is on.
func TestDetect(t *testing.T) {
	for name, text := range map[string]string{
		"SMT":           "name: p\nshape: sockets=2 cores=4 threads=2\n",
		"many L3":       "name: p\nshape: cores=6 threads=2 nodes=3 l3=2\n",
		"CPU-less node": "name: p\nshape: sockets=2 cores=2\nnodes: [{id: 2, memory: 4GiB}]\ndistances: [10 21 17, 21 10 28, 17 28 10]\n",
		"offline CPUs":  "name: p\nshape: sockets=2 cores=2 threads=2\ncpus: {offline: \"3,5\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := hwprofiles.Parse([]byte(text), "p.yaml")
			g.Expect(err).NotTo(HaveOccurred())
			h := helloOf(g, p)
			got, err := Detect(h)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.Equal(p)).To(BeTrue())
			clear(h.Sys)
			_, err = Detect(h)
			g.Expect(err).To(MatchError(ContainSubstring("what machine the node is")))
		})
	}
}

func TestPinnedAndShared(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{})
	f.created = func(p *corev1.Pod) {
		f.run(p.Name, "app", "2-3")
		f.state("0-1,4-7", map[string]string{"a/app": "2-3"})
	}
	apply(g, target, create("a"))
	f.created = func(p *corev1.Pod) { f.run(p.Name, "app", "0-1,4-7") }
	o := apply(g, target, create("b", func(p *corev1.Pod) { p.Spec.Containers[0].Resources.Limits = nil }))

	g.Expect(o.Kubelet).To(Equal(observe.KubeletRunning))
	g.Expect(o.Config).To(Equal(observe.Config{
		CPUManagerPolicy: "static", TopologyManagerPolicy: "none", TopologyManagerScope: "container", MemoryManagerPolicy: "None", Reserved: "0",
	}))
	g.Expect(o.Online).To(Equal(observe.CPUs("0-7")))
	g.Expect(o.SharedPool).To(Equal(observe.CPUs("0-1,4-7")))
	g.Expect(o.Reconciled).To(BeTrue())
	g.Expect(o.Stale).To(BeEmpty())
	g.Expect(o.Checkpoint).To(Equal(&observe.Checkpoint{
		Policy: "static", SharedPool: "0-1,4-7", Entries: []observe.Assignment{{Pod: "a", Container: "app", CPUs: "2-3"}},
	}))
	g.Expect(o.Containers).To(Equal([]observe.Container{
		{
			Pod: "a", Container: "app", Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed", Requested: 2,
			Exclusive: true, Assigned: "2-3", Actual: "2-3", Mems: "0", NUMANodes: []int{0}, Reason: "said so",
		},
		{
			Pod: "b", Container: "app", Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed",
			Assigned: "0-1,4-7", Actual: "0-1,4-7", Mems: "0", Reason: "said so",
		},
	}))
}

// What the cgroup and the threads say is told, whatever the manager says.
func TestDrift(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	f.state("0-1,4-7", map[string]string{"a/app": "2-3"})
	group := &f.facts.Groups[0]
	group.Effective = "2-4"
	group.Processes = []cgroup.Process{
		{PID: 1, Threads: map[observe.CPUs]int{"2-4": 3, "4": 1}},
		{PID: 2, Threads: map[observe.CPUs]int{"4": 2, "2": 1}},
	}
	o := apply(g, target, scenarios.Reconcile{Times: 1})
	g.Expect(o.Containers[0]).To(And(
		HaveField("Assigned", observe.CPUs("2-3")), HaveField("Actual", observe.CPUs("2-4")),
		HaveField("Threads", []observe.CPUs{"2", "4"})))
}

func TestKinds(t *testing.T) {
	g, target, f := newTarget(t)
	f.created = func(p *corev1.Pod) {
		f.end(p.Name, "init", 0)
		f.run(p.Name, "sidecar", "0-7")
		f.run(p.Name, "app", "0-7")
	}
	o := apply(g, target, scenarios.StartKubelet{}, create("a", withInit("init", "sidecar")))
	var got []string
	for _, c := range o.Containers {
		got = append(got, string(c.Kind)+" "+c.Container+" "+string(c.State)+" "+string(c.Actual))
	}
	g.Expect(got).To(Equal([]string{"init init terminated ", "sidecar sidecar running 0-7", "app app running 0-7"}))
}

func TestRejected(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{})
	f.created = func(p *corev1.Pod) { f.reject(p.Name, "OutOfcpu", "Node didn't have enough resource: cpu") }
	o := apply(g, target, create("a"))
	g.Expect(o.Admissions).To(Equal([]observe.Admission{{Pod: "a", ExclusiveCPUs: 2, Reason: "OutOfcpu", Message: "Node didn't have enough resource: cpu"}}))
	g.Expect(o.Containers).To(HaveExactElements(And(
		HaveField("State", observe.StateWaiting), HaveField("Requested", 0), HaveField("Assigned", observe.CPUs("")),
		HaveField("Actual", observe.CPUs("")), HaveField("Reason", "rejected: OutOfcpu"))))
	o = apply(g, target, scenarios.RestartKubelet{})
	g.Expect(o.Admissions).To(BeEmpty(), "a rejected pod is not admitted again")
}

// Each admission is told once, and once more after a restart.
func TestAdmissions(t *testing.T) {
	g, target, f := newTarget(t)
	o := apply(g, target, create("early"))
	g.Expect(o.Admissions).To(BeEmpty(), "nobody has been asked")
	f.run("early", "app", "0-7") // once a kubelet is there
	o = apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.Admissions).To(Equal([]observe.Admission{{Pod: "early", ExclusiveCPUs: 2, Admitted: true}}))
	o = apply(g, target, create("late"))
	g.Expect(o.Admissions).To(Equal([]observe.Admission{{Pod: "late", ExclusiveCPUs: 2, Admitted: true}}))
	g.Expect(apply(g, target, scenarios.Reconcile{}).Admissions).To(BeEmpty())
	g.Expect(apply(g, target, scenarios.StopKubelet{}).Admissions).To(BeEmpty())
	o = apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.Admissions).To(Equal([]observe.Admission{
		{Pod: "early", ExclusiveCPUs: 2, Admitted: true, Readmission: true}, {Pod: "late", ExclusiveCPUs: 2, Admitted: true, Readmission: true},
	}))
	apply(g, target, scenarios.DeletePod{Pod: "early"})
	f.on["StartKubelet"] = func(any) error { f.reject("late", "UnexpectedAdmissionError", "no"); return nil }
	f.facts.Groups = nil
	o = apply(g, target, scenarios.RestartKubelet{})
	g.Expect(o.Admissions).To(Equal([]observe.Admission{{Pod: "late", ExclusiveCPUs: 2, Reason: "UnexpectedAdmissionError", Message: "no", Readmission: true}}))
}

// An entry of nobody is stale; one of a pod that the node knows has its name.
func TestStale(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"), create("b"))
	f.state("0-1", map[string]string{"a/app": "2-3", "b/app": "4-5", "ghost/app": "6", "a/gone": "7"})
	o := apply(g, target, scenarios.DeletePod{Pod: "b"})
	g.Expect(o.Stale).To(Equal([]observe.Assignment{
		{Pod: "a", Container: "gone", CPUs: "7"}, {Pod: "b", Container: "app", CPUs: "4-5"}, {Pod: "ghost", Container: "app", CPUs: "6"},
	}))
	g.Expect(o.Checkpoint.Entries).To(HaveLen(4))
	g.Expect(o.Containers).To(HaveExactElements(HaveField("Pod", "a")))
}

func TestStateFiles(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{})
	f.facts.CPUState = agent.File{}
	o := apply(g, target, scenarios.Reconcile{})
	g.Expect(o.Checkpoint).To(BeNil())
	g.Expect(o.CheckpointError).To(BeEmpty())
	g.Expect(o.SharedPool).To(BeEmpty())
	f.facts.CPUState = agent.File{Exists: true}
	o = apply(g, target, scenarios.Reconcile{})
	g.Expect(o.CheckpointError).To(Equal("unexpected end of JSON input"))
	f.facts.CPUState = agent.File{Exists: true, Data: []byte(`{"policyName":"stat`)}
	o = apply(g, target, scenarios.Reconcile{})
	g.Expect(o.Checkpoint).To(BeNil())
	g.Expect(o.CheckpointError).NotTo(BeEmpty())
}

func TestNonePolicy(t *testing.T) {
	g, target, f := newTarget(t, func(s *scenarios.Scenario, _ *Options) { s.Kubelet = nil })
	f.facts.CPUState = agent.File{Exists: true, Data: []byte(`{"policyName":"none","defaultCpuSet":"","checksum":1}`)}
	o := apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.SharedPool).To(Equal(observe.CPUs("0-7")), "the none policy keeps no sets")
	g.Expect(o.Config.CPUManagerPolicy).To(Equal("none"))
	g.Expect(o.Config.Reserved).To(BeEmpty())
}

func TestKubeletFails(t *testing.T) {
	g, target, f := newTarget(t)
	f.fatal = "failed to run Kubelet: could not restore state from checkpoint"
	o := apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.Kubelet).To(Equal(observe.KubeletFailed))
	g.Expect(o.KubeletError).To(Equal(f.fatal))
	g.Expect(o.Started).To(BeTrue())
	g.Expect(o.Reconciled).To(BeFalse())
	o = apply(g, target, scenarios.DeleteStateFile{File: scenarios.CPUState})
	g.Expect(o.Started).To(BeFalse())
	f.fatal = ""
	g.Expect(apply(g, target, scenarios.StartKubelet{}).Kubelet).To(Equal(observe.KubeletRunning))
}

// With the kubelet down the cgroups are still read; a container without a
// process does not run, whatever the last status says.
func TestKubeletDown(t *testing.T) {
	g, target, f := newTarget(t)
	o := apply(g, target, scenarios.StartKubelet{}, create("a"), create("b"), scenarios.KillKubelet{})
	g.Expect(o.Kubelet).To(Equal(observe.KubeletStopped))
	g.Expect(o.Config.Reserved).To(BeEmpty(), "nobody can tell")
	g.Expect(o.Containers).To(HaveEach(HaveField("State", observe.StateRunning)))
	f.facts.Groups = f.facts.Groups[:1]
	o = apply(g, target, scenarios.Reconcile{})
	g.Expect(o.Reconciled).To(BeFalse())
	g.Expect(o.Containers).To(HaveExactElements(
		HaveField("Actual", observe.CPUs("0-7")), And(HaveField("State", observe.StateTerminated), HaveField("Actual", observe.CPUs("")))))
}

func TestContainerStates(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	f.end("a", "app", 1)
	s := f.status("a", "app")
	s.LastTerminationState = s.State
	s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	o := apply(g, target, scenarios.Reconcile{})
	g.Expect(o.Containers[0].State).To(Equal(observe.StateTerminated), "it waits to be started again")
	s.LastTerminationState = corev1.ContainerState{}
	s.State.Waiting.Reason = "CreateContainerError"
	o = apply(g, target, scenarios.Reconcile{})
	g.Expect(o.Containers[0].State).To(Equal(observe.StateWaiting))
}

// A deleted pod whose container still has a process is still there.
func TestGoneButAlive(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"), scenarios.StopKubelet{})
	o := apply(g, target, scenarios.DeletePod{Pod: "a"})
	g.Expect(o.Containers).To(HaveExactElements(HaveField("State", observe.StateRunning)))
	f.facts.Groups = nil
	g.Expect(apply(g, target, scenarios.Reconcile{}).Containers).To(BeEmpty())
}

func TestUnread(t *testing.T) {
	g, target, f := newTarget(t)
	f.facts.Unread = []string{"pods: no", "cgroups: no"}
	_, err := target.Observe(t.Context())
	g.Expect(err).To(MatchError("unread on the node: pods: no; cgroups: no"))
}

// A kubelet that could not write its state file works with what it has in
// memory; the podresources API tells it.
func TestMemoryAheadOfFile(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	f.state("0-7", nil)
	f.facts.Resources = map[string]observe.CPUs{"default/a/app": "2-3"}
	o, err := target.Observe(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.SharedPool).To(Equal(observe.CPUs("0-1,4-7")))
	g.Expect(o.Checkpoint.SharedPool).To(Equal(observe.CPUs("0-7")))
	g.Expect(o.Containers).To(HaveExactElements(And(HaveField("Assigned", observe.CPUs("2-3")), HaveField("Exclusive", true))))
	g.Expect(o.Stale).To(BeEmpty())

	f.facts.Resources, f.facts.ResourcesUnread = nil, "podresources: no answer"
	o, err = target.Observe(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Unread).To(Equal([]string{"podresources: no answer"}))
	g.Expect(o.SharedPool).To(Equal(observe.CPUs("0-7")), "as the file has it")
}

// A sandbox is a group of the pod that no container status names.
func TestSandboxes(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	f.facts.Groups = append(f.facts.Groups, cgroup.Group{
		PodUID: podUIDText(1), ContainerID: "pause", Effective: "0-7",
		Processes: []cgroup.Process{{PID: 9, Threads: map[observe.CPUs]int{"0-7": 1, "0-8": 1}}},
	})
	o, err := target.Observe(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Sandboxes).To(Equal([]observe.Sandbox{{Pod: "a", Actual: "0-7", Threads: []observe.CPUs{"0-8"}}}))
}

func podUIDText(n int) string { return string(podUID(n)) }
