package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// pod is one pod of the scenario.
type pod struct {
	spec *corev1.Pod // as it was put into the API server
	held []string    // init containers that exitContainer ends
	// ephemeral are the containers that it was given later.
	ephemeral []*corev1.Container
	// status is what the kubelet reported last; gone says that the API server
	// has it no more.
	status corev1.PodStatus
	gone   bool
	// asked says that a running kubelet has been given the pod; over that it
	// was rejected or has ended.
	asked, over bool
	// denied is why it was not admitted, by the log of the kubelet that runs;
	// nil where that log does not say so.
	denied *denial
	// told says that an admission of it has been reported, reported that the
	// last one has.
	told, reported bool
	ran            map[string]bool // containers that were seen running
}

// denial is a refusal in the kubelet's words.
type denial struct{ reason, message string }

// createPod puts a pod into the API server, as the scheduler's binding leaves
// it. What a container runs is replaced: the node has one image.
func (t *Target) createPod(ctx context.Context, e scenarios.CreatePod) error {
	if t.find(e.Pod.Name) != nil {
		return fmt.Errorf("%w: there is a pod %s already", scenarios.ErrMisuse, e.Pod.Name)
	}
	spec := t.prepare(e)
	data, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	p := &pod{spec: spec, held: e.HoldInit, asked: t.running, ran: map[string]bool{}}
	var created agent.Created
	if err := t.call(ctx, "CreatePod", json.RawMessage(data), &created); err != nil {
		return err
	}
	// An API server of a cluster gives pods UIDs of its own.
	spec.UID = typesUID(created.UID)
	t.pods = append(t.pods, p)
	t.names[created.UID] = spec.Name
	return nil
}

// prepare fills in what an API server defaults and what the node needs.
func (t *Target) prepare(e scenarios.CreatePod) *corev1.Pod {
	p := e.Pod.DeepCopy()
	p.TypeMeta = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}
	p.Status = corev1.PodStatus{Phase: corev1.PodPending}
	if p.Namespace == "" {
		p.Namespace = corev1.NamespaceDefault
	}
	if p.UID == "" {
		// The kubelet's cgroups and state files name pods by their UID.
		p.UID = podUID(len(t.pods) + 1)
	}
	if p.CreationTimestamp.IsZero() {
		p.CreationTimestamp = metav1.NewTime(t.created.Add(time.Duration(len(t.pods)) * time.Second))
	}
	s := &p.Spec
	s.NodeName, s.HostNetwork = agent.NodeName, true
	s.DNSPolicy, s.SchedulerName = corev1.DNSDefault, corev1.DefaultSchedulerName
	s.Volumes, s.NodeSelector, s.Affinity, s.Tolerations = nil, nil, nil, nil
	s.SecurityContext, s.ServiceAccountName, s.ImagePullSecrets = &corev1.PodSecurityContext{}, "", nil
	s.RuntimeClassName, s.PriorityClassName = nil, ""
	no, grace := false, int64(2)
	s.EnableServiceLinks, s.AutomountServiceAccountToken, s.TerminationGracePeriodSeconds = &no, &no, &grace
	if s.RestartPolicy == "" {
		s.RestartPolicy = corev1.RestartPolicyAlways
	}
	for i := range s.InitContainers {
		c := &s.InitContainers[i]
		prepareContainer(c)
		if c.RestartPolicy == nil && !slices.Contains(e.HoldInit, c.Name) {
			c.Command = agent.ExitCommand()
		}
	}
	for i := range s.Containers {
		prepareContainer(&s.Containers[i])
	}
	return p
}

func podUID(n int) (uid typesUID) {
	return typesUID(fmt.Sprintf("70696e6c-6162-4000-8000-%012x", n))
}

func prepareContainer(c *corev1.Container) {
	kept := corev1.Container{
		Name: c.Name, Resources: c.Resources, RestartPolicy: c.RestartPolicy,
		Image: agent.Image, Command: agent.WaitCommand(), ImagePullPolicy: corev1.PullIfNotPresent,
		TerminationMessagePath: corev1.TerminationMessagePathDefault, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
	}
	for name, limit := range kept.Resources.Limits { // as the API server defaults requests
		if kept.Resources.Requests == nil {
			kept.Resources.Requests = corev1.ResourceList{}
		}
		if _, ok := kept.Resources.Requests[name]; !ok {
			kept.Resources.Requests[name] = limit.DeepCopy()
		}
	}
	*c = kept
}

func (t *Target) find(name string) *pod {
	for _, p := range t.pods {
		if p.spec.Name == name && !p.gone {
			return p
		}
	}
	return nil
}

func (t *Target) uid(name string) string {
	if p := t.find(name); p != nil {
		return string(p.spec.UID)
	}
	for uid, n := range t.names {
		if n == name {
			return uid
		}
	}
	return name
}

