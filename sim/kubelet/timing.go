package kubelet

import (
	"context"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
)

// Call names an upstream call that a CallHook is told of.
type Call string

// The calls of an admission. CallAdmit is the topology manager's Admit, with
// all CallHints and CallAllocate of the managers in it; CallFit is the
// comparison with the node's allocatable resources after it.
const (
	CallAdmit    Call = "admit"
	CallHints    Call = "hints"
	CallAllocate Call = "allocate"
	CallFit      Call = "fit"
)

// CallHook is told how long an upstream call took. It is called right after
// the call, in the middle of whatever made it.
type CallHook func(c Call, took time.Duration)

// timed is a hint provider whose calls are told to a hook.
type timed struct {
	topologymanager.HintProvider
	tell CallHook
}

// told puts the lifetime's CallHook around a hint provider.
func (l *Lifetime) told(p topologymanager.HintProvider) topologymanager.HintProvider {
	if l.params.OnCall == nil {
		return p
	}
	return timed{p, l.params.OnCall}
}

// GetTopologyHints implements upstream's HintProvider.
func (t timed) GetTopologyHints(logger klog.Logger, pod *v1.Pod, c *v1.Container, op lifecycle.Operation) map[string][]topologymanager.TopologyHint {
	started := time.Now()
	hints := t.HintProvider.GetTopologyHints(logger, pod, c, op)
	t.tell(CallHints, time.Since(started))
	return hints
}

// GetPodTopologyHints implements upstream's HintProvider.
func (t timed) GetPodTopologyHints(logger klog.Logger, pod *v1.Pod, op lifecycle.Operation) map[string][]topologymanager.TopologyHint {
	started := time.Now()
	hints := t.HintProvider.GetPodTopologyHints(logger, pod, op)
	t.tell(CallHints, time.Since(started))
	return hints
}

// Allocate implements upstream's HintProvider.
func (t timed) Allocate(ctx context.Context, pod *v1.Pod, c *v1.Container, op lifecycle.Operation) error {
	started := time.Now()
	err := t.HintProvider.Allocate(ctx, pod, c, op)
	t.tell(CallAllocate, time.Since(started))
	return err
}

// AllocatePod implements upstream's HintProvider.
func (t timed) AllocatePod(logger klog.Logger, pod *v1.Pod, op lifecycle.Operation) error {
	started := time.Now()
	err := t.HintProvider.AllocatePod(logger, pod, op)
	t.tell(CallAllocate, time.Since(started))
	return err
}

// timedHandler is an admission handler whose answers are told to a hook.
type timedHandler struct {
	lifecycle.PodAdmitHandler
	call Call
	tell CallHook
}

// Admit implements upstream's PodAdmitHandler.
func (t timedHandler) Admit(ctx context.Context, attrs *lifecycle.PodAdmitAttributes) lifecycle.PodAdmitResult {
	started := time.Now()
	r := t.PodAdmitHandler.Admit(ctx, attrs)
	t.tell(t.call, time.Since(started))
	return r
}

// handlers are the kubelet's admission handlers in their order.
func (l *Lifetime) handlers() [2]lifecycle.PodAdmitHandler {
	if l.params.OnCall == nil {
		return [2]lifecycle.PodAdmitHandler{l.topology, l.admitter}
	}
	return [2]lifecycle.PodAdmitHandler{
		timedHandler{l.topology, CallAdmit, l.params.OnCall},
		timedHandler{l.admitter, CallFit, l.params.OnCall},
	}
}

// LastTick is how long the last Reconcile was upstream's: from where the gate
// let the loop go to where the loop came back to it. The timer between two
// ticks of upstream's loop is in it.
func (l *Lifetime) LastTick() time.Duration { return l.gate.back.Sub(l.gate.left) }
