package node

import (
	"encoding/json"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

func quantity(text string) *resource.Quantity {
	q := resource.MustParse(text)
	return &q
}

// The kubelet answers a resize with the generation it has seen, and a condition
// when it refuses.
func TestResize(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests = p.Spec.Containers[0].Resources.Limits.DeepCopy()
	}))
	answer := func(c ...corev1.PodCondition) func(any) error {
		return func(args any) error {
			var patch struct {
				Metadata struct{ Generation int64 }
			}
			g.Expect(json.Unmarshal(args.(agent.PatchPod).Patch, &patch)).To(Succeed())
			s := &f.pod("a").Status
			s.ObservedGeneration, s.Conditions = patch.Metadata.Generation, c
			return nil
		}
	}
	f.on["PatchPod"] = answer()
	o := apply(g, target, scenarios.ResizePod{Container: "a/app", CPU: quantity("3")})
	g.Expect(o.Resizes).To(Equal([]observe.Admission{{Pod: "a", Admitted: true}}))
	g.Expect(o.Containers[0].Requested).To(Equal(3), "what it asks for now")
	sent := f.args["PatchPod"][0].(agent.PatchPod)
	g.Expect(sent.Name).To(Equal("a"))
	g.Expect(string(sent.Patch)).To(MatchJSON(`{"metadata": {"generation": 2}, "spec": {"containers": [
		{"name": "app", "resources": {"limits": {"cpu": "3", "memory": "1Gi"}, "requests": {"cpu": "3", "memory": "1Gi"}}}]}}`))

	f.on["PatchPod"] = answer(corev1.PodCondition{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: "Infeasible", Message: "no"})
	o = apply(g, target, scenarios.ResizePod{Container: "a/app", CPU: quantity("5")})
	g.Expect(o.Resizes).To(Equal([]observe.Admission{{Pod: "a", Reason: "Infeasible", Message: "no"}}), "told once")
	g.Expect(o.Containers[0].Requested).To(Equal(3), "as before")

	g.Expect(target.Apply(t.Context(), scenarios.ResizePod{Container: "b/app", CPU: quantity("5")})).To(MatchError(scenarios.ErrMisuse))
	apply(g, target, scenarios.FailRuntimeUpdate{Container: "a/app"})
	g.Expect(target.Apply(t.Context(), scenarios.ResizePod{Container: "a/app", CPU: quantity("5")})).To(MatchError(scenarios.ErrUnsupported))
	apply(g, target, scenarios.ClearFaults{}, scenarios.StopKubelet{})
	g.Expect(target.Apply(t.Context(), scenarios.ResizePod{Container: "a/app", CPU: quantity("5")})).To(MatchError(scenarios.ErrMisuse))
}

// An API server of a cluster counts generations for itself: the kubelet has answered
// when it has seen that one.
func TestResizeByTheServersCount(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests = p.Spec.Containers[0].Resources.Limits.DeepCopy()
	}))
	f.ahead = 5
	looks, refused := int64(0), []corev1.PodCondition{{Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: "Deferred"}}
	f.on["PatchPod"] = func(any) error {
		f.on["Facts"] = func(any) error {
			s := &f.pod("a").Status
			looks++
			s.ObservedGeneration = looks
			if looks >= 7 {
				s.Conditions = refused
			}
			return nil
		}
		return nil
	}
	o := apply(g, target, scenarios.ResizePod{Container: "a/app", CPU: quantity("3")})
	g.Expect(o.Resizes).To(Equal([]observe.Admission{{Pod: "a", Reason: "Deferred"}}))

	// Asked for the same again, a server has nothing new to tell the kubelet.
	f.ahead = -1
	g.Expect(target.Apply(t.Context(), scenarios.ResizePod{Container: "a/app", CPU: quantity("3")})).To(And(
		MatchError(scenarios.ErrUnsupported), MatchError(ContainSubstring("asks for that already"))))
}

// A pod whose resize the kubelet works on has not settled; one whose resize
// failed has.
func TestResizeInProgress(t *testing.T) {
	g := NewWithT(t)
	p := &pod{spec: create("a").Pod, status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue}}}}
	g.Expect(p.busy(nil)).To(Equal("it is being resized"))
	p.status.Conditions[0].Reason = "Error"
	g.Expect(p.busy(nil)).NotTo(Equal("it is being resized"))
}

func TestSetHugePages(t *testing.T) {
	g, target, f := newTarget(t)
	event := scenarios.SetHugePages{NUMANode: 1, Size: resource.MustParse("2Mi"), Count: 64}
	g.Expect(target.Apply(t.Context(), event)).To(And(MatchError(scenarios.ErrUnsupported), MatchError(ContainSubstring("no pages of 2Mi"))))
	has, err := target.profile.WithHugePages(0, 2<<20, 0)
	g.Expect(err).NotTo(HaveOccurred())
	target.profile = has
	apply(g, target, event)
	g.Expect(f.args["SetHugePages"]).To(Equal([]any{agent.HugePages{Node: 1, Size: 2 << 20, Count: 64}}))
	g.Expect(target.Profile().NUMANodes[1].HugePages).To(HaveKeyWithValue(uint64(2<<20), uint64(64)))
	event.NUMANode = 7
	g.Expect(target.Apply(t.Context(), event)).To(MatchError(scenarios.ErrMisuse))
}

