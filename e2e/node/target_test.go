package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

func TestNew(t *testing.T) {
	g, target, f := newTarget(t)
	g.Expect(f.args["Wipe"]).To(HaveLen(1))
	g.Expect(target.Name()).To(Equal("fake"))
	g.Expect(target.KubeletVersion()).To(Equal("v1.37.2"))
	g.Expect(target.Profile().CPUs).To(HaveLen(8))
	g.Expect(target.Close()).To(Succeed())
	g.Expect(f.closed).To(BeTrue())

	_, err := New(t.Context(), &scenarios.Scenario{Devices: []scenarios.Device{{Resource: "x/y"}}}, f, Options{})
	g.Expect(err).To(MatchError(scenarios.ErrUnsupported))
	f.on["Wipe"] = func(any) error { return errors.New("no runtime") }
	_, err = New(t.Context(), &scenarios.Scenario{}, f, Options{})
	g.Expect(err).To(MatchError("no runtime"))
	f.hello.Sys = nil
	_, err = New(t.Context(), &scenarios.Scenario{}, f, Options{})
	g.Expect(err).To(MatchError(ContainSubstring("what machine")))
}

// What is wrong in a scenario is told apart from what a node cannot do.
func TestMisuseAndUnsupported(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a", withInit("init")))
	f.calls = nil
	for _, c := range []struct {
		event scenarios.Event
		is    error
		says  string
	}{
		{scenarios.StartKubelet{}, scenarios.ErrMisuse, "runs already"},
		{scenarios.StartKubelet{SourcesNotReady: true}, scenarios.ErrUnsupported, "sourcesNotReady"},
		{create("a"), scenarios.ErrMisuse, "a pod a already"},
		{scenarios.DeletePod{Pod: "b"}, scenarios.ErrMisuse, "no pod b"},
		{scenarios.ExitContainer{Container: "b/app"}, scenarios.ErrMisuse, "no pod b"},
		{scenarios.ExitContainer{Container: "a/b"}, scenarios.ErrMisuse, "no container b"},
		{scenarios.ExitContainer{Container: "a"}, scenarios.ErrMisuse, "no container"},
		{scenarios.ExitContainer{Container: "a/init"}, scenarios.ErrMisuse, "a/init does not run"},
		{scenarios.ClobberCPUSet{Container: "a/init", CPUs: "0"}, scenarios.ErrMisuse, "does not run"},
		{scenarios.FailRuntimeUpdate{Container: "b/app"}, scenarios.ErrMisuse, "no pod b"},
		{scenarios.OfflineCPUs{CPUs: "9"}, scenarios.ErrMisuse, "9"},
		{scenarios.OfflineCPUs{CPUs: "0-1"}, scenarios.ErrUnsupported, "CPU 0"},
		{scenarios.AddCPUs{CPUs: "8", Like: 0}, scenarios.ErrUnsupported, "addCPUs"},
		{scenarios.MoveMemory{}, scenarios.ErrUnsupported, "moveMemory"},
		{scenarios.SwapProfile{Profile: "no-such-profile"}, scenarios.ErrMisuse, "no-such-profile"},
		{scenarios.FailCheckpointWrite{Errno: "EMFILE"}, scenarios.ErrUnsupported, "ENOSPC"},
		{scenarios.FailCheckpointWrite{Errno: "ENOSPC", Times: 1}, scenarios.ErrUnsupported, "until clearFaults"},
		{scenarios.KillAtCheckpointWrite{}, scenarios.ErrUnsupported, "killAtCheckpointWrite"},
		{scenarios.SourcesReady{}, scenarios.ErrUnsupported, "sourcesReady: the API server"},
		{scenarios.StartKubelet{DevicesNotReady: true}, scenarios.ErrUnsupported, "devicesNotReady: there is no device plugin"},
		{scenarios.DevicesReady{}, scenarios.ErrUnsupported, "devicesReady: there is no device plugin"},
		{scenarios.FailCheckpointRead{}, scenarios.ErrUnsupported, "failCheckpointRead: the node's kubelet is root"},
	} {
		err := target.Apply(t.Context(), c.event)
		g.Expect(err).To(MatchError(c.is), "%T", c.event)
		g.Expect(err).To(MatchError(ContainSubstring(c.says)), "%T", c.event)
	}
	g.Expect(f.calls).To(BeEmpty(), "nothing has been done to the node")
	apply(g, target, scenarios.StopKubelet{})
	g.Expect(target.Apply(t.Context(), scenarios.StopKubelet{})).To(MatchError(scenarios.ErrMisuse))
	g.Expect(target.Apply(t.Context(), scenarios.StartKubelet{Config: json.RawMessage(`[`)})).To(MatchError(scenarios.ErrMisuse))
}

