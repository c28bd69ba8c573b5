package kubelet_test

import (
	"os"
	"testing"
	"time"

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
	upstream(b, func(bare *bareNode, attrs *lifecycle.PodAdmitAttributes) time.Duration {
		took := admit(b, bare, attrs)
		bare.pod = nil
		bare.tick()
		return took
	})
}

// BenchmarkUpstreamRemove is the end of a pod's container and the reconcile tick
// that collects the pod. It has run and been reconciled, as a node's pods have.
func BenchmarkUpstreamRemove(b *testing.B) {
	upstream(b, func(bare *bareNode, attrs *lifecycle.PodAdmitAttributes) time.Duration {
		admit(b, bare, attrs)
		id := string(attrs.Pod.UID)
		bare.preStart(attrs.Pod, id)
		bare.status = running(id)
		bare.tick()
		bare.pod = nil
		started := time.Now()
		must(b, bare.topology.RemoveContainer(bare.log, id))
		return time.Since(started) + bare.tick()
	})
}

func admit(b *testing.B, bare *bareNode, attrs *lifecycle.PodAdmitAttributes) time.Duration {
	started := time.Now()
	r := bare.topology.Admit(bare.ctx, attrs)
	took := time.Since(started)
	if !r.Admit {
		b.Fatal(r.Reason, r.Message)
	}
	return took
}

// upstream lets pods come and go, and reports the time that life says.
func upstream(b *testing.B, life func(*bareNode, *lifecycle.PodAdmitAttributes) time.Duration) {
	bare := upstreamNode(b)
	var times []float64
	var sum time.Duration
	for b.Loop() {
		pod := benchPod(len(times))
		bare.pod = pod
		took := life(bare, &lifecycle.PodAdmitAttributes{Pod: pod, Operation: lifecycle.AddOperation})
		sum += took
		times = append(times, float64(took))
	}
	b.ReportMetric(float64(sum)/float64(len(times)), "ns/op")
	b.ReportMetric(median(times), "p50-ns/op")
}
