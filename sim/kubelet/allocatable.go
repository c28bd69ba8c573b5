package kubelet

import (
	"fmt"
	"strconv"
	"strings"

	cadvisor "github.com/google/cadvisor/lib/model"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	v1helper "k8s.io/kubernetes/pkg/apis/core/v1/helper"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/topology"
	"k8s.io/utils/cpuset"
)

// nodeName is what the simulated node is called; logs show it.
const nodeName = "pinlab"

// ephemeralStorage is large enough that no scenario about CPUs meets it.
const ephemeralStorage = "1Ti"

// allocatable is the node's arithmetic: what there is, what is kept back.
type allocatable struct {
	capacity     v1.ResourceList
	reservation  v1.ResourceList
	reservedCPUs cpuset.CPUSet // empty unless reservedSystemCPUs is set
}

// newAllocatable does what the kubelet's command does before it makes the
// container manager: reservedSystemCPUs replaces the cpu of kubeReserved and
// systemReserved.
func newAllocatable(logger klog.Logger, cfg *Config, machine *cadvisor.MachineInfo) (*allocatable, error) {
	kube, system := cfg.kc.KubeReserved, cfg.kc.SystemReserved
	a := &allocatable{capacity: capacity(machine)}
	if list := cfg.kc.ReservedSystemCPUs; list != "" {
		topo, err := topology.Discover(logger, machine)
		if err != nil {
			return nil, notRun(fmt.Errorf("unable to discover CPU topology info: %w", err))
		}
		if a.reservedCPUs, err = cpuset.Parse(list); err != nil {
			return nil, notRun(fmt.Errorf("unable to parse reserved-cpus list: %w", err))
		}
		if online := topo.CPUDetails.CPUs(); !a.reservedCPUs.IsSubsetOf(online) {
			return nil, notRun(fmt.Errorf("reserved-cpus: %s is not a subset of online-cpus: %s", list, online))
		}
		if a.reservedCPUs.Size() > 0 {
			kube, system = without(kube, "cpu"), without(system, "cpu")
			system["cpu"] = strconv.Itoa(a.reservedCPUs.Size())
		}
	}
	kubeList, err := reservedList("kube-reserved", kube)
	if err != nil {
		return nil, notRun(err)
	}
	systemList, err := reservedList("system-reserved", system)
	if err != nil {
		return nil, notRun(err)
	}
	a.reservation = v1.ResourceList{}
	for name, total := range a.capacity {
		sum := resource.NewQuantity(0, resource.DecimalSI)
		sum.Add(systemList[name])
		sum.Add(kubeList[name])
		if name == v1.ResourceMemory {
			eviction, err := evictionMemory(cfg.kc.EvictionHard, total.Value())
			if err != nil {
				return nil, notRun(err)
			}
			sum.Add(*resource.NewQuantity(eviction, resource.BinarySI))
		}
		if !sum.IsZero() {
			a.reservation[name] = *sum
		}
		if sum.Cmp(total) > 0 {
			return nil, fmt.Errorf("invalid Node Allocatable configuration. Resource %q has a reservation of %v but capacity of %v. Expected capacity >= reservation", name, sum.String(), total.String())
		}
	}
	return a, nil
}

// notRun is an error as the kubelet's command logs it when it ends before the
// kubelet runs: while it makes the managers, not while it starts them
// (cmd/kubelet/app/server.go, Run).
func notRun(err error) error { return fmt.Errorf("failed to run Kubelet: %w", err) }

func without(m map[string]string, key string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}

func capacity(machine *cadvisor.MachineInfo) v1.ResourceList {
	list := v1.ResourceList{
		v1.ResourceCPU:              *resource.NewMilliQuantity(int64(machine.NumCores)*1000, resource.DecimalSI),
		v1.ResourceMemory:           *resource.NewQuantity(int64(machine.MemoryCapacity), resource.BinarySI),
		v1.ResourceEphemeralStorage: resource.MustParse(ephemeralStorage),
	}
	for _, pages := range machine.HugePages {
		size := resource.NewQuantity(int64(pages.PageSize)*1024, resource.BinarySI)
		list[v1helper.HugePageResourceName(*size)] = *resource.NewQuantity(int64(pages.PageSize*1024*pages.NumPages), resource.BinarySI)
	}
	return list
}

func reservedList(flag string, m map[string]string) (v1.ResourceList, error) {
	list := v1.ResourceList{}
	for name, value := range m {
		switch v1.ResourceName(name) {
		case v1.ResourceCPU, v1.ResourceMemory, v1.ResourceEphemeralStorage, "pid":
		default:
			return nil, fmt.Errorf("--%s value failed to parse: cannot reserve %q resource", flag, name)
		}
		q, err := resource.ParseQuantity(value)
		if err != nil {
			return nil, fmt.Errorf("--%s value failed to parse: failed to parse quantity %q for %q resource: %w", flag, value, name, err)
		}
		if q.Sign() < 0 {
			return nil, fmt.Errorf("--%s value failed to parse: resource quantity for %q cannot be negative: %v", flag, name, value)
		}
		list[v1.ResourceName(name)] = q
	}
	return list, nil
}

// evictionMemory is what the hard eviction threshold keeps free, in bytes. What
// a kubelet refuses is refused in its words, and its percentages have the
// precision of a float32 (pkg/kubelet/eviction/helpers.go; the package itself is
// not imported, for the many that it brings along).
func evictionMemory(evictionHard map[string]string, capacity int64) (int64, error) {
	value, ok := evictionHard[evictionSignal]
	if !ok || value == "0%" || value == "100%" {
		return 0, nil
	}
	if percent, isPercent := strings.CutSuffix(value, "%"); isPercent {
		f, err := strconv.ParseFloat(percent, 32)
		switch {
		case err != nil:
			return 0, err
		case f < 0:
			return 0, fmt.Errorf("eviction percentage threshold %s must be >= 0%%: %s", evictionSignal, value)
		case f > 100:
			return 0, fmt.Errorf("eviction percentage threshold %s must be <= 100%%: %s", evictionSignal, value)
		}
		return int64(float64(capacity) * float64(float32(f)/100)), nil
	}
	q, err := resource.ParseQuantity(value)
	if err != nil {
		return 0, err
	}
	if q.Sign() <= 0 {
		return 0, fmt.Errorf("eviction threshold %s must be positive: %s", evictionSignal, &q)
	}
	return q.Value(), nil
}

// node is the API object that admission compares pods with.
func (a *allocatable) node(maxPods int, devices v1.ResourceList) *v1.Node {
	total, free := a.capacity.DeepCopy(), v1.ResourceList{}
	total[v1.ResourcePods] = *resource.NewQuantity(int64(maxPods), resource.DecimalSI)
	for name, q := range devices {
		total[name] = q
	}
	for name, q := range total {
		left := q.DeepCopy()
		left.Sub(a.reservation[name])
		if left.Sign() < 0 {
			left.Set(0)
		}
		free[name] = left
	}
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{
			v1.LabelHostname: nodeName, v1.LabelOSStable: "linux",
		}},
		Status: v1.NodeStatus{Capacity: total, Allocatable: free},
	}
}