// What an API server defaults and what the node needs is filled in; what a
// container runs is replaced.
func TestPrepare(t *testing.T) {
	g, target, f := newTarget(t)
	e := create("a", withInit("init", "held", "sidecar"), func(p *corev1.Pod) {
		c := &p.Spec.Containers[0]
		c.Image, c.Command, c.Args = "nginx", []string{"nginx"}, []string{"-v"}
		c.Env = []corev1.EnvVar{{Name: "X", Value: "y"}}
		c.VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
		c.LivenessProbe = &corev1.Probe{}
		c.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
		p.Spec.Volumes = []corev1.Volume{{Name: "data"}}
		p.Spec.NodeSelector = map[string]string{"disk": "ssd"}
		p.Spec.ServiceAccountName = "robot"
	})
	e.HoldInit = []string{"held"}
	before := e.Pod.DeepCopy()
	apply(g, target, e)
	g.Expect(e.Pod).To(Equal(before), "the scenario's own pod is left alone")

	p := f.pod("a")
	g.Expect(p.Namespace).To(Equal("default"))
	g.Expect(p.UID).To(BeEquivalentTo("70696e6c-6162-4000-8000-000000000001"))
	g.Expect(p.Status.Phase).To(Equal(corev1.PodPending))
	g.Expect(p.Spec.NodeName).To(Equal(agent.NodeName))
	g.Expect(p.Spec.HostNetwork).To(BeTrue())
	g.Expect(p.Spec.RestartPolicy).To(Equal(corev1.RestartPolicyAlways))
	g.Expect(*p.Spec.TerminationGracePeriodSeconds).To(BeEquivalentTo(2))
	g.Expect(p.Spec.Volumes).To(BeEmpty())
	g.Expect(p.Spec.NodeSelector).To(BeEmpty())
	g.Expect(p.Spec.ServiceAccountName).To(BeEmpty())
	c := p.Spec.Containers[0]
	g.Expect(c.Image).To(Equal(agent.Image))
	g.Expect(c.Command).To(Equal(agent.WaitCommand()))
	g.Expect(c.Args).To(BeEmpty())
	g.Expect(c.Env).To(BeEmpty())
	g.Expect(c.VolumeMounts).To(BeEmpty())
	g.Expect(c.LivenessProbe).To(BeNil())
	g.Expect(c.Resources.Requests.Cpu().Value()).To(BeEquivalentTo(1), "what is asked for stays")
	g.Expect(c.Resources.Requests.Memory().String()).To(Equal("1Gi"), "what is not asked for is the limit")
	init := p.Spec.InitContainers
	g.Expect(init[0].Command).To(Equal(agent.ExitCommand()))
	g.Expect(init[1].Command).To(Equal(agent.WaitCommand()), "a held init container waits")
	g.Expect(init[2].Command).To(Equal(agent.WaitCommand()), "so does a sidecar")
	g.Expect(*init[2].RestartPolicy).To(Equal(corev1.ContainerRestartPolicyAlways))

	never := create("b", func(p *corev1.Pod) {
		p.Namespace, p.UID, p.Spec.RestartPolicy = "own", "own-uid", corev1.RestartPolicyNever
	})
	apply(g, target, never)
	g.Expect(f.pod("b")).To(And(
		HaveField("Namespace", "own"), HaveField("UID", BeEquivalentTo("own-uid")), HaveField("Spec.RestartPolicy", corev1.RestartPolicyNever)))
	g.Expect(f.pod("b").CreationTimestamp.After(p.CreationTimestamp.Time)).To(BeTrue())
}

// The first event of a kubelet's life: configuration patches stay, the node's
// own period does not.
func TestStartKubelet(t *testing.T) {
	g, target, f := newTarget(t)
	starts := func() []agent.StartKubelet {
		var out []agent.StartKubelet
		for _, a := range f.args["StartKubelet"] {
			out = append(out, a.(agent.StartKubelet))
		}
		return out
	}
	apply(g, target, scenarios.StartKubelet{Config: json.RawMessage(`{"topologyManagerPolicy":"restricted"}`)},
		scenarios.RestartKubelet{Config: json.RawMessage(`{"reservedSystemCPUs":null,"cpuManagerReconcilePeriod":"7s"}`)})
	g.Expect(starts()).To(HaveLen(2))
	g.Expect(starts()[0].Config).To(MatchJSON(`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","topologyManagerPolicy":"restricted","cpuManagerReconcilePeriod":"250ms"}`))
	g.Expect(starts()[1].Config).To(MatchJSON(`{"cpuManagerPolicy":"static","topologyManagerPolicy":"restricted","cpuManagerReconcilePeriod":"250ms"}`))
	g.Expect(target.config).To(MatchJSON(`{"cpuManagerPolicy":"static","topologyManagerPolicy":"restricted","cpuManagerReconcilePeriod":"7s"}`))
}

