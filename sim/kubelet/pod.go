package kubelet

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	resourcehelper "k8s.io/component-helpers/resource"
	podfeatures "k8s.io/kubernetes/pkg/api/pod"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1defaults "k8s.io/kubernetes/pkg/apis/core/v1"
	v1qos "k8s.io/kubernetes/pkg/apis/core/v1/helper/qos"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/features"
	cmqos "k8s.io/kubernetes/pkg/kubelet/cm/qos"
)

// PreparePod does to a manifest what the API server does before a kubelet sees
// the pod: it fills in defaults and validates. What a scheduler would have
// looked at (node selector, affinity) is dropped, since the pod is bound to
// the node already.
func PreparePod(pod *v1.Pod) error {
	if pod.Namespace == "" {
		pod.Namespace = v1.NamespaceDefault
	}
	corev1defaults.SetObjectDefaults_Pod(pod)
	pod.Spec.NodeName, pod.Spec.NodeSelector, pod.Spec.Affinity = nodeName, nil, nil
	pod.Spec.TopologySpreadConstraints, pod.Spec.SchedulingGates = nil, nil
	internal := &core.Pod{}
	if err := corev1defaults.Convert_v1_Pod_To_core_Pod(pod.DeepCopy(), internal, nil); err != nil {
		return fmt.Errorf("pod %s: %w", pod.Name, err)
	}
	opts := podfeatures.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	if errs := validation.ValidatePodCreate(internal, opts); len(errs) > 0 {
		return fmt.Errorf("pod %s: %w", pod.Name, errs.ToAggregate())
	}
	return nil
}

// ValidateResize says whether the API server lets a pod's resources be changed so.
func ValidateResize(from, to *v1.Pod) error {
	var pods [2]*core.Pod
	for i, pod := range []*v1.Pod{from, to} {
		bare := &v1.Pod{ObjectMeta: *pod.ObjectMeta.DeepCopy(), Spec: *pod.Spec.DeepCopy()}
		bare.ResourceVersion = "1" // that of an object that is there
		pods[i] = &core.Pod{}
		if err := corev1defaults.Convert_v1_Pod_To_core_Pod(bare, pods[i], nil); err != nil {
			return fmt.Errorf("pod %s: %w", pod.Name, err)
		}
	}
	old, changed := pods[0], pods[1]
	opts := podfeatures.GetValidationOptionsFromPodSpecAndMeta(&changed.Spec, &old.Spec, &changed.ObjectMeta, &old.ObjectMeta)
	if errs := validation.ValidatePodResize(changed, old, opts); len(errs) > 0 {
		return fmt.Errorf("pod %s: %w", from.Name, errs.ToAggregate())
	}
	return nil
}

// QoS is the pod's QoS class under the feature gates in force.
func QoS(pod *v1.Pod) v1.PodQOSClass { return v1qos.ComputePodQOS(pod) }

// Restartable says whether an init container is a sidecar.
func Restartable(c *v1.Container) bool { return podutil.IsRestartableInitContainer(c) }

// Pinning says how many CPUs the static policy owes a container for its own
// use, and why. The rules are those of guaranteedCPUs in
// pkg/kubelet/cm/cpumanager/policy_static.go.
func Pinning(cfg *Config, pod *v1.Pod, c *v1.Container) (cpus int, reason string) {
	if cfg.kc.CPUManagerPolicy != "static" {
		return 0, "CPU manager policy " + cfg.kc.CPUManagerPolicy + ": no container is pinned"
	}
	if qos := QoS(pod); qos != v1.PodQOSGuaranteed {
		if cause := qosCause(pod); cause != "" {
			return 0, fmt.Sprintf("QoS %s: %s", qos, cause)
		}
		return 0, fmt.Sprintf("QoS %s", qos)
	}
	podLevel := resourcehelper.IsPodLevelResourcesSet(pod)
	if podLevel && !utilfeature.DefaultFeatureGate.Enabled(features.PodLevelResourceManagers) {
		return 0, "pod-level resources: feature gate PodLevelResourceManagers is off"
	}
	// As podGuaranteedCPUs: under the pod scope the pod's own request decides first.
	if own := pod.Spec.Resources; podLevel && cfg.kc.TopologyManagerScope == "pod" && cfg.kc.TopologyManagerPolicy != "none" {
		if q := own.Requests[v1.ResourceCPU]; q.Value()*1000 != q.MilliValue() {
			return 0, fmt.Sprintf("pod-level resources: %s is not a whole number of CPUs", q.String())
		}
	}
	if podLevel && !cmqos.IsContainerEquivalentQOSGuaranteed(c) {
		return 0, "pod-level resources: container has no equal requests and limits of its own"
	}
	q := c.Resources.Requests[v1.ResourceCPU]
	if q.IsZero() {
		return 0, "no CPU request"
	}
	if q.Value()*1000 != q.MilliValue() {
		return 0, fmt.Sprintf("QoS Guaranteed, but %s is not a whole number of CPUs", q.String())
	}
	if q.Value() == 1 {
		return 1, "QoS Guaranteed with 1 whole CPU"
	}
	return int(q.Value()), fmt.Sprintf("QoS Guaranteed with %d whole CPUs", q.Value())
}

// qosCause names the first container, and the field, that keeps a pod from
// being Guaranteed.
func qosCause(pod *v1.Pod) string {
	if resourcehelper.IsPodLevelResourcesSet(pod) && utilfeature.DefaultFeatureGate.Enabled(features.PodLevelResources) {
		return unequal("pod-level resources", pod.Spec.Resources)
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		kind := "init container "
		if Restartable(c) {
			kind = "sidecar "
		}
		if s := unequal(kind+c.Name, &c.Resources); s != "" {
			return s
		}
	}
	for i := range pod.Spec.Containers {
		if s := unequal("container "+pod.Spec.Containers[i].Name, &pod.Spec.Containers[i].Resources); s != "" {
			return s
		}
	}
	return ""
}

func unequal(who string, r *v1.ResourceRequirements) string {
	if len(r.Requests) == 0 && len(r.Limits) == 0 {
		return who + " has no resources"
	}
	for _, name := range []v1.ResourceName{v1.ResourceCPU, v1.ResourceMemory} {
		request, limit := r.Requests[name], r.Limits[name]
		switch {
		case limit.IsZero():
			return fmt.Sprintf("%s has no %s limit", who, name)
		case request.Cmp(limit) != 0:
			return fmt.Sprintf("%s requests %s %s but is limited to %s", who, name, request.String(), limit.String())
		}
	}
	return ""
}
