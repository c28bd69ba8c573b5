package kubelet

import (
	"context"
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

// Device is one device of a device plugin. NUMANode is negative for a device
// without a node.
type Device struct {
	Resource, ID string
	NUMANode     int
}

// DeviceID names a device.
type DeviceID struct{ Resource, ID string }

// ContainerKey names a container for good: the pod's UID and its own name.
type ContainerKey struct{ PodUID, Name string }

// deviceManager plays the kubelet's device manager: the same questions to the
// topology manager, the same answers and error texts, but devices are taken in
// the order of their ids where upstream takes a random one, and there are no
// plugins to talk to.
type deviceManager struct {
	byResource map[string][]Device // ids ascending
	allocated  map[ContainerKey][]DeviceID
	// reuse holds the devices of the pod's init containers that have not been
	// taken by a later container; it is about the pod last admitted.
	reusePod string
	reuse    map[DeviceID]bool
	affinity topologymanager.Store
	lifetime *Lifetime
	// late says that the plugins have not registered; known are the resources
	// that the checkpoint remembers from the last time.
	late  bool
	known map[string]bool
}

var _ topologymanager.HintProvider = &deviceManager{}

func newDeviceManager(devices []Device, allocated map[ContainerKey][]DeviceID, affinity topologymanager.Store, l *Lifetime) *deviceManager {
	m := &deviceManager{
		byResource: map[string][]Device{}, allocated: map[ContainerKey][]DeviceID{},
		reuse: map[DeviceID]bool{}, affinity: affinity, lifetime: l,
	}
	maps.Copy(m.allocated, allocated)
	m.known = map[string]bool{}
	for _, ids := range allocated {
		for _, id := range ids {
			m.known[id.Resource] = true
		}
	}
	for _, d := range devices {
		m.byResource[d.Resource] = append(m.byResource[d.Resource], d)
	}
	for _, list := range m.byResource {
		slices.SortFunc(list, func(a, b Device) int { return compareIDs(a.ID, b.ID) })
	}
	return m
}

func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	if a > b {
		return 1
	}
	return 0
}

func (m *deviceManager) capacity() v1.ResourceList {
	list := v1.ResourceList{}
	for name, devices := range m.byResource {
		list[v1.ResourceName(name)] = *resource.NewQuantity(int64(len(devices)), resource.DecimalSI)
	}
	return list
}

// collect drops the allocations of pods that have ended.
func (m *deviceManager) collect() {
	if len(m.allocated) == 0 || !m.lifetime.gate.ready.Load() {
		return
	}
	alive := map[string]bool{}
	for _, p := range m.lifetime.params.Node.ActivePods() {
		alive[string(p.UID)] = true
	}
	for key := range m.allocated {
		if !alive[key.PodUID] {
			delete(m.allocated, key)
		}
	}
}

func (m *deviceManager) inUse() map[DeviceID]bool {
	used := map[DeviceID]bool{}
	for _, ids := range m.allocated {
		for _, id := range ids {
			used[id] = true
		}
	}
	return used
}

func (m *deviceManager) free(resourceName string) []Device {
	used := m.inUse()
	var out []Device
	for _, d := range m.byResource[resourceName] {
		if !used[DeviceID{resourceName, d.ID}] {
			out = append(out, d)
		}
	}
	return out
}

func (m *deviceManager) of(podUID, container, resourceName string) []Device {
	held := map[string]bool{}
	for key, ids := range m.allocated {
		if key.PodUID != podUID || (container != "" && key.Name != container) {
			continue
		}
		for _, id := range ids {
			if id.Resource == resourceName {
				held[id.ID] = true
			}
		}
	}
	var out []Device
	for _, d := range m.byResource[resourceName] {
		if held[d.ID] {
			out = append(out, d)
		}
	}
	return out
}

func (m *deviceManager) requests(limits v1.ResourceList) map[string]int {
	out := map[string]int{}
	for name, q := range limits {
		if _, ours := m.byResource[string(name)]; ours && !q.IsZero() {
			out[string(name)] = int(q.Value())
		}
	}
	return out
}

