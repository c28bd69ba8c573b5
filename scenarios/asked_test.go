package scenarios_test

import (
	"cmp"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

func ownMemory(pod *corev1.Pod) uint64 {
	var a observe.Admission
	scenarios.AskedFor(&a, pod, true, func(*corev1.Container) int { return 0 })
	return a.ExclusiveMemory
}

// ownCPUs are the most at a time, and the step, which is that where nothing is noted.
func ownCPUs(pod *corev1.Pod, owed func(*corev1.Container) int) (most, step int) {
	var a observe.Admission
	scenarios.AskedFor(&a, pod, false, owed)
	return a.ExclusiveCPUs, cmp.Or(a.ExclusiveStep, a.ExclusiveCPUs)
}

func TestOwnMemory(t *testing.T) {
	list := func(memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	of := func(memory string) corev1.Container {
		return corev1.Container{Resources: corev1.ResourceRequirements{Requests: list(memory), Limits: list(memory)}}
	}
	g := NewWithT(t)
	pod := &corev1.Pod{Spec: corev1.PodSpec{InitContainers: []corev1.Container{of("3Gi")}, Containers: []corev1.Container{of("1Gi"), of("1Gi")}}}
	g.Expect(ownMemory(pod)).To(BeEquivalentTo(3 << 30))
	pod.Spec.Containers[1].Resources.Limits = list("3Gi")
	g.Expect(ownMemory(pod)).To(BeZero(), "Burstable")
	pod.Spec.Containers[1].Resources.Requests = nil // limits are requests where those are not set
	g.Expect(ownMemory(pod)).To(BeEquivalentTo(4 << 30))
	pod.Spec.InitContainers[0].Resources = corev1.ResourceRequirements{}
	g.Expect(ownMemory(pod)).To(BeZero(), "BestEffort beside Guaranteed")
}

func TestOwnCPUs(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	init, sidecar, app := 'i', 's', 'a'
	type want struct {
		kind rune
		cpus int
	}
	for _, tc := range []struct {
		name       string
		containers []want
		most, step int
	}{
		{"one container", []want{{app, 4}}, 4, 4},
		{"two beside each other", []want{{app, 4}, {app, 2}}, 6, 2},
		{"an init container has ended before the others", []want{{init, 4}, {app, 2}}, 4, 2},
		{"init containers run one at a time", []want{{init, 2}, {init, 4}, {app, 4}}, 4, 2},
		{"a sidecar stays", []want{{sidecar, 2}, {init, 4}, {app, 2}}, 6, 2},
		{"a sidecar after an init container", []want{{init, 4}, {sidecar, 2}, {app, 3}}, 5, 1},
		{"one of the shared pool counts for nothing", []want{{app, 0}, {app, 6}}, 6, 6},
		{"nothing of its own", []want{{app, 0}}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			pod, owed := &corev1.Pod{}, map[string]int{}
			for i, w := range tc.containers {
				c := corev1.Container{Name: fmt.Sprint(i)}
				owed[c.Name] = w.cpus
				switch w.kind {
				case app:
					pod.Spec.Containers = append(pod.Spec.Containers, c)
					continue
				case sidecar:
					c.RestartPolicy = &always
				}
				pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
			}
			count := func(c *corev1.Container) int { return owed[c.Name] }
			most, step := ownCPUs(pod, count)
			g.Expect([]int{most, step}).To(Equal([]int{tc.most, tc.step}))

			pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"example.com/dev": resource.MustParse("1")}
			most, step = ownCPUs(pod, count)
			g.Expect([]int{most, step}).To(Equal([]int{0, 0}), "a device lies on a NUMA node")
			pod.Spec.Containers[0].Resources.Requests = nil
			pod.Spec.Resources = &corev1.ResourceRequirements{}
			most, step = ownCPUs(pod, count)
			g.Expect([]int{most, step}).To(Equal([]int{0, 0}), "what is asked for as a whole is not divided here")
		})
	}
}
