package kubelet

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/kubelet/allocation"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
)

// Resize asks the kubelet whether a pod may have other resources than those it
// was given: upstream's own handler for resizes first, then the handlers of
// admission, as its allocation manager does. The answer is data; what follows
// from it is the caller's.
func (l *Lifetime) Resize(want, allocated *v1.Pod, others []*v1.Pod) (res AdmitResult, err error) {
	kc := &l.params.Config.kc
	resizes := allocation.NewPodResizesAdmitHandler(
		nodeConfig{cm.NewStubContainerManager(), cm.NodeConfig{CPUManagerPolicy: kc.CPUManagerPolicy, MemoryManagerPolicy: kc.MemoryManagerPolicy, CgroupVersion: 2}},
		noSwap{}, allocatedPod{pod: allocated})
	err = l.do(func() error {
		attrs := &lifecycle.PodAdmitAttributes{Pod: want, OtherPods: others, Operation: lifecycle.ResizeOperation}
		handlers := l.handlers()
		for _, h := range append([]lifecycle.PodAdmitHandler{resizes}, handlers[:]...) {
			if r := h.Admit(l.ctx, attrs); !r.Admit {
				res = AdmitResult{Reason: r.Reason, Message: r.Message}
				if res.Reason != v1.PodReasonInfeasible {
					// As the status manager tells it, whatever the handler's reason
					// (pkg/kubelet/status/status_manager.go).
					res.Reason = v1.PodReasonDeferred
				}
				return nil
			}
		}
		res = AdmitResult{Admitted: true}
		return nil
	})
	return res, err
}

// nodeConfig is the part of the container manager that the handler asks.
type nodeConfig struct {
	cm.ContainerManager
	config cm.NodeConfig
}

func (c nodeConfig) GetNodeConfig() cm.NodeConfig { return c.config }

// noSwap is a runtime whose containers cannot swap.
type noSwap struct{ kubecontainer.Runtime }

func (noSwap) GetContainerSwapBehavior(*v1.Pod, *v1.Container) kubetypes.SwapBehavior {
	return kubetypes.NoSwap
}

// allocatedPod is the allocation manager's memory of one pod.
type allocatedPod struct {
	allocation.Manager
	pod *v1.Pod
}

func (a allocatedPod) UpdatePodFromAllocation(*v1.Pod) (*v1.Pod, bool) { return a.pod, true }

func (a allocatedPod) GetContainerResourceAllocation(_ types.UID, name string) (v1.ResourceRequirements, bool) {
	for c := range podutil.ContainerIter(&a.pod.Spec, podutil.InitContainers|podutil.Containers) {
		if c.Name == name {
			return c.Resources, true
		}
	}
	return v1.ResourceRequirements{}, false
}
