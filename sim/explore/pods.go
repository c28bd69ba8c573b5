package explore

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
)

// podMaker draws pods and remembers those of each shape, prepared.
type podMaker struct {
	prepare func(*v1.Pod) error
	// made are pods by their shape; nil is one that the API server refuses.
	made map[string]*v1.Pod
}

const maxShapes = 4096

func newPodMaker(prepare func(*v1.Pod) error) *podMaker {
	return &podMaker{prepare: prepare, made: map[string]*v1.Pod{}}
}

// podEnv is what a pod is drawn for.
type podEnv struct {
	cpus     int    // of the machine
	nodeMem  uint64 // bytes of one NUMA node
	podLevel bool
	devices  bool
	// hugePages are asked for by some.
	hugePages bool
}

// pod draws a pod; nil is one that the API server refuses.
func (m *podMaker) pod(d *drawer, name string, env podEnv) *v1.Pod {
	from := d.i
	shape := drawPod(d, env)
	key := fmt.Sprint(env, d.b[min(from, len(d.b)):min(d.i, len(d.b))])
	pod, ok := m.made[key]
	if !ok {
		pod = shape
		pod.Name, pod.UID = "x", "x"
		if m.prepare(pod) != nil {
			pod = nil
		}
		if len(m.made) > maxShapes {
			clear(m.made)
		}
		m.made[key] = pod
	}
	if pod == nil {
		return nil
	}
	// The shape is never written to: a node copies the pods it is given.
	named := *pod
	named.Name, named.UID = name, types.UID("uid-"+name)
	return &named
}

func drawPod(d *drawer, env podEnv) *v1.Pod {
	pod := &v1.Pod{}
	guaranteed := !d.chance(3)
	container := func(name string) v1.Container {
		c := v1.Container{Name: name, Image: "pause"}
		kind := d.n(16)
		cpu, memory := env.cpu(d), env.memory(d)
		list := v1.ResourceList{v1.ResourceCPU: parsed(cpu), v1.ResourceMemory: parsed(memory)}
		switch {
		case guaranteed && (kind < 15 || !env.podLevel):
			c.Resources.Requests, c.Resources.Limits = list, list
		case kind < 8:
			c.Resources.Requests = list
		}
		if env.hugePages && kind < 15 && d.chance(6) {
			list[hugePages2Mi] = parsed(pick(d, "2Mi", "64Mi", "128Mi", "256Mi"))
			c.Resources.Requests, c.Resources.Limits = list.DeepCopy(), list
			if !guaranteed {
				delete(c.Resources.Limits, v1.ResourceCPU)
			}
		}
		if env.devices && d.chance(6) {
			if c.Resources.Limits == nil {
				c.Resources.Limits = v1.ResourceList{}
			}
			c.Resources.Limits = c.Resources.Limits.DeepCopy()
			c.Resources.Limits[deviceResource] = *resource.NewQuantity(int64(1+d.n(2)), resource.DecimalSI)
			c.Resources.Requests = c.Resources.Limits
		}
		return c
	}
	always := v1.ContainerRestartPolicyAlways
	for i := range max(0, d.n(8)-4) % 3 {
		c := container(fmt.Sprintf("init%d", i))
		if d.chance(5) {
			c.Name = fmt.Sprintf("side%d", i)
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for i := range 1 + max(0, d.n(8)-4)%3 {
		pod.Spec.Containers = append(pod.Spec.Containers, container(fmt.Sprintf("app%d", i)))
	}
	pod.Spec.RestartPolicy = pick(d, v1.RestartPolicyAlways, v1.RestartPolicyAlways, v1.RestartPolicyAlways, v1.RestartPolicyNever, v1.RestartPolicyOnFailure)
	if env.podLevel && d.chance(8) {
		list := v1.ResourceList{v1.ResourceCPU: parsed(env.cpu(d)), v1.ResourceMemory: parsed(pick(d, "8Gi", "1Gi", env.memory(d)))}
		pod.Spec.Resources = &v1.ResourceRequirements{Requests: list, Limits: list}
		if d.chance(8) {
			for i := range pod.Spec.Containers {
				if d.chance(8) {
					pod.Spec.Containers[i].Resources = v1.ResourceRequirements{}
				}
			}
		}
	}
	return pod
}

const hugePages2Mi = v1.ResourceHugePagesPrefix + "2Mi"

func parsed(quantity string) resource.Quantity { return resource.MustParse(quantity) }

// deviceResource is what the search's devices are called.
const deviceResource = "example.com/dev"

func (e podEnv) cpu(d *drawer) string {
	switch k := d.n(16); {
	case k < 2:
		return "500m"
	case k < 3:
		return "1500m"
	case k < 13:
		return fmt.Sprint(1 + d.n(4))
	case k < 15:
		return fmt.Sprint(1 + d.n(max(2, e.cpus/2)))
	}
	return fmt.Sprint(1 + d.n(e.cpus))
}

func (e podEnv) memory(d *drawer) string {
	mi := max(1, e.nodeMem>>20)
	switch k := d.n(16); {
	case k < 10:
		return "64Mi"
	case k < 12:
		return "1Gi"
	case k < 14:
		return fmt.Sprintf("%dMi", mi*2/5)
	case k < 15:
		return fmt.Sprintf("%dMi", mi*7/10)
	}
	return fmt.Sprintf("%dMi", mi*6/5)
}