// A start that takes its time is waited for.
func TestStartKubeletSlowly(t *testing.T) {
	g, target, f := newTarget(t)
	looks := 0
	f.on["Facts"] = func(any) error {
		if looks++; looks == 1 {
			f.facts.Kubelet.Ready = false
		} else if looks == 4 {
			f.facts.Kubelet.Ready = true
		}
		return nil
	}
	g.Expect(apply(g, target, scenarios.StartKubelet{}).Kubelet).To(Equal(observe.KubeletRunning))
	g.Expect(looks).To(BeNumerically(">=", 4))

	_, target, f = newTarget(t, func(_ *scenarios.Scenario, o *Options) { o.Step = 20 * time.Millisecond })
	f.on["Facts"] = func(any) error { f.facts.Kubelet.Ready = false; return nil }
	g.Expect(target.Apply(t.Context(), scenarios.StartKubelet{})).To(MatchError(ContainSubstring("neither started nor ended")))
}

func TestStopSignals(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, scenarios.StopKubelet{}, scenarios.StartKubelet{}, scenarios.KillKubelet{}, scenarios.RestartKubelet{})
	g.Expect(f.args["StopKubelet"]).To(Equal([]any{
		agent.Signal{Signal: int(syscall.SIGTERM)}, agent.Signal{Signal: int(syscall.SIGKILL)}, agent.Signal{Signal: int(syscall.SIGTERM)},
	}))
}

func TestUnchangedRestart(t *testing.T) {
	g, target, f := newTarget(t, func(_ *scenarios.Scenario, o *Options) {
		o.Files = func(scenarios.Event, []byte, func(string) string) ([]byte, error) { return []byte("x"), nil }
	})
	o := apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.UnchangedRestart).To(BeFalse(), "the first start is no restart")
	restart := func(config string) bool {
		o := apply(g, target, scenarios.RestartKubelet{Config: json.RawMessage(config)})
		g.Expect(o.Started).To(BeTrue())
		return o.UnchangedRestart
	}
	g.Expect(restart("")).To(BeTrue())
	g.Expect(restart(`{"cpuManagerPolicy":"static"}`)).To(BeTrue(), "a patch that changes nothing")
	g.Expect(restart(`{"topologyManagerPolicy":"restricted"}`)).To(BeFalse())
	g.Expect(restart("")).To(BeTrue())
	for _, e := range []scenarios.Event{
		scenarios.DeleteStateFile{File: scenarios.CPUState},
		scenarios.WriteStateFile{File: scenarios.MemoryState},
		scenarios.EditStateFile{File: scenarios.CPUState},
		scenarios.OfflineCPUs{CPUs: "7"},
		scenarios.OnlineCPUs{CPUs: "7"},
		scenarios.LimitOpenFiles{Free: 3},
	} {
		apply(g, target, e)
		g.Expect(restart("")).To(BeFalse(), "%T", e)
		g.Expect(restart("")).To(BeTrue(), "%T", e)
	}
	g.Expect(apply(g, target, create("a")).UnchangedRestart).To(BeFalse())
	f.fatal = "no"
	apply(g, target, scenarios.RestartKubelet{Config: json.RawMessage(`{"maxPods":5}`)})
	f.fatal = ""
	o = apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.UnchangedRestart).To(BeFalse(), "the change has not been started with yet")
}

func TestDeletePod(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"), scenarios.DeletePod{Pod: "a"}, create("a"), scenarios.StopKubelet{}, scenarios.DeletePod{Pod: "a"})
	g.Expect(f.args["DeletePod"]).To(Equal([]any{
		agent.DeletePod{Namespace: "default", Name: "a"}, agent.DeletePod{Namespace: "default", Name: "a", Force: true},
	}))
}

