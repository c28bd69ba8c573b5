package explain

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/scenarios"
)

// edits lists the fields in which a changed pod differs from the manifest's.
func edits(m *scenarios.ManifestPod, changed *corev1.Pod) []Edit {
	var list []Edit
	list = append(list, podEdits(m, changed)...)
	before, after := containers(m.Pod), containers(changed)
	for i := range before {
		c := before[i]
		for _, e := range listEdits(&c.spec.Resources, &after[i].spec.Resources) {
			e.Container = c.spec.Name
			e.Line = m.Line(c.field + ".resources")
			e.Path = m.SpecPath + "." + c.field + ".resources." + e.Path
			list = append(list, e)
		}
	}
	return list
}

// podEdits compares the pods' own resources.
func podEdits(m *scenarios.ManifestPod, changed *corev1.Pod) []Edit {
	before, after := m.Pod.Spec.Resources, changed.Spec.Resources
	path := m.SpecPath + ".resources"
	switch {
	case before == nil && after == nil:
		return nil
	case after == nil:
		return []Edit{{Path: path, Line: m.Line("resources"), From: "the pod's own resources"}}
	case before == nil:
		before = &corev1.ResourceRequirements{}
	}
	list := listEdits(before, after)
	for i := range list {
		list[i].Path = path + "." + list[i].Path
		list[i].Line = m.Line("resources")
	}
	return list
}

func listEdits(before, after *corev1.ResourceRequirements) []Edit {
	var list []Edit
	add := func(which string, before, after corev1.ResourceList) {
		for _, name := range slices.Sorted(maps.Keys(after)) {
			b, had := before[name]
			a := after[name]
			switch {
			case had && a.Cmp(b) == 0:
			case had:
				list = append(list, Edit{Path: which + "." + string(name), From: b.String(), To: a.String()})
			default:
				list = append(list, Edit{Path: which + "." + string(name), To: a.String()})
			}
		}
	}
	add("requests", before.Requests, after.Requests)
	add("limits", before.Limits, after.Limits)
	return list
}

// withSpec gives a pod the spec of a changed one; the rest stays its own.
func withSpec(pod, changed *corev1.Pod) *corev1.Pod {
	out := pod.DeepCopy()
	out.Spec = *changed.Spec.DeepCopy()
	return out
}
