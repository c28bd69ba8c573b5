package scenarios

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// defaultImage is the image of a shorthand container that names none. The
// simulator runs no images.
const defaultImage = "pause"

// shortPod is a pod as a scenario writes it when no more than its resources
// matter.
type shortPod struct {
	Name              string                       `json:"name"`
	Namespace         string                       `json:"namespace"`
	Labels            map[string]string            `json:"labels"`
	Annotations       map[string]string            `json:"annotations"`
	Replicas          *int                         `json:"replicas"`
	RestartPolicy     corev1.RestartPolicy         `json:"restartPolicy"`
	PriorityClassName string                       `json:"priorityClassName"`
	Priority          *int32                       `json:"priority"`
	Resources         *corev1.ResourceRequirements `json:"resources"`
	InitContainers    []shortContainer             `json:"initContainers"`
	Containers        []shortContainer             `json:"containers"`
	HoldInit          rawNode                      `json:"holdInit"`
}

// shortContainer is a container of it. CPU and Memory are requests and limits
// at once.
type shortContainer struct {
	Name          string                       `json:"name"`
	Image         string                       `json:"image"`
	CPU           *cpuSize                     `json:"cpu"`
	Memory        *resource.Quantity           `json:"memory"`
	CPURequest    *resource.Quantity           `json:"cpuRequest"`
	CPULimit      *resource.Quantity           `json:"cpuLimit"`
	MemoryRequest *resource.Quantity           `json:"memoryRequest"`
	MemoryLimit   *resource.Quantity           `json:"memoryLimit"`
	HugePages     map[string]resource.Quantity `json:"hugepages"`
	Devices       map[string]resource.Quantity `json:"devices"`
	// Resources is the API's own form, for all the rest.
	Resources     corev1.ResourceRequirements    `json:"resources"`
	RestartPolicy *corev1.ContainerRestartPolicy `json:"restartPolicy"`
}

// shorthand reads a pod in the short form.
func (l *loading) shorthand(n *node) (podSource, holdInit) {
	var short shortPod
	ok := l.read(n, &short, "createPod")
	pod := &corev1.Pod{}
	pod.Name, pod.Namespace = short.Name, short.Namespace
	pod.Labels, pod.Annotations = short.Labels, short.Annotations
	pod.Spec.RestartPolicy = short.RestartPolicy
	pod.Spec.PriorityClassName, pod.Spec.Priority = short.PriorityClassName, short.Priority
	pod.Spec.Resources = short.Resources
	pod.Spec.InitContainers = l.containers(n.get("initContainers"), "createPod.initContainers", short.InitContainers)
	pod.Spec.Containers = l.containers(n.get("containers"), "createPod.containers", short.Containers)
	source := podSource{pod: pod, file: l.file, node: n, count: 1, sizes: append(sizes(short.InitContainers, true), sizes(short.Containers, false)...)}
	if short.Replicas != nil {
		source.numbered, source.count = short.Name != "", *short.Replicas
		if source.count < 1 || source.count > maxReplicas {
			if ok {
				l.between(n, "createPod", "replicas", source.count, 1, maxReplicas)
			}
			source.count = 1
		}
	}
	return source, l.holdInit(short.HoldInit.node)
}

// sizes finds the containers whose CPUs are in units of the machine.
func sizes(short []shortContainer, init bool) []Size {
	var list []Size
	for i := range short {
		if cpu := short[i].CPU; cpu != nil && cpu.amount != nil {
			list = append(list, Size{Init: init, Container: i, Amount: *cpu.amount})
		}
	}
	return list
}

func (l *loading) containers(list *node, at string, short []shortContainer) []corev1.Container {
	containers := make([]corev1.Container, 0, len(short))
	for i := range short {
		n := list
		if list.kind == sequence {
			n = list.items[i]
		}
		containers = append(containers, l.container(n, (&place{name: at}).item(i), &short[i]))
	}
	if len(containers) == 0 {
		return nil
	}
	return containers
}

func (l *loading) container(n *node, at *place, short *shortContainer) corev1.Container {
	c := corev1.Container{
		Name: short.Name, Image: short.Image,
		Resources: short.Resources, RestartPolicy: short.RestartPolicy,
	}
	if c.Image == "" {
		c.Image = defaultImage
	}
	r := &resources{loading: l, node: n, at: at, into: &c.Resources}
	if short.CPU != nil {
		r.both("cpu", corev1.ResourceCPU, &short.CPU.quantity)
	}
	r.both("memory", corev1.ResourceMemory, short.Memory)
	r.request("cpuRequest", corev1.ResourceCPU, short.CPURequest)
	r.limit("cpuLimit", corev1.ResourceCPU, short.CPULimit)
	r.request("memoryRequest", corev1.ResourceMemory, short.MemoryRequest)
	r.limit("memoryLimit", corev1.ResourceMemory, short.MemoryLimit)
	for _, size := range slices.Sorted(maps.Keys(short.HugePages)) {
		q := short.HugePages[size]
		name := corev1.ResourceName(corev1.ResourceHugePagesPrefix + strings.TrimPrefix(size, corev1.ResourceHugePagesPrefix))
		r.both("hugepages", name, &q)
	}
	for _, name := range slices.Sorted(maps.Keys(short.Devices)) {
		q := short.Devices[name]
		if !strings.Contains(name, "/") {
			l.errorf(n.lineOf("devices", name), "%s.devices: %s is no extended resource; want one like vendor.com/nic", at, quote(name))
		}
		r.both("devices", corev1.ResourceName(name), &q)
	}
	return c
}

// resources fills in a container's requests and limits, and says when two
// fields give the same one.
type resources struct {
	*loading
	node *node
	at   *place
	into *corev1.ResourceRequirements
}

func (r *resources) both(field string, name corev1.ResourceName, q *resource.Quantity) {
	r.request(field, name, q)
	r.limit(field, name, q)
}

func (r *resources) request(field string, name corev1.ResourceName, q *resource.Quantity) {
	r.set(field, "request", &r.into.Requests, name, q)
}

func (r *resources) limit(field string, name corev1.ResourceName, q *resource.Quantity) {
	r.set(field, "limit", &r.into.Limits, name, q)
}

func (r *resources) set(field, what string, list *corev1.ResourceList, name corev1.ResourceName, q *resource.Quantity) {
	if q == nil {
		return
	}
	if _, ok := (*list)[name]; ok {
		r.errorf(r.node.lineOf(field), "%s.%s: the %s %s is given twice", r.at, field, name, what)
		return
	}
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = q.DeepCopy()
}
