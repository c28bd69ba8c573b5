package kubelet

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"unsafe"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	cpustate "k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/state"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager/state"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// AdmitResult is the kubelet's answer to a pod.
type AdmitResult struct {
	Admitted        bool
	Reason, Message string
}

// Admit asks the kubelet's admission handlers in the kubelet's own order: the
// managers first, through the topology manager, then the node's allocatable
// resources (the order in which pkg/kubelet/kubelet.go of v1.37.2 appends
// them). A pod that the second one rejects has CPUs until the next collection.
func (l *Lifetime) Admit(pod *v1.Pod, others []*v1.Pod) (res AdmitResult, err error) {
	err = l.do(func() error {
		attrs := &lifecycle.PodAdmitAttributes{Pod: pod, OtherPods: others, Operation: lifecycle.AddOperation}
		for _, h := range l.handlers() {
			if r := h.Admit(l.ctx, attrs); !r.Admit {
				l.logger.Info("Pod admission denied", "podUID", pod.UID, "pod", klog.KObj(pod), "reason", r.Reason, "message", r.Message, "operation", lifecycle.AddOperation)
				res = AdmitResult{Reason: r.Reason, Message: r.Message}
				return nil
			}
		}
		res = AdmitResult{Admitted: true}
		return nil
	})
	return res, err
}

// PreCreate is the hook before a container is created: the cpuset and the NUMA
// nodes its cgroup gets.
func (l *Lifetime) PreCreate(pod *v1.Pod, c *v1.Container) (cpus, mems observe.CPUs, err error) {
	err = l.do(func() error {
		cpus = observe.FromSet(l.cpu.GetCPUAffinity(string(pod.UID), c.Name))
		var nodes []byte
		for n := range slices.Values(slices.Sorted(maps.Keys(l.memory.GetMemoryNUMANodes(l.logger, pod, c)))) {
			if len(nodes) > 0 {
				nodes = append(nodes, ',')
			}
			nodes = strconv.AppendInt(nodes, int64(n), 10)
		}
		if len(nodes) > 0 {
			mems, err = observe.ParseCPUs(string(nodes))
		}
		return err
	})
	return cpus, mems, err
}

// PreStart is the hook between a container's creation and its start.
func (l *Lifetime) PreStart(pod *v1.Pod, c *v1.Container, id string) error {
	return l.do(func() error {
		l.cpu.AddContainer(l.logger, pod, c, id)
		l.memory.AddContainer(l.logger, pod, c, id)
		l.topology.AddContainer(l.logger, pod, c, id)
		return nil
	})
}

// PostStop is the hook after a container has stopped.
func (l *Lifetime) PostStop(id string) error {
	return l.do(func() error { return l.topology.RemoveContainer(l.logger, id) })
}

// Snapshot is what the managers hold in memory.
type Snapshot struct {
	SharedPool observe.CPUs
	Reserved   observe.CPUs
	// Entries are the CPU manager's assignments.
	Entries map[ContainerKey]observe.CPUs
	// PodCPUs are the sets of pods with pod-level resources, by UID.
	PodCPUs map[string]observe.CPUs
	NUMA    []observe.NUMAMemory
}

// Snapshot reads the managers' state.
func (l *Lifetime) Snapshot() Snapshot {
	r := l.cpu.State()
	s := Snapshot{SharedPool: l.sharedPool(), Reserved: l.reserved, Entries: map[ContainerKey]observe.CPUs{}}
	for uid, containers := range r.GetCPUAssignments() {
		for name, set := range containers {
			s.Entries[ContainerKey{uid, name}] = observe.FromSet(set)
		}
	}
	for uid, pod := range r.GetPodCPUAssignments() { // also where no container has any
		if s.PodCPUs == nil {
			s.PodCPUs = map[string]observe.CPUs{}
		}
		s.PodCPUs[uid] = observe.FromSet(pod.CPUSet)
	}
	s.NUMA = numaMemory(l.memory.State().GetMachineState())
	return s
}

// sharedPool formats the CPU manager's default set where it is: the copy that
// upstream hands out costs more than all else that is looked at after a step.
func (l *Lifetime) sharedPool() observe.CPUs {
	if l.pool != nil {
		return observe.FromSet(*l.pool)
	}
	return observe.FromSet(l.cpu.State().GetDefaultCPUSet())
}

// poolOf finds the default set in the CPU manager's state; nil when it is not
// where this version has it. The set may be read while the manager's loop is
// parked.
func poolOf(s cpustate.Reader) *cpuset.CPUSet {
	memory := field(field(reflect.ValueOf(s), "cache"), "defaultCPUSet")
	if !memory.IsValid() || memory.Type() != reflect.TypeFor[cpuset.CPUSet]() {
		return nil
	}
	return (*cpuset.CPUSet)(unsafe.Pointer(memory.UnsafeAddr()))
}

// field is a field of the struct that v points to, directly or in an interface;
// the zero Value when there is none.
func field(v reflect.Value, name string) reflect.Value {
	if v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.Elem().FieldByName(name)
}

func numaMemory(machine state.NUMANodeMap) []observe.NUMAMemory {
	var out []observe.NUMAMemory
	for _, id := range slices.Sorted(maps.Keys(machine)) {
		n := machine[id]
		table := n.MemoryMap[v1.ResourceMemory]
		if table == nil {
			continue
		}
		m := observe.NUMAMemory{Node: id, Allocatable: table.Allocatable, Reserved: table.Reserved, Free: table.Free}
		if len(n.Cells) > 1 {
			m.Group = slices.Sorted(slices.Values(n.Cells))
		}
		out = append(out, m)
	}
	return out
}

// DevicesOf lists a container's devices as resource=id, sorted.
func (l *Lifetime) DevicesOf(key ContainerKey) []string {
	var out []string
	for _, id := range l.devices.allocated[key] {
		out = append(out, id.Resource+"="+id.ID)
	}
	slices.Sort(out)
	return out
}

// AllocatedDevices is what the device manager's checkpoint would hold.
func (l *Lifetime) AllocatedDevices() map[ContainerKey][]DeviceID {
	if l.devices == nil { // the start failed before there was a device manager
		return l.params.AllocatedDevices
	}
	return maps.Clone(l.devices.allocated)
}
