package scenarios

import corev1 "k8s.io/api/core/v1"

// OwnCPUs are the CPUs that a pod asks for as its own, of which owed says how many a
// container is to have: the most that it has at a time, counted as the kubelet does
// (sidecars run beside every container that starts after them, init containers one at
// a time), and the greatest number that divides what each container asks for. Both are
// 0 for a pod that asks for anything but CPUs and plain memory, or for resources as a
// whole: whether it fits cannot be told from the free CPUs.
func OwnCPUs(pod *corev1.Pod, owed func(*corev1.Container) int) (most, step int) {
	s := &pod.Spec
	if s.Resources != nil {
		return 0, 0
	}
	sidecars, apps := 0, 0
	for i := range s.InitContainers {
		c := &s.InitContainers[i]
		if !plain(c) {
			return 0, 0
		}
		n := owed(c)
		step = divisor(step, n)
		most = max(most, sidecars+n)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars += n
		}
	}
	for i := range s.Containers {
		c := &s.Containers[i]
		if !plain(c) {
			return 0, 0
		}
		n := owed(c)
		step = divisor(step, n)
		apps += n
	}
	return max(most, sidecars+apps), step
}

// OwnMemory is the memory in bytes that a pod asks for as its own, the most at a time,
// counted like OwnCPUs; 0 for a pod that is not Guaranteed by its containers, and where
// OwnCPUs does not count.
func OwnMemory(pod *corev1.Pod) (bytes uint64) {
	s := &pod.Spec
	for _, list := range [][]corev1.Container{s.InitContainers, s.Containers} {
		for i := range list {
			if !guaranteed(&list[i]) {
				return 0
			}
		}
	}
	most, _ := OwnCPUs(pod, func(c *corev1.Container) int { return int(c.Resources.Limits.Memory().Value()) })
	return uint64(most)
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
