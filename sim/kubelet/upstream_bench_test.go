package kubelet_test

import (
	"os"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"

	"github.com/pinlab/pinlab/hwprofiles"
)

// upstreamNode is a bare node with the core of CPU 0 reserved, as pinlab bench
// has it, on the machine that PINLAB_BENCH_PROFILE names.
func upstreamNode(b *testing.B) *bareNode {
	name := os.Getenv("PINLAB_BENCH_PROFILE")
	if name == "" {
		name = "xeon-2s24c-smt2"
	}
	p, err := hwprofiles.Load(name)
	must(b, err)
	machine, err := p.MachineInfo()
	must(b, err)
	return newBareNode(b, machine, memoryDir(b), "best-effort")
}

// BenchmarkUpstreamAdmit is one call of the bare topology manager's Admit on an
// empty node, with nothing of pinlab around it; bench compares itself with it.
// The call alone is timed. StopTimer is not used for that: it stops the world,
// and lets the garbage collector do between the calls what it would do in them.
func BenchmarkUpstreamAdmit(b *testing.B) {
	upstream(b, func(bare *bareNode, attrs *lifecycle.PodAdmitAttributes, timed func(func())) {
		timed(func() {
			if r := bare.topology.Admit(bare.ctx, attrs); !r.Admit {
				b.Fatal(r.Reason, r.Message)
			}
		})
		bare.pod = nil
		bare.tick()
	})
}

// BenchmarkUpstreamRemove is the reconcile tick that collects one pod, which has run
// and been reconciled, as a node's pods have.
func BenchmarkUpstreamRemove(b *testing.B) {
	upstream(b, func(bare *bareNode, attrs *lifecycle.PodAdmitAttributes, timed func(func())) {
		if r := bare.topology.Admit(bare.ctx, attrs); !r.Admit {
			b.Fatal(r.Reason, r.Message)
		}
		bare.runs(attrs.Pod)
		bare.tick()
		bare.pod, bare.status = nil, v1.PodStatus{}
		timed(bare.tick)
	})
}

// runs makes the pod's container a running one.
func (b *bareNode) runs(pod *v1.Pod) {
	c, id := &pod.Spec.Containers[0], "id-"+string(pod.UID)
	b.cpu.AddContainer(b.log, pod, c, id)
	b.memory.AddContainer(b.log, pod, c, id)
	b.topology.AddContainer(b.log, pod, c, id)
	b.status = v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{
		Name: c.Name, ContainerID: "bench://" + id, State: v1.ContainerState{Running: &v1.ContainerStateRunning{}},
	}}}
}

// upstream lets pods come and go, and reports the time of what is timed.
func upstream(b *testing.B, life func(*bareNode, *lifecycle.PodAdmitAttributes, func(func()))) {
	bare := upstreamNode(b)
	var times []float64
	var sum time.Duration
	timed := func(call func()) {
		started := time.Now()
		call()
		took := time.Since(started)
		sum += took
		times = append(times, float64(took))
	}
	for b.Loop() {
		pod := benchPod(len(times))
		bare.pod = pod
		life(bare, &lifecycle.PodAdmitAttributes{Pod: pod, Operation: lifecycle.AddOperation}, timed)
	}
	b.ReportMetric(float64(sum)/float64(len(times)), "ns/op")
	b.ReportMetric(median(times), "p50-ns/op")
}