// GetTopologyHints implements upstream's HintProvider.
func (m *deviceManager) GetTopologyHints(_ klog.Logger, pod *v1.Pod, c *v1.Container, _ lifecycle.Operation) map[string][]topologymanager.TopologyHint {
	m.collect()
	hints := map[string][]topologymanager.TopologyHint{}
	for name, want := range m.requests(c.Resources.Limits) {
		var reusable []Device
		if m.reusePod == string(pod.UID) {
			reusable = m.reusable(name)
		}
		hints[name] = m.hintsFor(name, want, m.of(string(pod.UID), c.Name, name), m.free(name), reusable)
	}
	return hints
}

// GetPodTopologyHints implements upstream's HintProvider. A pod needs the
// larger of what its init containers and what its app containers need.
func (m *deviceManager) GetPodTopologyHints(_ klog.Logger, pod *v1.Pod, _ lifecycle.Operation) map[string][]topologymanager.TopologyHint {
	m.collect()
	hints := map[string][]topologymanager.TopologyHint{}
	for name, want := range m.podRequests(pod) {
		hints[name] = m.hintsFor(name, want, m.of(string(pod.UID), "", name), m.free(name), nil)
	}
	return hints
}

func (m *deviceManager) podRequests(pod *v1.Pod) map[string]int {
	sidecars, peak, sum := map[string]int{}, map[string]int{}, map[string]int{}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		for name, n := range m.requests(c.Resources.Limits) {
			if podutil.IsRestartableInitContainer(c) {
				sidecars[name] += n
				peak[name] = max(peak[name], sidecars[name])
			} else {
				peak[name] = max(peak[name], sidecars[name]+n)
			}
		}
	}
	for _, c := range pod.Spec.Containers {
		for name, n := range m.requests(c.Resources.Limits) {
			sum[name] += n
		}
	}
	for name, n := range sidecars {
		sum[name] += n
	}
	for name, n := range peak {
		sum[name] = max(sum[name], n)
	}
	return sum
}

// hintsFor lists the sets of NUMA nodes that can serve a request; nil means no
// preference, an empty list that nothing fits.
func (m *deviceManager) hintsFor(name string, want int, held, free, reusable []Device) []topologymanager.TopologyHint {
	var nodes []int // only those near some device, as upstream does since 1.37
	for _, d := range m.byResource[name] {
		if d.NUMANode >= 0 && !slices.Contains(nodes, d.NUMANode) {
			nodes = append(nodes, d.NUMANode)
		}
	}
	if len(nodes) == 0 {
		return nil
	}
	slices.Sort(nodes)
	if len(held) > 0 {
		if len(held) != want {
			return []topologymanager.TopologyHint{}
		}
		free, reusable = held, nil
	}
	if len(free)+len(reusable) < want {
		return []topologymanager.TopologyHint{}
	}
	all, _ := bitmask.NewBitMask(nodes...)
	mustHold := countIn(reusable, all)
	smallest := len(nodes)
	hints := []topologymanager.TopologyHint{}
	bitmask.IterateBitMasks(nodes, func(mask bitmask.BitMask) {
		if countIn(m.byResource[name], mask) >= want {
			smallest = min(smallest, mask.Count())
		}
		// What the pod's init containers hold is used first, so it must be inside.
		reused := countIn(reusable, mask)
		if reused == mustHold && reused+countIn(free, mask) >= want {
			hints = append(hints, topologymanager.TopologyHint{NUMANodeAffinity: mask})
		}
	})
	for i := range hints {
		hints[i].Preferred = hints[i].NUMANodeAffinity.Count() == smallest
	}
	return hints
}

// countIn counts the devices near the nodes of a mask. A device without a node
// is near none, as upstream counts it.
func countIn(devices []Device, mask bitmask.BitMask) int {
	n := 0
	for _, d := range devices {
		if d.NUMANode >= 0 && mask.IsSet(d.NUMANode) {
			n++
		}
	}
	return n
}

