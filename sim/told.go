package sim

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// Told implements scenarios.Teller. A kubelet that does not run tells nothing.
func (n *Node) Told(context.Context) (observe.Told, error) {
	if !n.running() {
		return observe.Told{PodResources: []observe.ListedContainer{}}, nil
	}
	var pods []*v1.Pod
	for _, p := range n.pods {
		if p.known {
			pods = append(pods, p.spec)
		}
	}
	return n.life.Told(pods)
}

// resizePod asks for other resources of a container, requests and limits alike.
// The kubelet's answer is data; what it accepts, it does.
func (n *Node) resizePod(e scenarios.ResizePod) error {
	if !n.running() {
		return fmt.Errorf("%w: the kubelet does not run", scenarios.ErrMisuse)
	}
	p, c, err := n.container(e.Container)
	if err != nil {
		return err
	}
	if c.kind == observe.KindEphemeral {
		return fmt.Errorf("%w: %s is an ephemeral container, which asks for nothing", scenarios.ErrMisuse, e.Container)
	}
	want := p.spec.DeepCopy()
	list := want.Spec.Containers
	if c.kind != observe.KindApp {
		list = want.Spec.InitContainers
	}
	var to *v1.Container
	for i := range list {
		if list[i].Name == c.spec.Name {
			to = &list[i]
		}
	}
	for name, q := range map[v1.ResourceName]*resource.Quantity{v1.ResourceCPU: e.CPU, v1.ResourceMemory: e.Memory} {
		if q == nil {
			continue
		}
		if to.Resources.Requests == nil || to.Resources.Limits == nil {
			return fmt.Errorf("%w: container %s has no requests and limits to change", scenarios.ErrMisuse, e.Container)
		}
		to.Resources.Requests[name], to.Resources.Limits[name] = *q, *q
	}
	if err := kubelet.ValidateResize(p.spec, want); err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
	}
	var others []*v1.Pod
	for _, o := range n.ActivePods() {
		if o.UID != want.UID {
			others = append(others, o)
		}
	}
	var res kubelet.AdmitResult
	err = n.limited(func() (err error) {
		res, err = n.life.Resize(want, p.spec, others)
		return err
	})
	if err != nil {
		return err
	}
	n.resizes = append(n.resizes, observe.Admission{Pod: want.Name, Admitted: res.Admitted, Reason: res.Reason, Message: n.mask(res.Message)})
	if res.Admitted {
		// The runtime is told of shares and quota; no manager is asked for CPUs.
		c.spec.Resources = to.Resources
		c.promise.config = nil
	}
	return nil
}
