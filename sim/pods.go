package sim

import (
	"errors"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// pod is one pod bound to the node.
type pod struct {
	spec *v1.Pod
	uid  string
	// known: the running kubelet has it from one of its sources.
	known bool
	// admitted and rejected are the kubelet's answer; neither is set while the
	// pod waits for a kubelet.
	admitted, rejected bool
	phase              v1.PodPhase
	// deleted: gone from the API while the kubelet was down.
	deleted    bool
	containers []*container // init containers first
	held       []string     // init containers that exitContainer ends
	answer     observe.Admission

	status *v1.PodStatus // cached; nil when out of date
}

// container is one container of a pod as the kubelet's status has it.
type container struct {
	spec     *v1.Container
	kind     observe.ContainerKind
	state    observe.ContainerState
	exitCode int
	// rerun says that an init container that has ended runs again, because its
	// sandbox is gone.
	rerun    bool
	restarts int
	cgroup   *cgroup // nil until created
	promise  promise
}

// promise is what the rules give a container under a configuration.
type promise struct {
	config *kubelet.Config
	cpus   int
	reason string
}

// promised is what the rules give a container now.
func (n *Node) promised(p *pod, c *container) promise {
	if c.promise.config != n.config {
		c.promise.config = n.config
		c.promise.cpus, c.promise.reason = kubelet.Pinning(n.config, p.spec, c.spec)
	}
	return c.promise
}

func newPod(spec *v1.Pod, held []string) *pod {
	p := &pod{spec: spec, uid: string(spec.UID), phase: v1.PodPending, held: held}
	for i := range spec.Spec.InitContainers {
		c := &spec.Spec.InitContainers[i]
		kind := observe.KindInit
		if kubelet.Restartable(c) {
			kind = observe.KindSidecar
		}
		p.containers = append(p.containers, &container{spec: c, kind: kind, state: observe.StateWaiting})
	}
	for i := range spec.Spec.Containers {
		p.containers = append(p.containers, &container{spec: &spec.Spec.Containers[i], kind: observe.KindApp, state: observe.StateWaiting})
	}
	return p
}

func (p *pod) terminal() bool { return p.phase == v1.PodFailed || p.phase == v1.PodSucceeded }

func (p *pod) changed() { p.status = nil }

// restarts says whether the kubelet starts a container again that has ended.
func (p *pod) restarts(c *container) bool {
	switch c.kind {
	case observe.KindSidecar:
		return true
	case observe.KindEphemeral:
		return false
	}
	if c.kind == observe.KindInit && c.exitCode == 0 {
		return false
	}
	switch p.spec.Spec.RestartPolicy {
	case v1.RestartPolicyNever:
		return false
	case v1.RestartPolicyOnFailure:
		return c.exitCode != 0
	default:
		return true
	}
}

// podStatus is the status as the kubelet's status manager would have it.
func (p *pod) podStatus() v1.PodStatus {
	if p.status != nil {
		return *p.status
	}
	s := &v1.PodStatus{Phase: p.phase, QOSClass: p.spec.Status.QOSClass}
	for _, c := range p.containers {
		cs := v1.ContainerStatus{Name: c.spec.Name, RestartCount: int32(c.restarts)}
		if c.cgroup != nil {
			cs.ContainerID = "pinlab://" + c.cgroup.ID
		}
		switch c.state {
		case observe.StateRunning:
			cs.State.Running = &v1.ContainerStateRunning{}
		case observe.StateTerminated:
			cs.State.Terminated = &v1.ContainerStateTerminated{ExitCode: int32(c.exitCode), ContainerID: cs.ContainerID}
		default:
			cs.State.Waiting = &v1.ContainerStateWaiting{Reason: "PodInitializing"}
		}
		switch c.kind {
		case observe.KindApp:
			s.ContainerStatuses = append(s.ContainerStatuses, cs)
		case observe.KindEphemeral:
			s.EphemeralContainerStatuses = append(s.EphemeralContainerStatuses, cs)
		default:
			s.InitContainerStatuses = append(s.InitContainerStatuses, cs)
		}
	}
	p.status = s
	return *s
}

// ActivePods implements kubelet.Node.
func (n *Node) ActivePods() []*v1.Pod {
	out := make([]*v1.Pod, 0, len(n.pods))
	for _, p := range n.pods {
		if p.known && !p.rejected && !p.terminal() {
			out = append(out, p.spec)
		}
	}
	return out
}

// PodStatus implements kubelet.Node.
func (n *Node) PodStatus(uid types.UID) (v1.PodStatus, bool) {
	for _, p := range n.pods {
		if p.known && p.uid == string(uid) {
			return p.podStatus(), true
		}
	}
	return v1.PodStatus{}, false
}

// UpdateContainer implements kubelet.Node.
func (n *Node) UpdateContainer(id, cpus string) error {
	c, ok := n.runtime.byID[id]
	if !ok || !c.Running {
		return fmt.Errorf("rpc error: code = NotFound desc = container %q is not running", id)
	}
	if err := n.faults.failUpdate(c.ref); err != nil {
		return err
	}
	c.cpus = observe.CPUs(cpus) // the kubelet's String() is the canonical form
	return nil
}

// Containers implements kubelet.Node.
func (n *Node) Containers() []kubelet.ContainerRef {
	out := make([]kubelet.ContainerRef, 0, len(n.runtime.containers))
	for _, c := range n.runtime.containers {
		out = append(out, c.ContainerRef)
	}
	return out
}

func (n *Node) createPod(e scenarios.CreatePod) error {
	name := e.Pod.Name
	if n.byName[name] != nil {
		return fmt.Errorf("%w: pod %s exists", scenarios.ErrMisuse, name)
	}
	spec := e.Pod.DeepCopy()
	held := slices.Clone(e.HoldInit) // the scenario may be replayed again
	if n.scenario.HoldInit {
		for i := range spec.Spec.InitContainers {
			held = append(held, spec.Spec.InitContainers[i].Name)
		}
	}
	if spec.CreationTimestamp.IsZero() {
		spec.CreationTimestamp = metav1.Unix(int64(len(n.names)), 0) // grows with every pod
	}
	p := newPod(spec, held)
	n.pods = append(n.pods, p)
	n.byName[name], n.names[p.uid] = p, name
	if !n.running() {
		return nil
	}
	return n.admit(p, false)
}

// admit asks the kubelet for a pod, and starts its containers.
func (n *Node) admit(p *pod, again bool) error {
	p.known = true
	p.spec.Status.QOSClass = kubelet.QoS(p.spec)
	p.changed()
	if p.terminal() {
		return nil // ended pods are not admitted again
	}
	if again {
		// What the API server sends to a restarted kubelet has a status.
		status := p.podStatus()
		p.spec.Status.ContainerStatuses, p.spec.Status.InitContainerStatuses = status.ContainerStatuses, status.InitContainerStatuses
		p.spec.Status.EphemeralContainerStatuses = status.EphemeralContainerStatuses
	}
	others := slices.DeleteFunc(n.ActivePods(), func(o *v1.Pod) bool { return o.UID == p.spec.UID })
	var res kubelet.AdmitResult
	err := n.limited(func() (err error) {
		res, err = n.life.Admit(p.spec, others)
		return err
	})
	if err != nil {
		return err
	}
	message := n.mask(res.Message)
	if !res.Admitted {
		message = observe.Rejected + message
	}
	p.answer = observe.Admission{Pod: p.spec.Name, Admitted: res.Admitted, Reason: res.Reason, Message: message, Readmission: again}
	scenarios.AskedFor(&p.answer, p.spec, n.config.Observed().MemoryManagerPolicy == "Static", func(spec *v1.Container) int {
		i := slices.IndexFunc(p.containers, func(c *container) bool { return c.spec == spec })
		return n.promised(p, p.containers[i]).cpus
	})
	n.admissions = append(n.admissions, p.answer)
	if !res.Admitted {
		p.rejected, p.admitted, p.phase = true, false, v1.PodFailed
		p.changed()
		return n.stopContainers(p)
	}
	p.admitted, p.rejected = true, false
	return n.sync(p)
}

// sync brings a pod's containers forward as far as they go: init containers in
// order, each to its end unless it is held, then the others.
func (n *Node) sync(p *pod) error {
	if !n.running() || !p.admitted || p.terminal() {
		return nil
	}
	for _, c := range p.containers {
		if c.state == observe.StateTerminated && p.restarts(c) {
			c.restarts++
			c.state = observe.StateWaiting
		}
		if c.rerun {
			c.rerun, c.state = false, observe.StateWaiting
		}
		if c.state == observe.StateWaiting {
			if err := n.startContainer(p, c); err != nil {
				return err
			}
		}
		if c.kind != observe.KindInit {
			continue
		}
		if c.state == observe.StateRunning {
			if slices.Contains(p.held, c.spec.Name) {
				return nil
			}
			if err := n.endContainer(p, c, 0); err != nil {
				return err
			}
		}
		if c.state == observe.StateTerminated && c.exitCode != 0 {
			return n.finish(p) // a failed init container that is not restarted
		}
	}
	return n.finish(p)
}

// finish sets the pod's phase; a pod whose containers have all ended for good
// has ended.
func (n *Node) finish(p *pod) error {
	ended, failed := true, false
	for _, c := range p.containers {
		if c.kind == observe.KindInit && c.state == observe.StateTerminated && c.exitCode != 0 {
			ended, failed = true, true
			break
		}
		if c.kind != observe.KindApp {
			continue
		}
		if c.state != observe.StateTerminated || p.restarts(c) {
			ended = false
		}
		failed = failed || c.exitCode != 0
	}
	p.changed()
	switch {
	case !ended:
		p.phase = v1.PodRunning
		return nil
	case failed:
		p.phase = v1.PodFailed
	default:
		p.phase = v1.PodSucceeded
	}
	return n.stopContainers(p)
}

func (n *Node) startContainer(p *pod, c *container) error {
	cpus, mems, err := n.life.PreCreate(p.spec, c.spec)
	if err != nil {
		return err
	}
	n.runtime.replace(p.uid, c.spec.Name)
	c.cgroup = n.runtime.create(p.uid, p.spec.Name, c.spec.Name, cpus, mems)
	if err := n.limited(func() error { return n.life.PreStart(p.spec, c.spec, c.cgroup.ID) }); err != nil {
		return err
	}
	c.cgroup.Running = true
	c.state, c.exitCode = observe.StateRunning, 0
	p.changed()
	return nil
}

// endContainer ends a container's process and tells a running kubelet.
func (n *Node) endContainer(p *pod, c *container, code int) error {
	c.state, c.exitCode = observe.StateTerminated, code
	c.cgroup.Running = false
	p.changed()
	if !n.running() {
		return nil
	}
	return n.life.PostStop(c.cgroup.ID)
}

// stopContainers ends what still runs of a pod, in reverse order.
func (n *Node) stopContainers(p *pod) error {
	var errs []error
	for _, c := range slices.Backward(p.containers) {
		if c.state == observe.StateRunning {
			errs = append(errs, n.endContainer(p, c, 137))
		}
	}
	return errors.Join(errs...)
}

func (n *Node) deletePod(name string) error {
	p := n.byName[name]
	if p == nil {
		return fmt.Errorf("%w: no pod %s", scenarios.ErrMisuse, name)
	}
	delete(n.byName, name)
	if !n.running() {
		p.deleted = true // its containers run on until a kubelet cleans up
		return nil
	}
	err := n.stopContainers(p)
	n.forget(p)
	return err
}

func (n *Node) forget(p *pod) {
	n.pods = slices.DeleteFunc(n.pods, func(o *pod) bool { return o == p })
	n.runtime.remove(p.uid)
}

// container finds a running container by pod/container.
func (n *Node) container(ref string) (*pod, *container, error) {
	for _, p := range n.pods {
		for _, c := range p.containers {
			if p.spec.Name+"/"+c.spec.Name == ref && !p.deleted {
				if c.state != observe.StateRunning {
					return nil, nil, fmt.Errorf("%w: container %s does not run (it is %s)", scenarios.ErrMisuse, ref, c.state)
				}
				return p, c, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("%w: no container %s", scenarios.ErrMisuse, ref)
}

// addEphemeral puts an ephemeral container into a pod that runs.
func (n *Node) addEphemeral(e scenarios.AddEphemeralContainer) error {
	p := n.byName[e.Pod]
	switch {
	case p == nil:
		return fmt.Errorf("%w: no pod %s", scenarios.ErrMisuse, e.Pod)
	case !n.running():
		return fmt.Errorf("%w: the kubelet does not run", scenarios.ErrMisuse)
	case !p.known || !p.admitted || p.phase != v1.PodRunning:
		return fmt.Errorf("%w: pod %s does not run", scenarios.ErrMisuse, e.Pod)
	}
	// As an API server defaults it: a later change of the pod is validated with it.
	spec := v1.EphemeralContainer{EphemeralContainerCommon: v1.EphemeralContainerCommon{
		Name: e.Name, Image: "debug", ImagePullPolicy: v1.PullAlways,
		TerminationMessagePath: v1.TerminationMessagePathDefault, TerminationMessagePolicy: v1.TerminationMessageReadFile,
	}}
	p.spec.Spec.EphemeralContainers = append(p.spec.Spec.EphemeralContainers, spec)
	as := v1.Container(spec.EphemeralContainerCommon)
	c := &container{spec: &as, kind: observe.KindEphemeral, state: observe.StateWaiting}
	p.containers = append(p.containers, c)
	return n.startContainer(p, c)
}

func (n *Node) exitContainer(e scenarios.ExitContainer) error {
	p, c, err := n.container(e.Container)
	if err != nil {
		return err
	}
	p.held = slices.DeleteFunc(p.held, func(name string) bool { return name == c.spec.Name && e.ExitCode == 0 })
	if err := n.endContainer(p, c, e.ExitCode); err != nil {
		return err
	}
	return n.sync(p)
}