func (m *deviceManager) reusable(name string) []Device {
	var out []Device
	for _, d := range m.byResource[name] {
		if m.reuse[DeviceID{name, d.ID}] {
			out = append(out, d)
		}
	}
	return out
}

// AllocatePod implements upstream's HintProvider: pod-level resources cannot
// hold devices, so the containers are served one by one.
func (m *deviceManager) AllocatePod(_ klog.Logger, pod *v1.Pod, op lifecycle.Operation) error {
	for i := range pod.Spec.InitContainers {
		if err := m.Allocate(context.Background(), pod, &pod.Spec.InitContainers[i], op); err != nil {
			return err
		}
	}
	for i := range pod.Spec.Containers {
		if err := m.Allocate(context.Background(), pod, &pod.Spec.Containers[i], op); err != nil {
			return err
		}
	}
	return nil
}

// Allocate implements upstream's HintProvider.
func (m *deviceManager) Allocate(_ context.Context, pod *v1.Pod, c *v1.Container, op lifecycle.Operation) error {
	if op != lifecycle.AddOperation {
		return nil
	}
	uid := string(pod.UID)
	if m.reusePod != uid {
		m.reusePod, m.reuse = uid, map[DeviceID]bool{}
	}
	requests := m.requests(c.Resources.Limits)
	for _, name := range slices.Sorted(maps.Keys(requests)) {
		if err := m.allocate(uid, c.Name, name, requests[name]); err != nil {
			return err
		}
	}
	init := slices.IndexFunc(pod.Spec.InitContainers, func(ic v1.Container) bool { return ic.Name == c.Name })
	for _, id := range m.allocated[ContainerKey{uid, c.Name}] {
		if init >= 0 && !podutil.IsRestartableInitContainer(&pod.Spec.InitContainers[init]) {
			m.reuse[id] = true
		} else {
			delete(m.reuse, id)
		}
	}
	return nil
}

func (m *deviceManager) allocate(uid, container, name string, want int) error {
	m.collect()
	key := ContainerKey{uid, container}
	held := len(m.of(uid, container, name))
	if held > 0 && held != want {
		return fmt.Errorf("pod %q container %q changed request for resource %q from %d to %d", uid, container, name, held, want)
	}
	if !m.lifetime.gate.ready.Load() && m.running(key) {
		return nil // a restart under a running container: it has its devices
	}
	// Asked before how many are needed, as upstream does.
	switch {
	case m.late && m.known[name]:
		return fmt.Errorf("no healthy devices present; cannot allocate unhealthy devices %s", name)
	case m.late:
		return fmt.Errorf("cannot allocate unregistered device %s", name)
	case held == want:
		return nil
	}
	need := want
	take := func(devices []Device) {
		for _, d := range devices {
			if need == 0 {
				return
			}
			m.allocated[key] = append(m.allocated[key], DeviceID{name, d.ID})
			need--
		}
	}
	reusable := m.reusable(name)
	if free := m.free(name); len(reusable)+len(free) < want {
		return fmt.Errorf("requested number of devices unavailable for %s. Requested: %d, Available: %d", name, want-len(reusable), len(free))
	}
	take(reusable)
	hint := m.affinity.GetAffinity(m.lifetime.logger, uid, container)
	var near, far []Device
	for _, d := range m.free(name) {
		if hint.NUMANodeAffinity == nil || (d.NUMANode >= 0 && hint.NUMANodeAffinity.IsSet(d.NUMANode)) {
			near = append(near, d)
		} else {
			far = append(far, d)
		}
	}
	take(near)
	take(far)
	return nil
}

func (m *deviceManager) running(key ContainerKey) bool {
	return slices.ContainsFunc(m.lifetime.params.Node.Containers(), func(c ContainerRef) bool {
		return c.Running && c.PodUID == key.PodUID && c.Name == key.Name
	})
}

// RegisterDevices lets the device plugins register.
func (l *Lifetime) RegisterDevices() { l.devices.late = false }
