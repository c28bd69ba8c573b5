package node

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// resizePod changes what a container asks for, as the API server's resize
// subresource does, and waits for the kubelet's answer: it reports the
// generation of the pod that it has seen, and with it a condition where it
// cannot do what is asked.
func (t *Target) resizePod(ctx context.Context, e scenarios.ResizePod) error {
	if !t.running {
		return fmt.Errorf("%w: the kubelet does not run", scenarios.ErrMisuse)
	}
	if t.manual || t.faulty {
		return fmt.Errorf("%w: resizePod: it is done with the runtime's updates of containers, which are held or fail here", scenarios.ErrUnsupported)
	}
	p, name, err := t.container(e.Container)
	if err != nil {
		return err
	}
	if p.isEphemeral(name) {
		return fmt.Errorf("%w: %s is an ephemeral container, which asks for nothing", scenarios.ErrMisuse, e.Container)
	}
	want := p.spec.DeepCopy()
	c := containerOf(want, name)
	for kind, q := range map[corev1.ResourceName]*resource.Quantity{corev1.ResourceCPU: e.CPU, corev1.ResourceMemory: e.Memory} {
		if q == nil {
			continue
		}
		if c.Resources.Requests == nil || c.Resources.Limits == nil {
			return fmt.Errorf("%w: container %s has no requests and limits to change", scenarios.ErrMisuse, e.Container)
		}
		c.Resources.Requests[kind], c.Resources.Limits[kind] = *q, *q
	}
	// A cluster's API server counts for itself, the lab's does not.
	want.Generation = max(want.Generation, 1) + 1
	list := "containers"
	for i := range want.Spec.InitContainers {
		if want.Spec.InitContainers[i].Name == name {
			list = "initContainers"
		}
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"generation": want.Generation},
		"spec":     map[string]any{list: []any{map[string]any{"name": name, "resources": c.Resources}}},
	})
	if err != nil {
		return err
	}
	var made agent.Patched
	if err := t.call(ctx, "PatchPod", agent.PatchPod{Namespace: p.spec.Namespace, Name: p.spec.Name, Subresource: "resize", Patch: patch}, &made); err != nil {
		return err
	}
	if made.Generation == p.spec.Generation && p.condition(corev1.PodResizePending) != nil {
		return fmt.Errorf("%w: resizePod: %s asks for that already, so the API server tells the kubelet nothing; it looks again at what it refused when it likes", scenarios.ErrUnsupported, e.Container)
	}
	p.spec.Generation = made.Generation
	var refused *corev1.PodCondition
	err = t.until(ctx, "the kubelet has answered the resize of "+e.Container, func() bool {
		refused = p.condition(corev1.PodResizePending)
		return p.gone || p.status.ObservedGeneration >= made.Generation
	})
	if err != nil {
		return err
	}
	answer := observe.Admission{Pod: p.spec.Name, Admitted: refused == nil}
	if refused != nil {
		answer.Reason, answer.Message = refused.Reason, refused.Message
	} else {
		// What the container asks for now is what it was given.
		containerOf(p.spec, name).Resources = c.Resources
	}
	t.resizes = append(t.resizes, answer)
	return nil
}

// containerOf finds a container of a pod that has it.
func containerOf(p *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// condition is a condition of the pod that is true; nil when it is not.
func (p *pod) condition(kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.status.Conditions {
		if c := &p.status.Conditions[i]; c.Type == kind && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// setHugePages sets the number of a node's huge pages, which a running kernel
// can change.
func (t *Target) setHugePages(ctx context.Context, e scenarios.SetHugePages) error {
	p, err := t.profile.WithHugePages(e.NUMANode, uint64(e.Size.Value()), e.Count)
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
	}
	if _, has := t.pageSizes()[uint64(e.Size.Value())]; !has {
		return fmt.Errorf("%w: setHugePages: the machine's kernel has no pages of %s", scenarios.ErrUnsupported, e.Size.String())
	}
	if err := t.call(ctx, "SetHugePages", agent.HugePages{Node: e.NUMANode, Size: uint64(e.Size.Value()), Count: e.Count}, &agent.None{}); err != nil {
		return err
	}
	t.profile = p
	t.restart.touch()
	return nil
}

// pageSizes are the sizes of huge pages that the kernel knows.
func (t *Target) pageSizes() map[uint64]bool {
	sizes := map[uint64]bool{}
	for _, n := range t.profile.NUMANodes {
		for size := range n.HugePages {
			sizes[size] = true
		}
	}
	return sizes
}

// Told implements scenarios.Teller. A kubelet that does not run tells nothing.
func (t *Target) Told(ctx context.Context) (observe.Told, error) {
	told := observe.Told{PodResources: []observe.ListedContainer{}}
	if !t.running {
		return told, nil
	}
	if t.facts.ResourcesUnread != "" {
		return told, fmt.Errorf("unread: %s", t.facts.ResourcesUnread)
	}
	var m agent.Metrics
	if err := t.call(ctx, "Metrics", agent.None{}, &m); err != nil {
		return told, err
	}
	told.ExclusiveCPUs, told.SharedPoolMilliCPUs = m.ExclusiveCPUs, m.SharedPoolMilliCPUs
	for _, l := range t.facts.Listed {
		if t.find(l.Pod) != nil { // a cluster has more pods than the scenario's
			told.PodResources = append(told.PodResources, l)
		}
	}
	var err error
	told.CPUMax, err = t.cpuMax(ctx)
	return told, err
}

// cpuMax are the quotas of pods and of their containers that run.
func (t *Target) cpuMax(ctx context.Context) (map[string]string, error) {
	names, groups := map[string]string{}, t.groups() // names of cgroups
	for _, p := range t.pods {
		if p.gone {
			continue
		}
		for _, c := range slices.Concat(p.spec.Spec.InitContainers, p.spec.Spec.Containers) {
			s := p.containerStatus(c.Name)
			if s == nil {
				continue
			}
			if g, ok := groups[containerID(s)]; ok {
				names[g.Path] = p.spec.Name + "/" + c.Name
				names[path.Dir(g.Path)] = p.spec.Name
			}
		}
	}
	var quotas map[string]string
	if err := t.call(ctx, "Quotas", slices.Sorted(maps.Keys(names)), &quotas); err != nil {
		return nil, err
	}
	out := make(map[string]string, len(quotas))
	for group, quota := range quotas {
		out[names[group]] = quota
	}
	return out, nil
}
