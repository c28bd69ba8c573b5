package node

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// A node is waited for while it has something to do.
func TestSettleWaits(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{})
	looks := 0
	f.created = func(p *corev1.Pod) {
		f.on["Facts"] = func(any) error {
			switch looks++; looks {
			case 2:
				f.status("a", "app").State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
			case 4:
				f.run("a", "app", "0-7")
				f.facts.Groups[0].Processes = nil
			case 6:
				f.run("a", "app", "0-7")
			}
			return nil
		}
	}
	o := apply(g, target, create("a"))
	g.Expect(looks).To(BeNumerically(">=", 6))
	g.Expect(o.Containers[0].Actual).To(Equal(observe.CPUs("0-7")))
	g.Expect(o.Reconciled).To(BeTrue())
}

// A node that never settles is given up, with what it is busy with.
func TestSettleGivesUp(t *testing.T) {
	short := func(_ *scenarios.Scenario, o *Options) { o.Step = 20 * time.Millisecond }
	for name, c := range map[string]struct {
		event  scenarios.CreatePod
		change func(f *fake)
		says   string
	}{
		"no status": {create("a"), func(*fake) {}, "pod a: no status of container app"},
		"creating": {
			create("a"),
			func(f *fake) {
				f.status("a", "app").State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
			},
			"pod a: container app is waiting: ContainerCreating",
		},
		"no process":      {create("a"), func(f *fake) { f.run("a", "app", "0"); f.facts.Groups = nil }, "container app has no process"},
		"no init status":  {create("a", withInit("init")), func(f *fake) { f.run("a", "app", "0") }, "no status of init container init"},
		"init fails":      {create("a", withInit("init")), func(f *fake) { f.end("a", "init", 1) }, "init container init is terminated with 1"},
		"init runs":       {create("a", withInit("init")), func(f *fake) { f.run("a", "init", "0") }, "init container init is running"},
		"sidecar starts":  {create("a", withInit("sidecar")), func(f *fake) { f.run("a", "sidecar", "0"); f.status("a", "sidecar").Started = nil }, "sidecar sidecar has not started"},
		"to be restarted": {create("a"), func(f *fake) { f.end("a", "app", 0) }, "container app is terminated with 0"},
		"being deleted": {
			create("a"),
			func(f *fake) {
				f.run("a", "app", "0")
				now := metav1.Now()
				f.pod("a").DeletionTimestamp = &now
			},
			"pod a is being deleted",
		},
		"ended, not torn down": {
			create("a", func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }),
			func(f *fake) { f.end("a", "app", 0) },
			"pod a: its containers have ended, and its phase does not say so",
		},
		"rejected and alive": {create("a"), func(f *fake) { f.run("a", "app", "0"); f.reject("a", "Evicted", "") }, "a process of pod a still runs"},
		"a stranger": {
			create("a"),
			func(f *fake) {
				f.run("a", "app", "0")
				f.facts.Groups = append(f.facts.Groups, cgroup.Group{PodUID: "u", Processes: []cgroup.Process{{PID: 1}}})
			},
			"a container of a pod that is gone still runs",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g, target, f := newTarget(t, short)
			apply(g, target, scenarios.StartKubelet{})
			f.created = func(*corev1.Pod) { c.change(f) }
			err := target.Apply(t.Context(), c.event)
			g.Expect(err).To(MatchError(And(ContainSubstring("has not settled within 20ms"), ContainSubstring(c.says))))
		})
	}
}