// deletePod deletes a pod. With the kubelet down it is taken out of the API
// server at once, as 'kubectl delete --force' does: nobody would confirm.
func (t *Target) deletePod(ctx context.Context, name string) error {
	p := t.find(name)
	if p == nil {
		return fmt.Errorf("%w: there is no pod %s", scenarios.ErrMisuse, name)
	}
	if t.running {
		if err := t.removable(p); err != nil {
			return err
		}
	}
	return t.call(ctx, "DeletePod", agent.DeletePod{Namespace: p.spec.Namespace, Name: name, Force: !t.running}, &agent.None{})
}

// container splits pod/container and looks both up.
func (t *Target) container(ref string) (*pod, string, error) {
	name, container, _ := strings.Cut(ref, "/")
	p := t.find(name)
	if p == nil {
		return nil, "", fmt.Errorf("%w: there is no pod %s", scenarios.ErrMisuse, name)
	}
	for _, c := range append(slices.Clone(p.spec.Spec.InitContainers), p.spec.Spec.Containers...) {
		if c.Name == container {
			return p, container, nil
		}
	}
	if p.isEphemeral(container) {
		return p, container, nil
	}
	return nil, "", fmt.Errorf("%w: pod %s has no container %s", scenarios.ErrMisuse, name, container)
}

// addEphemeral puts an ephemeral container into a pod, and waits until it runs.
func (t *Target) addEphemeral(ctx context.Context, e scenarios.AddEphemeralContainer) error {
	p := t.find(e.Pod)
	switch {
	case p == nil:
		return fmt.Errorf("%w: there is no pod %s", scenarios.ErrMisuse, e.Pod)
	case !t.running:
		return fmt.Errorf("%w: the kubelet does not run", scenarios.ErrMisuse)
	case p.status.Phase != corev1.PodRunning:
		return fmt.Errorf("%w: pod %s does not run", scenarios.ErrMisuse, e.Pod)
	}
	c := &corev1.Container{Name: e.Name}
	prepareContainer(c)
	var made agent.Patched
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{
		"ephemeralContainers": []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon(*c)}},
	}})
	if err != nil {
		return err
	}
	if err := t.call(ctx, "PatchPod", agent.PatchPod{Namespace: p.spec.Namespace, Name: p.spec.Name, Subresource: "ephemeralcontainers", Patch: patch}, &made); err != nil {
		return err
	}
	p.spec.Generation = max(p.spec.Generation, made.Generation)
	p.ephemeral = append(p.ephemeral, c)
	return t.until(ctx, "ephemeral container "+e.Pod+"/"+e.Name+" runs", func() bool {
		s := p.containerStatus(e.Name)
		return p.gone || s != nil && s.State.Running != nil && running(s, t.groups()) == ""
	})
}

// runningContainer is the runtime's id of a running container.
func (t *Target) runningContainer(ref string) (string, error) {
	p, name, err := t.container(ref)
	if err != nil {
		return "", err
	}
	s := p.containerStatus(name)
	if s == nil || s.State.Running == nil {
		state := observe.StateWaiting
		if s != nil && s.State.Terminated != nil {
			state = observe.StateTerminated
		}
		return "", fmt.Errorf("%w: container %s does not run (it is %s)", scenarios.ErrMisuse, ref, state)
	}
	return containerID(s), nil
}

// statuses are those of all of a pod's containers.
func (p *pod) statuses() []corev1.ContainerStatus {
	return slices.Concat(p.status.InitContainerStatuses, p.status.ContainerStatuses, p.status.EphemeralContainerStatuses)
}

// containerStatus is a copy of the status of a container; nil when it has none.
func (p *pod) containerStatus(name string) *corev1.ContainerStatus {
	list := p.statuses()
	i := slices.IndexFunc(list, func(s corev1.ContainerStatus) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// containerID is the id without the runtime's name: "containerd://5a1c…".
func containerID(s *corev1.ContainerStatus) string {
	_, id, _ := strings.Cut(s.ContainerID, "://")
	return id
}

// isEphemeral says that a container is one that the pod was given later: its end is not
// the pod's.
func (p *pod) isEphemeral(name string) bool {
	return slices.ContainsFunc(p.ephemeral, func(c *corev1.Container) bool { return c.Name == name })
}

// exitContainer ends a container's process and waits until the kubelet has
// noticed.
func (t *Target) exitContainer(ctx context.Context, e scenarios.ExitContainer) error {
	id, err := t.runningContainer(e.Container)
	if err != nil {
		return err
	}
	p, name, err := t.container(e.Container)
	if err != nil {
		return err
	}
	if p.spec.Spec.RestartPolicy != corev1.RestartPolicyAlways && !p.isEphemeral(name) {
		if err := t.removable(p); err != nil {
			return err
		}
	}
	if err := t.call(ctx, "ExitContainer", agent.ExitContainer{ContainerID: id, Code: e.ExitCode}, &agent.None{}); err != nil {
		return err
	}
	if !t.running {
		return nil
	}
	return t.until(ctx, "the kubelet has noticed that "+e.Container+" ended", func() bool {
		s := p.containerStatus(name)
		return p.gone || s == nil || s.State.Running == nil || containerID(s) != id
	})
}
