package explain

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// statePath is where a node has its state file.
const statePath = observe.KubeletRoot + "/" + observe.CPUStateFile

// inState makes the pods that a state file knows and the manifest does not: a
// kubelet takes the CPUs back from a pod that nobody has heard of. Of such a
// pod only its CPUs are known, so these are its request. The manifest's own
// pods that the file knows, by their UID, are bound.
func inState(data []byte, own []*corev1.Pod) (strangers, bound []*corev1.Pod) {
	s, err := kubelet.ReadCPUState(data)
	if err != nil {
		return nil, nil // the kubelet will say so itself
	}
	uids := map[string]bool{}
	for key := range s.Entries {
		uids[key.PodUID] = true
	}
	known := map[string]bool{}
	for _, p := range own {
		if uid := string(p.UID); uids[uid] {
			known[uid] = true
			bound = append(bound, p)
		}
	}
	byUID := map[string]*corev1.Pod{}
	held := map[string]cpuset.CPUSet{}
	for _, key := range sortedKeys(s.Entries) {
		if known[key.PodUID] {
			continue
		}
		p := byUID[key.PodUID]
		if p == nil {
			p = &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: key.PodUID, Namespace: "unknown", UID: types.UID(key.PodUID)}}
			byUID[key.PodUID] = p
		}
		// An init container's CPUs go on to the containers after it: count
		// them once.
		cpus := s.Entries[key].Set()
		more := cpus.Difference(held[key.PodUID]).Size()
		held[key.PodUID] = held[key.PodUID].Union(cpus)
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
			Name: key.Name,
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: *resource.NewQuantity(int64(more), resource.DecimalSI),
			}},
		})
	}
	for _, uid := range slices.Sorted(maps.Keys(byUID)) {
		strangers = append(strangers, byUID[uid])
	}
	return strangers, bound
}

func sortedKeys[V any](m map[kubelet.ContainerKey]V) []kubelet.ContainerKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b kubelet.ContainerKey) int {
		return cmp.Or(cmp.Compare(a.PodUID, b.PodUID), cmp.Compare(a.Name, b.Name))
	})
}

// newState tells what a state file holds.
func newState(file string, data []byte, names map[string]string) *State {
	s, err := kubelet.ReadCPUState(data)
	if err != nil {
		return &State{File: file, Error: err.Error()}
	}
	st := &State{File: file, Policy: s.Policy, SharedPool: s.SharedPool}
	for _, key := range sortedKeys(s.Entries) {
		st.Entries = append(st.Entries, observe.Assignment{Pod: cmp.Or(names[key.PodUID], key.PodUID), Container: key.Name, CPUs: s.Entries[key]})
	}
	return st
}