// What will not go on by itself is not waited for.
func TestSettled(t *testing.T) {
	pair := func(policy corev1.RestartPolicy) func(p *corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.RestartPolicy = policy
			other := p.Spec.Containers[0]
			other.Name = "other"
			p.Spec.Containers = append(p.Spec.Containers, other)
		}
	}
	never, onFailure := pair(corev1.RestartPolicyNever), pair(corev1.RestartPolicyOnFailure)
	waiting := func(reason string) func(f *fake) {
		return func(f *fake) {
			f.status("a", "app").State.Waiting = &corev1.ContainerStateWaiting{Reason: reason}
		}
	}
	held := create("a", withInit("one", "two"))
	held.HoldInit = []string{"one"}
	for name, c := range map[string]struct {
		event  scenarios.CreatePod
		change func(f *fake)
	}{
		"back-off":        {create("a"), waiting("ImagePullBackOff")},
		"error":           {create("a"), waiting("CreateContainerError")},
		"never restarted": {create("a", never), func(f *fake) { f.run("a", "other", "0"); f.end("a", "app", 1) }},
		"done well":       {create("a", onFailure), func(f *fake) { f.run("a", "other", "0"); f.end("a", "app", 0) }},
		"phase done":      {create("a", never), func(f *fake) { f.pod("a").Status.Phase = corev1.PodSucceeded }},
		"rejected":        {create("a"), func(f *fake) { f.reject("a", "OutOfcpu", "") }},
		"held init":       {held, func(f *fake) { f.run("a", "one", "0-7") }},
		"init in a back-off": {create("a", withInit("init")), func(f *fake) {
			f.status("a", "init").State.Waiting = &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g, target, f := newTarget(t, func(_ *scenarios.Scenario, o *Options) { o.Step = 10 * time.Second })
			apply(g, target, scenarios.StartKubelet{})
			f.created = func(*corev1.Pod) { c.change(f) }
			before := len(f.args["Rest"])
			apply(g, target, c.event)
			g.Expect(len(f.args["Rest"]) - before).To(BeNumerically("<=", 3))
		})
	}
}

// Where the cgroup is not what the manager says, and after a fault, the next
// ticks are waited for.
func TestSettleLonger(t *testing.T) {
	rests := func(f *fake, from int) (total float64) {
		for _, a := range f.args["Rest"][from:] {
			total += a.(agent.Rest).Calm
		}
		return total
	}
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{}, create("a"))
	at := len(f.args["Rest"])
	apply(g, target, scenarios.Reconcile{})
	g.Expect(rests(f, at)).To(BeNumerically("~", calm.Seconds(), 0.01))

	f.facts.Groups[0].Effective = "5"
	at = len(f.args["Rest"])
	apply(g, target, scenarios.Reconcile{})
	g.Expect(rests(f, at)).To(BeNumerically(">=", longCalm.Seconds()))

	f.facts.Groups[0].Effective = "0-7"
	apply(g, target, scenarios.FailRuntimeUpdate{Error: "no"})
	at = len(f.args["Rest"])
	apply(g, target, scenarios.Reconcile{})
	g.Expect(rests(f, at)).To(BeNumerically(">=", longCalm.Seconds()))
	target.opts.Crowded = true
	at = len(f.args["Rest"])
	apply(g, target, scenarios.Reconcile{})
	g.Expect(rests(f, at)).To(BeNumerically(">=", crowdedCalm.Seconds()))
	apply(g, target, scenarios.ClearFaults{})
	at = len(f.args["Rest"])
	apply(g, target, scenarios.Reconcile{})
	g.Expect(rests(f, at)).To(BeNumerically("~", calm.Seconds(), 0.01))
}

// A kubelet that ends while the node is waited for is data.
func TestKubeletDies(t *testing.T) {
	g, target, f := newTarget(t)
	apply(g, target, scenarios.StartKubelet{})
	f.on["Rest"] = func(any) error {
		f.facts.Kubelet = agent.KubeletState{Fatal: "panic: too many open files", Exit: "exit status 2"}
		return nil
	}
	f.created = nil
	o := apply(g, target, create("a"))
	g.Expect(o.Kubelet).To(Equal(observe.KubeletFailed))
	g.Expect(o.KubeletError).To(Equal("panic: too many open files"))
	g.Expect(o.Reconciled).To(BeFalse())
	f.on["Rest"] = nil
	apply(g, target, scenarios.StopKubelet{}) // tidying up after a failed one is no misuse
}
