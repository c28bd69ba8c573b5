package kubelet

import (
	"fmt"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	resourcehelper "k8s.io/component-helpers/resource"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	cmqos "k8s.io/kubernetes/pkg/kubelet/cm/qos"
)

// cpuMax is what the kubelet would write into the cpu.max of the cgroups of pods
// and containers, keyed pod and pod/container. Whether there is a quota at all is
// the CPU manager's answer: what has CPUs of its own is not throttled.
func (l *Lifetime) cpuMax(pods []*v1.Pod) map[string]string {
	out := map[string]string{}
	for _, pod := range pods {
		out[pod.Name] = l.podMax(pod)
		for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			out[pod.Name+"/"+c.Name] = l.containerMax(pod, &c)
		}
	}
	return out
}

func (l *Lifetime) quotaPeriod() int64 {
	return int64(l.params.Config.kc.CPUCFSQuotaPeriod.Duration / time.Microsecond)
}

// podMax is upstream's own calculation, asked as EnsureExists of
// pkg/kubelet/cm/pod_container_manager_linux.go asks it.
func (l *Lifetime) podMax(pod *v1.Pod) string {
	kc := &l.params.Config.kc
	enforce := kc.CPUCFSQuota && (!quotaCanBeOff() || !l.podHasExclusiveCPUs(pod))
	r := cm.ResourceConfigForPod(pod, enforce, uint64(l.quotaPeriod()), false, "")
	if r.CPUQuota == nil || r.CPUPeriod == nil { // left at the kernel's default
		return cpuMax(0, cm.QuotaPeriod)
	}
	return cpuMax(*r.CPUQuota, int64(*r.CPUPeriod))
}

// containerMax follows calculateLinuxResources of
// pkg/kubelet/kuberuntime/kuberuntime_container_linux.go.
func (l *Lifetime) containerMax(pod *v1.Pod, c *v1.Container) string {
	if !l.params.Config.kc.CPUCFSQuota {
		return cpuMax(0, cm.QuotaPeriod)
	}
	if quotaCanBeOff() && l.containerHasExclusiveCPUs(pod, c) {
		return cpuMax(-1, l.quotaPeriod())
	}
	limit := c.Resources.Limits.Cpu()
	if limit.IsZero() && utilfeature.DefaultFeatureGate.Enabled(features.PodLevelResources) && resourcehelper.IsPodLevelResourcesSet(pod) {
		limit = pod.Spec.Resources.Limits.Cpu()
	}
	return cpuMax(cm.MilliCPUToQuota(limit.MilliValue(), l.quotaPeriod()), l.quotaPeriod())
}

func quotaCanBeOff() bool {
	return utilfeature.DefaultFeatureGate.Enabled(features.DisableCPUQuotaWithExclusiveCPUs)
}

// cpuMax is as the kernel shows it.
func cpuMax(quota, period int64) string {
	if quota <= 0 {
		return fmt.Sprintf("max %d", period)
	}
	return fmt.Sprintf("%d %d", quota, period)
}

// podHasExclusiveCPUs and containerHasExclusiveCPUs are the container manager's
// (pkg/kubelet/cm/container_manager_linux.go), which does nothing but ask the CPU
// manager.
func (l *Lifetime) podHasExclusiveCPUs(pod *v1.Pod) bool {
	containers := slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers)
	if l.podLevelManagers() && resourcehelper.IsPodLevelResourcesSet(pod) {
		return !slices.ContainsFunc(containers, func(c v1.Container) bool { return !l.isolated(pod, &c) })
	}
	return slices.ContainsFunc(containers, func(c v1.Container) bool {
		return !l.cpu.GetExclusiveCPUs(string(pod.UID), c.Name).IsEmpty()
	})
}

func (l *Lifetime) containerHasExclusiveCPUs(pod *v1.Pod, c *v1.Container) bool {
	if l.podLevelManagers() {
		return l.isolated(pod, c)
	}
	return !l.cpu.GetExclusiveCPUs(string(pod.UID), c.Name).IsEmpty()
}

func (l *Lifetime) isolated(pod *v1.Pod, c *v1.Container) bool {
	return l.cpu.GetResourceIsolationLevel(pod, c) == cmqos.ResourceIsolationContainer
}

func (l *Lifetime) podLevelManagers() bool {
	return utilfeature.DefaultFeatureGate.Enabled(features.PodLevelResourceManagers)
}
