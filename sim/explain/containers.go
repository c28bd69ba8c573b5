package explain

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// ctr is a container of a pod and where it stands.
type ctr struct {
	spec *corev1.Container
	kind observe.ContainerKind
	// field is its path below the pod's spec.
	field string
}

// containers lists a pod's containers as the kubelet walks them.
func containers(pod *corev1.Pod) []ctr {
	list := make([]ctr, 0, len(pod.Spec.InitContainers)+len(pod.Spec.Containers))
	for i := range pod.Spec.InitContainers {
		c := ctr{&pod.Spec.InitContainers[i], observe.KindInit, fmt.Sprintf("initContainers[%d]", i)}
		if kubelet.Restartable(c.spec) {
			c.kind = observe.KindSidecar
		}
		list = append(list, c)
	}
	for i := range pod.Spec.Containers {
		list = append(list, ctr{&pod.Spec.Containers[i], observe.KindApp, fmt.Sprintf("containers[%d]", i)})
	}
	return list
}

// who names a container as people do.
func (c ctr) who() string {
	switch c.kind {
	case observe.KindInit:
		return "init container " + c.spec.Name
	case observe.KindSidecar:
		return "sidecar " + c.spec.Name
	}
	return "container " + c.spec.Name
}

// lasting says that the container runs as long as its pod.
func (c ctr) lasting() bool { return c.kind != observe.KindInit }

func (c ctr) cpuRequest() resource.Quantity { return c.spec.Resources.Requests[corev1.ResourceCPU] }

// intended picks the containers that someone may mean to be pinned: those that
// run as long as the pod and request a whole CPU or more. Where there are none,
// the one with the largest request, and where nobody requests anything, the
// first one.
func intended(pod *corev1.Pod) []ctr {
	one := resource.MustParse("1")
	var list []ctr
	var largest *ctr
	all := containers(pod)
	for i := range all {
		c := &all[i]
		if !c.lasting() {
			continue
		}
		q := c.cpuRequest()
		if q.Cmp(one) >= 0 {
			list = append(list, *c)
		}
		if largest == nil || more(c, largest) {
			largest = c
		}
	}
	if len(list) == 0 && largest != nil {
		list = append(list, *largest)
	}
	return list
}

// more says whether a is rather the pod's main container than b: it requests
// more, or as much and is no sidecar.
func more(a, b *ctr) bool {
	qa, qb := a.cpuRequest(), b.cpuRequest()
	if cmp := qa.Cmp(qb); cmp != 0 {
		return cmp > 0
	}
	return a.kind == observe.KindApp && b.kind == observe.KindSidecar
}

// amounts are the quantities of cpu and memory.
func amounts(list corev1.ResourceList) Amounts {
	var a Amounts
	if q, ok := list[corev1.ResourceCPU]; ok {
		a.CPU = q.String()
	}
	if q, ok := list[corev1.ResourceMemory]; ok {
		a.Memory = q.String()
	}
	return a
}