// An ephemeral container goes through its subresource of the pod, and is waited for.
func TestAddEphemeralContainer(t *testing.T) {
	g, target, f := newTarget(t)
	debug := scenarios.AddEphemeralContainer{Pod: "a", Name: "debug"}
	g.Expect(target.Apply(t.Context(), debug)).To(And(MatchError(scenarios.ErrMisuse), MatchError(ContainSubstring("no pod a"))))
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	looks := 0
	f.on["PatchPod"] = func(any) error {
		f.on["Facts"] = func(any) error {
			if looks++; looks == 3 {
				id := idOf("a/debug")
				f.pod("a").Status.EphemeralContainerStatuses = []corev1.ContainerStatus{{Name: "debug", ContainerID: "containerd://" + id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
				f.facts.Groups = append(f.facts.Groups, cgroup.Group{Path: "/" + id, PodUID: string(f.pod("a").UID), ContainerID: id, CPUs: "0-3", Effective: "0-3", Processes: []cgroup.Process{{PID: 9}}})
			}
			return nil
		}
		return nil
	}
	o := apply(g, target, debug)
	sent := f.args["PatchPod"][0].(agent.PatchPod)
	g.Expect([]string{sent.Namespace, sent.Name, sent.Subresource}).To(Equal([]string{"default", "a", "ephemeralcontainers"}))
	g.Expect(string(sent.Patch)).To(ContainSubstring(`"name":"debug"`))
	g.Expect(o.Containers).To(HaveLen(2))
	g.Expect(o.Sandboxes).To(BeEmpty(), "it is none")
	g.Expect(target.Apply(t.Context(), scenarios.ResizePod{Container: "a/debug", CPU: quantity("1")})).To(MatchError(scenarios.ErrMisuse))
	c := o.Containers[1]
	g.Expect([]any{c.Container, c.Kind, c.State, c.Actual, c.Exclusive}).To(Equal([]any{"debug", observe.KindEphemeral, observe.StateRunning, observe.CPUs("0-3"), false}))
	apply(g, target, scenarios.StopKubelet{})
	g.Expect(target.Apply(t.Context(), debug)).To(MatchError(scenarios.ErrMisuse))
}

func TestExitContainer(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	looks := 0
	f.on["ExitContainer"] = func(args any) error {
		g.Expect(args).To(Equal(agent.ExitContainer{ContainerID: idOf("a/app"), Code: 3}))
		f.on["Facts"] = func(any) error {
			if looks++; looks == 3 { // the kubelet starts it again
				f.status("a", "app").ContainerID = "containerd://" + idOf("second")
				f.facts.Groups[0].ContainerID = idOf("second")
			}
			return nil
		}
		return nil
	}
	o := apply(g, target, scenarios.ExitContainer{Container: "a/app", ExitCode: 3})
	g.Expect(looks).To(BeNumerically(">=", 3), "the kubelet's word is waited for")
	g.Expect(o.Containers[0].State).To(Equal(observe.StateRunning))
}

func TestFaults(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.LimitOpenFiles{Free: 4}, scenarios.StartKubelet{})
	g.Expect(f.args["StartKubelet"][0].(agent.StartKubelet).NoFile).To(BeEquivalentTo(10), "what every process has open comes on top")
	apply(g, target, create("a"),
		scenarios.FailRuntimeUpdate{Container: "a/app", Error: "unable to freeze", Times: 2},
		scenarios.FailRuntimeUpdate{Error: "all"},
		scenarios.ClobberCPUSet{Container: "a/app", CPUs: "5"},
		scenarios.LimitOpenFiles{Free: 3},
		scenarios.FailCheckpointWrite{Errno: "ENOSPC"},
		scenarios.OfflineCPUs{CPUs: "5,7"}, scenarios.OnlineCPUs{CPUs: "5"})
	g.Expect(f.args["FailUpdate"]).To(Equal([]any{
		agent.FailUpdate{Namespace: "default", Pod: "a", Container: "app", Error: "unable to freeze", Times: 2}, agent.FailUpdate{Error: "all"},
	}))
	g.Expect(f.args["SetCPUSet"]).To(Equal([]any{agent.SetCPUSet{ContainerID: idOf("a/app"), CPUs: "5"}}))
	g.Expect(f.args["Exhaust"]).To(Equal([]any{agent.Exhaust{What: "nofile", Free: 3}, agent.Exhaust{What: "disk"}}))
	g.Expect(f.args["SetOnline"]).To(Equal([]any{agent.Online{CPUs: []int{5, 7}}, agent.Online{CPUs: []int{5}, Online: true}}))
	g.Expect(target.Profile().OnlineCPUs().String()).To(Equal("0-6"))
	apply(g, target, scenarios.ClearFaults{}, scenarios.StopKubelet{}, scenarios.StartKubelet{})
	g.Expect(f.args["ClearFaults"]).To(HaveLen(1))
	g.Expect(f.args["StartKubelet"][1].(agent.StartKubelet).NoFile).To(BeZero())
}

func TestChangeFile(t *testing.T) {
	answer := func(event scenarios.Event, data []byte, uid func(string) string) ([]byte, error) {
		switch e := event.(type) {
		case scenarios.EditStateFile:
			if data == nil {
				return nil, fmt.Errorf("%s: %w", e.File, fs.ErrNotExist)
			}
			return append(data, e.Append...), nil
		case scenarios.WriteStateFile:
			return []byte(uid("a") + " " + uid("unknown")), nil
		}
		return nil, errors.New("not expected")
	}
	g, target, f := newTarget(t, func(_ *scenarios.Scenario, o *Options) { o.Files = answer })
	apply(g, target, create("a"))
	f.facts.CPUState = agent.File{Exists: true, Data: []byte("cpu")}
	apply(g, target, scenarios.EditStateFile{File: scenarios.CPUState, Append: "!"}, scenarios.WriteStateFile{File: scenarios.MemoryState}, scenarios.DeleteStateFile{File: scenarios.MemoryState})
	g.Expect(f.args["WriteFile"]).To(Equal([]any{
		agent.WriteFile{Name: "cpu_manager_state", Data: []byte("cpu!")},
		agent.WriteFile{Name: "memory_manager_state", Data: []byte(podUID(1) + " unknown")},
		agent.WriteFile{Name: "memory_manager_state", Remove: true},
	}))
	g.Expect(target.Apply(t.Context(), scenarios.EditStateFile{File: scenarios.MemoryState})).To(
		And(MatchError(scenarios.ErrMisuse), MatchError(ContainSubstring("no memory_manager_state to edit"))))
}

// After a reboot the API server still has its pods; the kubelet is not started.
func TestReboot(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	o := apply(g, target, scenarios.Reboot{})
	g.Expect(o.Kubelet).To(Equal(observe.KubeletStopped))
	g.Expect(f.reboots).To(HaveLen(1))
	g.Expect(f.rebooted).To(BeNil(), "the same machine")
	g.Expect(f.pod("a").Status.Phase).To(Equal(corev1.PodRunning), "as the kubelet reported it last")
	g.Expect(o.Containers).To(HaveExactElements(And(HaveField("Pod", "a"), HaveField("State", observe.StateTerminated))))
	f.run("a", "app", "0-7")
	o = apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.UnchangedRestart).To(BeFalse())
	g.Expect(o.Admissions).To(Equal([]observe.Admission{{Pod: "a", ExclusiveCPUs: 2, Admitted: true, Readmission: true}}))

	o = apply(g, target, scenarios.SwapProfile{Profile: "generic-1s4c"})
	g.Expect(f.rebooted.Name).To(Equal("generic-1s4c"))
	g.Expect(target.Profile().CPUs).To(HaveLen(4))
}