func TestTold(t *testing.T) {
	g, target, f := newTarget(t)
	g.Expect(target.Told(t.Context())).To(Equal(observe.Told{PodResources: []observe.ListedContainer{}}), "it does not run")
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	own := observe.ListedContainer{Pod: "a", Container: "app", CPUs: "1-2", MemoryBytes: 7}
	f.facts.Listed = []observe.ListedContainer{own, {Pod: "kube-proxy", Container: "proxy"}}
	apply(g, target, scenarios.Reconcile{Times: 1})
	g.Expect(target.Told(t.Context())).To(HaveField("PodResources", []observe.ListedContainer{own}))
	f.quotas = map[string]string{"/kubepods/pod": "max 100000", "/kubepods/pod/" + idOf("a/app"): "50000 100000"}
	apply(g, target, scenarios.Reconcile{Times: 1})
	g.Expect(target.Told(t.Context())).To(HaveField("CPUMax", map[string]string{"a": "max 100000", "a/app": "50000 100000"}))
	f.on["Metrics"] = func(any) error { return errors.New("no metrics") }
	_, err := target.Told(t.Context())
	g.Expect(err).To(MatchError("no metrics"))
	f.facts.ResourcesUnread = "no answer"
	apply(g, target, scenarios.Reconcile{Times: 1})
	_, err = target.Told(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("no answer")))
}

// The memory manager's account is that of its state file, unless the file is
// behind what the kubelet says.
func TestMemory(t *testing.T) {
	file := &observe.MemoryFile{Nodes: []observe.NUMAMemory{{Node: 0, Allocatable: 9, Reserved: 4, Free: 5}}, Bytes: map[string]map[string]uint64{}}
	var broken error
	g, target, f := newTarget(t, func(s *scenarios.Scenario, o *Options) {
		s.Kubelet = json.RawMessage(`{"cpuManagerPolicy":"static","memoryManagerPolicy":"Static"}`)
		o.ReadMemory = func([]byte) (*observe.MemoryFile, error) { return file, broken }
	})
	f.facts.MemoryState = agent.File{Exists: true}
	o := apply(g, target, scenarios.StartKubelet{}, create("a"))
	g.Expect(o.NUMAMemory).To(Equal(file.Nodes))
	g.Expect(o.Unread).To(BeEmpty())

	f.facts.Listed = []observe.ListedContainer{{Pod: "a", Container: "app", MemoryBytes: 4}}
	o = apply(g, target, scenarios.Reconcile{Times: 1})
	g.Expect(o.NUMAMemory).To(BeEmpty())
	g.Expect(o.Unread).To(HaveExactElements(ContainSubstring("behind: a/app has 0 bytes there, the kubelet says 4")))
	file.Bytes[string(target.pods[0].spec.UID)] = map[string]uint64{"app": 4}
	g.Expect(apply(g, target, scenarios.Reconcile{Times: 1}).Unread).To(BeEmpty())

	broken = errors.New("checksum")
	g.Expect(apply(g, target, scenarios.Reconcile{Times: 1}).Unread).To(HaveExactElements("memory_manager_state: checksum"))
	o = apply(g, target, scenarios.StopKubelet{})
	g.Expect(o.Unread).To(BeEmpty(), "a kubelet that does not run has none in memory")
	g.Expect(o.NUMAMemory).To(BeEmpty())
}

// A cgroup of the old hierarchy has all nodes when nobody has bound it.
func TestMems(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	p := target.pods[0]
	g.Expect(target.mems(p, "app", cgroup.Group{Mems: "0-1"})).To(BeEquivalentTo("0-1"))
	f.hello.CgroupVersion = cgroup.V1
	defer func() { f.hello.CgroupVersion = cgroup.V2 }()
	g.Expect(target.mems(p, "app", cgroup.Group{Mems: "0-1"})).To(BeEmpty())
	g.Expect(target.mems(p, "app", cgroup.Group{Mems: "0"})).To(BeEquivalentTo("0"))
}

func TestPodCPUs(t *testing.T) {
	g, target, _ := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	uid := string(target.pods[0].spec.UID)
	s := &observe.StateFile{
		PodCPUs: map[string]observe.CPUs{uid: "1-3", "other": "4"},
		Entries: map[string]map[string]observe.CPUs{uid: {"app": "1-3"}},
	}
	g.Expect(target.podCPUs(s)).To(Equal([]observe.Assignment{{Pod: "a", CPUs: "1-3"}, {Pod: "other", CPUs: "4"}}), "with containers or without")
}

// A reboot ends what is wrong with processes and the kernel; a full disk is as
// full.
func TestFaultsAcrossReboot(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, scenarios.StopKubelet{}, scenarios.LimitOpenFiles{Free: 3}, scenarios.FailRuntimeUpdate{}, scenarios.Reboot{})
	g.Expect(target.faulty).To(BeFalse())
	g.Expect(target.starved).To(BeFalse())
	apply(g, target, scenarios.StartKubelet{})
	g.Expect(f.args["StartKubelet"][1]).To(HaveField("NoFile", BeZero()))
	target.starved, target.full = true, true
	apply(g, target, scenarios.Reboot{})
	g.Expect(target.starved).To(BeTrue())
}
