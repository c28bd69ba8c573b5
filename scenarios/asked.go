package scenarios

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/sim/observe"
)

// AskedFor notes in the answer to a pod what the pod asked for as its own, where that
// tells whether it fits: not for a pod that asks for anything but CPUs and plain memory,
// or for resources as a whole. owed says how many CPUs a container is to have; static,
// that the memory manager binds memory.
func AskedFor(a *observe.Admission, pod *corev1.Pod, static bool, owed func(*corev1.Container) int) {
	if pod.Spec.Resources != nil {
		return
	}
	var cpus, memory observe.Peak
	step, bound := 0, static
	for kind, c := range containersOf(&pod.Spec) {
		if !plain(c) {
			return
		}
		n := owed(c)
		step = divisor(step, n)
		cpus.Add(kind, int64(n))
		memory.Add(kind, c.Resources.Limits.Memory().Value())
		bound = bound && guaranteed(c)
	}
	if a.ExclusiveCPUs = int(cpus.Most()); step != a.ExclusiveCPUs {
		a.ExclusiveStep = step
	}
	if bound {
		a.ExclusiveMemory = uint64(memory.Most())
	}
}

// containersOf yields a pod's containers with their kinds, init containers first.
func containersOf(s *corev1.PodSpec) func(yield func(observe.ContainerKind, *corev1.Container) bool) {
	return func(yield func(observe.ContainerKind, *corev1.Container) bool) {
		for i := range s.InitContainers {
			if c := &s.InitContainers[i]; !yield(InitKind(c), c) {
				return
			}
		}
		for i := range s.Containers {
			if !yield(observe.KindApp, &s.Containers[i]) {
				return
			}
		}
	}
}

// InitKind tells a sidecar from an init container.
func InitKind(c *corev1.Container) observe.ContainerKind {
	if r := c.RestartPolicy; r != nil && *r == corev1.ContainerRestartPolicyAlways {
		return observe.KindSidecar
	}
	return observe.KindInit
}

// guaranteed says that a container has equal requests and limits of CPU and memory.
func guaranteed(c *corev1.Container) bool {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		limit, ok := c.Resources.Limits[name]
		if request, asked := c.Resources.Requests[name]; !ok || asked && request.Cmp(limit) != 0 {
			return false
		}
	}
	return true
}

// plain says that a container asks for nothing but CPUs and memory.
func plain(c *corev1.Container) bool {
	for name := range c.Resources.Requests {
		if name != corev1.ResourceCPU && name != corev1.ResourceMemory {
			return false
		}
	}
	return true
}

// divisor is the greatest common one; that of 0 and n is n.
func divisor(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
