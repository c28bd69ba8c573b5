package kubelet

import (
	"context"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/component-base/metrics"
	"k8s.io/klog/v2"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/kubernetes/pkg/kubelet/apis/podresources"
	cmqos "k8s.io/kubernetes/pkg/kubelet/cm/qos"
	kubeletmetrics "k8s.io/kubernetes/pkg/kubelet/metrics"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// register lets the CPU manager's gauges keep what they are set to, in a
// registry of this lifetime's own: a new process begins at zero.
func (l *Lifetime) register() error {
	l.metrics = metrics.NewKubeRegistry()
	for _, gauge := range []*metrics.Gauge{kubeletmetrics.CPUManagerExclusiveCPUsAllocationCount, kubeletmetrics.CPUManagerSharedPoolSizeMilliCores} {
		if err := l.metrics.Register(gauge); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
		gauge.Set(0)
	}
	return nil
}

// Told is what the kubelet tells others of its containers: its metrics, what
// upstream's own podresources server answers to List, and the cgroups' CPU quotas. The pods are all
// those the kubelet knows, ended ones included.
func (l *Lifetime) Told(pods []*v1.Pod) (observe.Told, error) {
	told := observe.Told{PodResources: []observe.ListedContainer{}, CPUMax: l.cpuMax(pods)}
	families, err := l.metrics.Gather()
	if err != nil {
		return told, fmt.Errorf("metrics: %w", err)
	}
	for _, f := range families {
		value := int(f.GetMetric()[0].GetGauge().GetValue())
		switch f.GetName() {
		case "kubelet_" + kubeletmetrics.CPUManagerExclusiveCPUsAllocationCountKey:
			told.ExclusiveCPUs = value
		case "kubelet_" + kubeletmetrics.CPUManagerSharedPoolSizeMilliCoresKey:
			told.SharedPoolMilliCPUs = value
		}
	}
	p := provider{l, pods}
	server := podresources.NewV1PodResourcesServer(l.ctx, podresources.PodResourcesProviders{Pods: p, Devices: p, Cpus: p, Memory: p, DynamicResources: p})
	list, err := server.List(context.Background(), &podresourcesapi.ListPodResourcesRequest{})
	if err != nil {
		return told, fmt.Errorf("podresources: %w", err)
	}
	for _, pod := range list.GetPodResources() {
		for _, c := range pod.GetContainers() {
			told.PodResources = append(told.PodResources, observe.ListedContainer{
				Pod: pod.GetName(), Container: c.GetName(), CPUs: listed(c.GetCpuIds()), MemoryBytes: memoryBytes(c.GetMemory()),
			})
		}
	}
	return told, nil
}

func listed(ids []int64) observe.CPUs {
	set := make([]int, 0, len(ids))
	for _, id := range ids {
		set = append(set, int(id))
	}
	return observe.FromSet(cpuset.New(set...))
}

func memoryBytes(blocks []*podresourcesapi.ContainerMemory) (sum uint64) {
	for _, b := range blocks {
		if b.GetMemoryType() == string(v1.ResourceMemory) {
			sum += b.GetSize()
		}
	}
	return sum
}

// provider gives the podresources server what
// pkg/kubelet/cm/container_manager_linux.go gives it.
type provider struct {
	*Lifetime
	pods []*v1.Pod
}

func (p provider) GetActivePods() []*v1.Pod { return p.params.Node.ActivePods() }
func (p provider) GetPods() []*v1.Pod       { return p.pods }

func (p provider) GetPodByName(namespace, name string) (*v1.Pod, bool) {
	i := slices.IndexFunc(p.pods, func(pod *v1.Pod) bool { return pod.Namespace == namespace && pod.Name == name })
	if i < 0 {
		return nil, false
	}
	return p.pods[i], true
}

func (p provider) GetCPUs(pod *v1.Pod, c *v1.Container) []int64 {
	if p.cpu.GetResourceIsolationLevel(pod, c) != cmqos.ResourceIsolationContainer {
		return nil
	}
	return int64s(p.cpu.GetExclusiveCPUs(string(pod.UID), c.Name))
}

func (p provider) GetPodCPUs(uid string) []int64 { return int64s(p.cpu.GetPodCPUs(uid)) }

func (p provider) GetAllocatableCPUs() []int64 { return int64s(p.cpu.GetAllocatableCPUs()) }

func int64s(set cpuset.CPUSet) []int64 {
	ids := make([]int64, 0, set.Size())
	for _, id := range set.UnsortedList() {
		ids = append(ids, int64(id))
	}
	return ids
}

func (p provider) GetMemory(logger klog.Logger, pod *v1.Pod, c *v1.Container) []*podresourcesapi.ContainerMemory {
	if p.memory.GetResourceIsolationLevel(pod, c) != cmqos.ResourceIsolationContainer {
		return nil
	}
	var list []*podresourcesapi.ContainerMemory
	for _, b := range p.memory.GetMemory(logger, string(pod.UID), c.Name) {
		list = append(list, &podresourcesapi.ContainerMemory{MemoryType: string(b.Type), Size: b.Size})
	}
	return list
}

func (p provider) GetPodMemory(klog.Logger, string) []*podresourcesapi.ContainerMemory { return nil }

func (p provider) GetAllocatableMemory(klog.Logger) []*podresourcesapi.ContainerMemory { return nil }
func (p provider) UpdateAllocatedDevices(klog.Logger)                                  {}
func (p provider) GetDevices(string, string) []*podresourcesapi.ContainerDevices       { return nil }

func (p provider) GetAllocatableDevices(klog.Logger) []*podresourcesapi.ContainerDevices { return nil }

func (p provider) GetDynamicResources(klog.Logger, *v1.Pod, *v1.Container) []*podresourcesapi.DynamicResource {
	return nil
}
