package explain

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/sim/kubelet"
)

// classOf is the QoS class that a container would give a pod of its own.
func classOf(r corev1.ResourceRequirements) string {
	return string(kubelet.QoS(&corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: r}}}}))
}

// shortfall says what keeps a container, or a pod's own resources, from being
// Guaranteed, and the field that is missing or differs.
func shortfall(r *corev1.ResourceRequirements) (field, detail string) {
	cpu, memory := corev1.ResourceCPU, corev1.ResourceMemory
	if r.Requests.Cpu().IsZero() && r.Limits.Cpu().IsZero() && r.Requests.Memory().IsZero() && r.Limits.Memory().IsZero() {
		return "resources", "has no cpu and no memory requests and limits"
	}
	for _, name := range []corev1.ResourceName{cpu, memory} {
		request, limit := r.Requests[name], r.Limits[name]
		switch {
		case request.IsZero() && limit.IsZero():
			return "resources.limits." + string(name), fmt.Sprintf("has no %s request and limit", name)
		case limit.IsZero():
			return "resources.limits." + string(name), fmt.Sprintf("requests %s %s and has no limit", name, request.String())
		case request.IsZero():
			return "resources.requests." + string(name), fmt.Sprintf("has the %s limit %s and requests nothing", name, limit.String())
		case request.Cmp(limit) != 0:
			return "resources.requests." + string(name), fmt.Sprintf("requests %s %s and has the limit %s", name, request.String(), limit.String())
		}
	}
	return "", ""
}

// podDecides says that a pod's own resources decide its QoS class.
func podDecides(cfg *kubelet.Config, pod *corev1.Pod) bool {
	return hasPodLevel(pod) && (cfg == nil || cfg.GateEnabled(gatePodLevel))
}

// qosOf says what decides a pod's QoS class. It has to be called while the
// feature gates of the configuration are in force.
func qosOf(cfg *kubelet.Config, pod *corev1.Pod, specPath string) QoS {
	q := QoS{Class: string(kubelet.QoS(pod))}
	if podDecides(cfg, pod) {
		q.Field = specPath + ".resources"
		field, detail := shortfall(pod.Spec.Resources)
		if field == "" {
			q.Detail = "the pod's own requests and limits are equal for cpu and memory"
			return q
		}
		q.Field, q.Detail = specPath+"."+field, "spec.resources "+detail
		return q
	}
	var more []string
	for _, c := range containers(pod) {
		switch {
		case classOf(c.spec.Resources) == string(corev1.PodQOSGuaranteed):
		case q.Container != "":
			more = append(more, c.spec.Name)
		default:
			field, detail := shortfall(&c.spec.Resources)
			q.Container, q.Field, q.Detail = c.spec.Name, specPath+"."+c.field+"."+field, c.who()+" "+detail
		}
	}
	if q.Container != "" {
		if len(more) > 0 {
			q.Detail += " (not Guaranteed either: " + listWords(more) + ")"
		}
		return q
	}
	q.Detail = "every container's requests equal its limits, for cpu and memory"
	if len(containers(pod)) == 1 {
		q.Detail = "requests equal limits, for cpu and memory"
	}
	return q
}
