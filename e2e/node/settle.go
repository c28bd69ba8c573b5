package node

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

type typesUID = types.UID

const (
	// calm is how long nothing may have changed before a node has settled: more
	// than two reconcile periods of the node's own clock, so that the loop has
	// had its say. Where cgroups differ from what the manager says, it is
	// longer, because the next tick may mend it.
	calm     = 3 * period
	longCalm = 16 * period
	// crowdedCalm is that where a tick updates the containers of a control plane, one
	// after the other and in any order: seen to take some ten seconds on an emulated
	// machine.
	crowdedCalm = 100 * period
	// starvedCalm is how long nothing may have changed where the kubelet lacks
	// what it needs to go on and tries again and again: a pod that has not
	// started by then does not start.
	starvedCalm = 40 * period
	// changeMost is how long to wait for a change, calmAfterChange how long
	// nothing more may happen for a look to be worth it.
	changeMost      = 4 * period
	calmAfterChange = period / 2
	// restMost bounds one wait on the node.
	restMost = 10 * time.Second
)

// change lets the agent wait until something has happened and the node is quiet
// again. What a node does without a sign of it (the end of a process, say) is
// seen at the latest after the time of a tick or two: looking costs an emulated
// node as much as working does.
func (t *Target) change(ctx context.Context) error {
	return t.call(ctx, "Rest", agent.Rest{Change: changeMost.Seconds(), Calm: calmAfterChange.Seconds(), Most: restMost.Seconds()}, &agent.None{})
}

// rest lets the agent wait until the node has been quiet for some time.
func (t *Target) rest(ctx context.Context, d time.Duration) error {
	return t.call(ctx, "Rest", agent.Rest{Calm: d.Seconds(), Most: restMost.Seconds()}, &agent.None{})
}

// settle waits until the node has nothing more to do by itself.
func (t *Target) settle(ctx context.Context) error {
	if !t.running {
		return t.look(ctx)
	}
	deadline := time.Now().Add(t.opts.Step)
	quiet, same, before, changed := time.Duration(0), time.Duration(0), "", time.Now()
	busy := ""
	for need := calm; ; {
		var err error
		if busy != "" {
			err = t.change(ctx) // that it is to make
		} else {
			err = t.rest(ctx, need)
		}
		if err != nil {
			return err
		}
		quiet, same = quiet+need, same+need
		if err := t.look(ctx); err != nil {
			return err
		}
		if !t.running {
			return nil // it died; that is data
		}
		differs := t.differs()
		if now := t.digest(); now != before {
			before, same, changed = now, 0, time.Now()
			if differs {
				quiet = 0
			}
		}
		busy = t.busy()
		enough := calm
		switch {
		case t.opts.Crowded && (t.ticks > 0 || !t.manual && (t.faulty || differs)):
			enough = crowdedCalm
		case t.manual:
			enough = calm + time.Duration(t.ticks)*period
		case t.faulty || differs:
			enough = longCalm
		}
		if busy == "" && t.recheck {
			waiting, err := t.takenUp(ctx)
			if err != nil {
				return err
			}
			t.recheck = waiting != ""
			busy = cmp.Or(waiting, t.busy(), "the pods have just been taken up")
		}
		if busy == "" && quiet >= enough || t.starved && max(same, time.Since(changed)) >= starvedCalm {
			t.ticked = true
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the node has not settled within %v: %s", t.opts.Step, cmp.Or(busy, "its cgroups keep changing"))
		}
		need = min(max(calm, enough-quiet), longCalm) // a wait has a bound, and there may be more to see
		if busy != "" {
			need, quiet = calmAfterChange, 0
		}
	}
}

// until waits for a condition on what was seen.
func (t *Target) until(ctx context.Context, what string, done func() bool) error {
	deadline := time.Now().Add(t.opts.Step)
	for {
		if err := t.look(ctx); err != nil {
			return err
		}
		if done() || !t.running {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %s", t.opts.Step, what)
		}
		if err := t.change(ctx); err != nil {
			return err
		}
	}
}

// look reads the node and takes note of pods and kubelet.
func (t *Target) look(ctx context.Context) error {
	var f agent.Facts
	if err := t.call(ctx, "Facts", agent.None{}, &f); err != nil {
		return err
	}
	t.facts = f
	if t.running && !f.Kubelet.Running {
		t.running, t.failed = false, true
	}
	seen := map[types.UID]corev1.PodStatus{}
	for _, data := range f.Pods {
		var p corev1.Pod
		if err := json.Unmarshal(data, &p); err != nil {
			return fmt.Errorf("a pod's status: %w", err)
		}
		seen[p.UID] = p.Status
	}
	for _, p := range t.pods {
		status, ok := seen[p.spec.UID]
		p.gone = !ok
		if ok {
			p.status = status
		}
	}
	return nil
}

// busy says what the node has still to do; empty when nothing.
func (t *Target) busy() string {
	groups := t.groups()
	for _, p := range t.pods {
		if !p.gone && t.deleting(p) {
			return "pod " + p.spec.Name + " is being deleted"
		}
		if p.gone || p.done() {
			continue
		}
		if p.denied != nil {
			return "pod " + p.spec.Name + " was denied admission, which its status does not say"
		}
		if what := p.busy(groups); what != "" {
			return "pod " + p.spec.Name + ": " + what
		}
	}
	for _, g := range t.facts.Groups {
		if t.names[g.PodUID] == "" && len(g.Processes) > 0 {
			return "a container of a pod that is gone still runs"
		}
		for _, p := range t.pods {
			if string(p.spec.UID) == g.PodUID && (p.gone || p.done()) && len(g.Processes) > 0 {
				return "a process of pod " + p.spec.Name + " still runs"
			}
		}
	}
	return ""
}

