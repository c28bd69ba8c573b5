package scenarios

import corev1 "k8s.io/api/core/v1"

// Alone is the only container of a pod that asks for nothing but CPUs and plain
// memory, by itself; nil of any other pod. Whether such a pod fits can be told from
// the free CPUs.
func Alone(pod *corev1.Pod) *corev1.Container {
	s := &pod.Spec
	if len(s.InitContainers) > 0 || len(s.Containers) != 1 || s.Resources != nil {
		return nil
	}
	for name := range s.Containers[0].Resources.Requests {
		if name != corev1.ResourceCPU && name != corev1.ResourceMemory {
			return nil
		}
	}
	return &s.Containers[0]
}
