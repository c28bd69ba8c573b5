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

const podMemory = "16Mi"

// node is what a kubelet sees around it: pods with all of their containers
// running, and a runtime that does what it is told at once.
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
		if _, running := n.status[p.UID]; !running {
			continue
		}
		for i := range p.Spec.Containers {
			out = append(out, kubelet.ContainerRef{PodUID: string(p.UID), Name: containerName(i), ID: containerID(p, i), Running: true})
		}
	}
	return out
}

func containerName(i int) string { return fmt.Sprintf("app-%d", i) }

func containerID(p *v1.Pod, i int) string { return containerName(i) + "-of-" + string(p.UID) }

func (n *node) add(p *v1.Pod) { n.pods = append(n.pods, p) }

// run makes the pod's containers running ones.
func (n *node) run(p *v1.Pod) {
	var list []v1.ContainerStatus
	for i := range p.Spec.Containers {
		list = append(list, v1.ContainerStatus{
			Name: containerName(i), ContainerID: "bench://" + containerID(p, i),
			State: v1.ContainerState{Running: &v1.ContainerStateRunning{}},
		})
	}
	n.status[p.UID] = v1.PodStatus{ContainerStatuses: list}
}

func (n *node) remove(p *v1.Pod) {
	n.pods = slices.DeleteFunc(n.pods, func(q *v1.Pod) bool { return q == p })
	delete(n.status, p.UID)
}

// newPod makes a Guaranteed pod with whole CPUs, spread over its containers.
func newPod(name string, cpus, containers int) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1.NamespaceDefault, UID: types.UID("uid-" + name)}}
	for i, share := range spread(cpus, containers) {
		list := v1.ResourceList{
			v1.ResourceCPU:    *resource.NewQuantity(int64(share), resource.DecimalSI),
			v1.ResourceMemory: resource.MustParse(podMemory),
		}
		pod.Spec.Containers = append(pod.Spec.Containers, v1.Container{
			Name: containerName(i), Image: "bench",
			Resources: v1.ResourceRequirements{Requests: list, Limits: list.DeepCopy()},
		})
	}
	return pod
}

// spread are the CPUs of each container: as even as whole CPUs allow, the first
// ones have one more.
func spread(cpus, containers int) []int {
	containers = max(containers, 1)
	out := make([]int, containers)
	for i := range out {
		out[i] = cpus / containers
		if i < cpus%containers {
			out[i]++
		}
	}
	return out
}

func residentName(i int) string { return fmt.Sprintf("resident-%04d", i) }
