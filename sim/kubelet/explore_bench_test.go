package kubelet_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/explore"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// A turn of BenchmarkExplore is so many kubelets with so many pod lives each: about
// the length of a run of the search.
const (
	exploreRuns  = 50
	exploreLives = 20
)

// BenchmarkExplore compares the search's replay, with observations, invariants and
// what was reached after each event, with the same kubelet starts and pod lives on the
// bare managers, on a machine of 8 CPUs, in one process.
//
// The metric rate is the search's event rate as a part of the bare one: the median of
// the turns. cpu-rate is the same of processor time, and is the one to look at on a
// busy machine.
func BenchmarkExplore(b *testing.B) {
	decoder, err := kubelet.NewConfigDecoder()
	must(b, err)
	p, err := hwprofiles.Load("generic-1s4c-smt2")
	must(b, err)
	machine, err := p.MachineInfo()
	must(b, err)
	search := explore.NewLocal(decoder)
	s := replayScenario(p, exploreLives)
	pods := make([]*v1.Pod, exploreLives)
	for i := range pods {
		pods[i] = benchPod(i)
	}
	var rates, cpuRates []float64
	var searchTime time.Duration
	for b.Loop() {
		runtime.GC() // nobody pays for what the other leaves behind
		started, startedCPU := time.Now(), cpuTime(b)
		for range exploreRuns {
			bare := newBareNode(b, machine, memoryDir(b), "best-effort")
			for i, pod := range pods {
				bare.life(b, pod, fmt.Sprintf("bare_%d", i))
			}
		}
		bareTurn, bareCPU := time.Since(started), cpuTime(b)-startedCPU
		runtime.GC()
		started, startedCPU = time.Now(), cpuTime(b)
		for range exploreRuns {
			out, err := search.Replay(b.Context(), s)
			must(b, err)
			if len(out.Applied) != len(s.Steps) || len(out.Hits) > 0 {
				b.Fatal(len(out.Applied), out.Hits)
			}
		}
		searchTurn, searchCPU := time.Since(started), cpuTime(b)-startedCPU
		searchTime += searchTurn
		rates = append(rates, float64(bareTurn)/float64(searchTurn))
		cpuRates = append(cpuRates, float64(bareCPU)/float64(searchCPU))
	}
	b.ReportMetric(median(rates), "rate")
	b.ReportMetric(median(cpuRates), "cpu-rate")
	b.ReportMetric(float64(len(rates)*exploreRuns*len(s.Steps))/searchTime.Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}
