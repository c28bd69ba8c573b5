package measure

import (
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/sim/kubelet"
)

const (
	containerName = "app"
	podMemory     = "16Mi"
)

// node is what a kubelet sees around it: pods with one container each, all of
// them running, and a runtime that does what it is told at once.
type node struct {
	pods   []*v1.Pod
	status map[types.UID]v1.PodStatus
}

var _ kubelet.Node = &node{}

func newNode() *node { return &node{status: map[types.UID]v1.PodStatus{}} }

// ActivePods implements kubelet.Node.
func (n *node) ActivePods() []*v1.Pod { return n.pods }

// PodStatus implements kubelet.Node.
func (n *node) PodStatus(uid types.UID) (v1.PodStatus, bool) {
	s, ok := n.status[uid]
	return s, ok
}

// UpdateContainer implements kubelet.Node.
func (n *node) UpdateContainer(string, string) error { return nil }

// Containers implements kubelet.Node.
func (n *node) Containers() []kubelet.ContainerRef {
	out := make([]kubelet.ContainerRef, 0, len(n.status))
	for _, p := range n.pods {
		if _, running := n.status[p.UID]; running {
			out = append(out, kubelet.ContainerRef{PodUID: string(p.UID), Name: containerName, ID: containerID(p), Running: true})
		}
	}
	return out
}

func containerID(p *v1.Pod) string { return "container-of-" + string(p.UID) }

func (n *node) add(p *v1.Pod) { n.pods = append(n.pods, p) }

// run makes the pod's container a running one.
func (n *node) run(p *v1.Pod) {
	n.status[p.UID] = v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{
		Name: containerName, ContainerID: "bench://" + containerID(p),
		State: v1.ContainerState{Running: &v1.ContainerStateRunning{}},
	}}}
}

func (n *node) remove(p *v1.Pod) {
	n.pods = slices.DeleteFunc(n.pods, func(q *v1.Pod) bool { return q == p })
	delete(n.status, p.UID)
}

// newPod makes a Guaranteed pod with whole CPUs.
func newPod(name string, cpus int) *v1.Pod {
	list := v1.ResourceList{
		v1.ResourceCPU:    *resource.NewQuantity(int64(cpus), resource.DecimalSI),
		v1.ResourceMemory: resource.MustParse(podMemory),
	}
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1.NamespaceDefault, UID: types.UID("uid-" + name)},
		Spec: v1.PodSpec{Containers: []v1.Container{{
			Name: containerName, Image: "bench",
			Resources: v1.ResourceRequirements{Requests: list, Limits: list.DeepCopy()},
		}}},
	}
}

func residentName(i int) string { return fmt.Sprintf("resident-%04d", i) }