// deleting says that a pod has been deleted and the kubelet has not confirmed.
func (t *Target) deleting(p *pod) bool {
	for _, data := range t.facts.Pods {
		var o struct {
			Metadata struct {
				UID               types.UID
				DeletionTimestamp string
			}
		}
		if json.Unmarshal(data, &o) == nil && o.Metadata.UID == p.spec.UID {
			return o.Metadata.DeletionTimestamp != ""
		}
	}
	return false
}

// done says that a pod will not run again.
func (p *pod) done() bool {
	return p.status.Phase == corev1.PodFailed || p.status.Phase == corev1.PodSucceeded
}

// busy says what a pod has still to do.
func (p *pod) busy(groups map[string]cgroup.Group) string {
	if c := p.condition(corev1.PodResizeInProgress); c != nil && c.Reason == "" {
		return "it is being resized"
	}
	held := map[string]bool{}
	for _, name := range p.held {
		held[name] = true
	}
	for i, c := range p.spec.Spec.InitContainers {
		s := p.containerStatus(c.Name)
		if s == nil {
			return "no status of init container " + c.Name
		}
		sidecar := scenarios.InitKind(&p.spec.Spec.InitContainers[i]) == observe.KindSidecar
		switch {
		case s.State.Running != nil && held[c.Name]:
			return running(s, groups) // nothing more happens until it is ended
		case s.State.Running != nil && sidecar:
			if what := running(s, groups); what != "" {
				return what
			}
			if s.Started == nil || !*s.Started {
				return "sidecar " + c.Name + " has not started"
			}
		case s.State.Terminated != nil && !sidecar && s.State.Terminated.ExitCode == 0:
		default:
			if what := stuck(s); what != "" {
				return ""
			}
			return "init container " + c.Name + " is " + stateOf(s)
		}
	}
	over := 0
	for _, c := range p.spec.Spec.Containers {
		s := p.containerStatus(c.Name)
		switch {
		case s == nil:
			return "no status of container " + c.Name
		case s.State.Running != nil:
			if what := running(s, groups); what != "" {
				return what
			}
		case s.State.Terminated != nil && p.spec.Spec.RestartPolicy == corev1.RestartPolicyNever,
			s.State.Terminated != nil && p.spec.Spec.RestartPolicy == corev1.RestartPolicyOnFailure && s.State.Terminated.ExitCode == 0:
			over++
		case stuck(s) != "":
		default:
			return "container " + c.Name + " is " + stateOf(s)
		}
	}
	for _, c := range p.ephemeral {
		if s := p.containerStatus(c.Name); s != nil && s.State.Running != nil {
			if what := running(s, groups); what != "" {
				return what
			}
		}
	}
	if over == len(p.spec.Spec.Containers) {
		// Until its sandbox is down the pod counts as active and keeps its CPUs;
		// its phase is the last to change.
		return "its containers have ended, and its phase does not say so"
	}
	return ""
}

// running says what is missing of a container that the kubelet says runs.
func running(s *corev1.ContainerStatus, groups map[string]cgroup.Group) string {
	g, ok := groups[containerID(s)]
	if !ok || len(g.Processes) == 0 {
		return "container " + s.Name + " has no process"
	}
	return ""
}

// stuck is the reason why a container waits, where it will not go on soon.
func stuck(s *corev1.ContainerStatus) string {
	if s.State.Waiting == nil {
		return ""
	}
	switch r := s.State.Waiting.Reason; {
	case r == "CrashLoopBackOff": // the agent sets it to a second
		return ""
	case strings.HasSuffix(r, "Error"), strings.HasSuffix(r, "BackOff"):
		return r
	}
	return ""
}

func stateOf(s *corev1.ContainerStatus) string {
	switch {
	case s.State.Running != nil:
		return "running"
	case s.State.Terminated != nil:
		return fmt.Sprintf("terminated with %d", s.State.Terminated.ExitCode)
	case s.State.Waiting != nil:
		return "waiting: " + s.State.Waiting.Reason
	}
	return "unknown"
}

// groups are the containers' cgroups by container id.
func (t *Target) groups() map[string]cgroup.Group {
	out := make(map[string]cgroup.Group, len(t.facts.Groups))
	for _, g := range t.facts.Groups {
		out[g.ContainerID] = g
	}
	return out
}

// differs says that some container's cgroup is not what the manager says, or
// that the state has entries of a pod that has ended: the next tick may mend both.
func (t *Target) differs() bool {
	o := t.observation()
	if !t.manual && o.Checkpoint != nil {
		for _, e := range o.Checkpoint.Entries {
			if p := t.find(e.Pod); p == nil || p.done() {
				return true
			}
		}
	}
	for _, c := range o.Containers {
		// No tick changes an ephemeral one.
		if c.State == observe.StateRunning && c.Actual != c.Assigned && c.Kind != observe.KindEphemeral {
			return true
		}
	}
	return false
}

// digest is what must stay the same for the node to be settled.
func (t *Target) digest() string {
	var b strings.Builder
	f := t.facts
	fmt.Fprintf(&b, "%v %v %s %v %s %v\n", f.Kubelet.Running, f.CPUState.Exists, f.CPUState.Data, f.MemoryState.Exists, f.MemoryState.Data, f.Resources)
	for _, g := range f.Groups {
		fmt.Fprintln(&b, g.Path, g.CPUs, g.Effective, g.Mems, len(g.Processes))
	}
	for _, p := range t.pods {
		fmt.Fprint(&b, p.spec.Name, p.gone, p.status.Phase, p.status.Reason)
		for _, s := range p.statuses() {
			fmt.Fprint(&b, " ", s.Name, stateOf(&s), s.ContainerID, s.RestartCount)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}