func TestLog(t *testing.T) {
	g, target, f := newTarget(t)
	line := func(text string) observe.LogLine { return observe.LogLine{Severity: "I", Text: text} }
	f.log = []observe.LogLine{line("one"), line("two")}
	g.Expect(target.Log()).To(Equal(f.log))
	g.Expect(target.Log()).To(BeEmpty())
	f.log = append(f.log, line("three"))
	g.Expect(target.Log()).To(Equal(f.log[2:]))
	f.on["ReadLog"] = func(any) error { return errors.New("gone") }
	g.Expect(target.Log()).To(BeEmpty())
}

func TestEndedContext(t *testing.T) {
	g, target, _ := newTarget(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Expect(target.Apply(ctx, scenarios.StartKubelet{})).To(MatchError(context.Canceled))
	_, err := target.Observe(ctx)
	g.Expect(err).To(MatchError(context.Canceled))
}

// A pod that a restarted kubelet denies runs on until the kubelet has ended its
// containers; only then its status says so.
func TestDeniedAtRestart(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"), scenarios.StopKubelet{})
	f.log = append(f.log, observe.LogLine{Severity: "I", Text: `"Pod admission denied" podUID="` + podUIDText(1) + `" reason="TopologyAffinityError"`})
	looks := 0
	f.on["Facts"] = func(any) error {
		if looks++; looks == 8 {
			f.end("a", "app", 137)
			f.reject("a", "TopologyAffinityError", "Pod was rejected: no")
		}
		return nil
	}
	o := apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.Admissions).To(HaveExactElements(And(HaveField("Admitted", false), HaveField("Reason", "TopologyAffinityError"))))
	g.Expect(target.Log()).To(ContainElement(HaveField("Text", ContainSubstring("Pod admission denied"))), "reading ahead loses no line")
}

// Where the containers of a denied pod end well, its phase is Succeeded and its
// status never says why: the kubelet's log does.
func TestDeniedAndSucceeded(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"), scenarios.StopKubelet{})
	f.log = append(f.log, observe.LogLine{Severity: "I", Text: `"Pod admission denied" message="no \"place\"" operation="add" podUID="` + podUIDText(1) + `" reason="TopologyAffinityError"`})
	looks := 0
	f.on["Facts"] = func(any) error {
		if looks++; looks == 8 {
			f.end("a", "app", 0)
			f.pod("a").Status.Phase = corev1.PodSucceeded
		}
		return nil
	}
	o := apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.Admissions).To(HaveExactElements(observe.Admission{
		Pod: "a", ExclusiveCPUs: 2, Readmission: true, Reason: "TopologyAffinityError", Message: `Pod was rejected: no "place"`,
	}))
}

// A name that is used again is another pod, with an answer of its own.
func TestNameUsedAgain(t *testing.T) {
	g, target, _ := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"), scenarios.DeletePod{Pod: "a"})
	o := apply(g, target, create("a"))
	g.Expect(o.Admissions).To(HaveExactElements(observe.Admission{Pod: "a", ExclusiveCPUs: 2, Admitted: true}))
}

// After a reboot a kubelet knows nothing of the containers of a pod that it
// rejects; those that ran have ended all the same, the others never ran.
func TestRejectedAfterReboot(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"), scenarios.Reboot{})
	unknown := func(pod string) {
		f.end(pod, "app", 137)
		f.status(pod, "app").State.Terminated.Reason = "ContainerStatusUnknown"
		kept := f.pod(pod).Status.ContainerStatuses
		f.reject(pod, "UnexpectedAdmissionError", "no")
		f.pod(pod).Status.ContainerStatuses = kept
	}
	f.on["StartKubelet"] = func(any) error { unknown("a"); return nil }
	o := apply(g, target, scenarios.StartKubelet{})
	g.Expect(o.Containers).To(HaveExactElements(And(HaveField("Pod", "a"), HaveField("State", observe.StateTerminated))))

	f.pod("a").Status.ContainerStatuses = nil
	o = apply(g, target, scenarios.Advance{Duration: time.Second})
	g.Expect(o.Containers).To(HaveExactElements(And(HaveField("Pod", "a"), HaveField("State", observe.StateTerminated))))

	f.created = func(p *corev1.Pod) { f.runAll(p); unknown("b") }
	o = apply(g, target, create("b"))
	g.Expect(o.Containers).To(ContainElement(And(HaveField("Pod", "b"), HaveField("State", observe.StateWaiting))))
}

// A held reconcile loop removes what a rejected pod held for a moment: what the
// scenario wants to see there is not to be seen.
func TestRejectedUnderManual(t *testing.T) {
	g, target, f := newTarget(t, func(s *scenarios.Scenario, _ *Options) { s.Reconcile = scenarios.ReconcileManual })
	apply(g, target, scenarios.StartKubelet{})
	f.created = func(p *corev1.Pod) { f.reject(p.Name, "SMTAlignmentError", "no") }
	g.Expect(target.Apply(t.Context(), create("odd"))).To(Succeed(), "it never held any")
	f.created = func(p *corev1.Pod) { f.reject(p.Name, "OutOfmemory", "no") }
	g.Expect(target.Apply(t.Context(), create("fat"))).To(And(MatchError(scenarios.ErrUnsupported), MatchError(ContainSubstring("pod fat"))))
}

// A restarted kubelet does not admit again what has ended.
func TestEndedBeforeRestart(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("job"), create("web"))
	f.end("job", "app", 0)
	f.pod("job").Status.Phase = corev1.PodSucceeded
	o := apply(g, target, scenarios.Advance{Duration: time.Second}, scenarios.RestartKubelet{})
	g.Expect(o.Admissions).To(HaveExactElements(observe.Admission{Pod: "web", ExclusiveCPUs: 2, Admitted: true, Readmission: true}))
}
