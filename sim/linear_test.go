package sim_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
)

// perStep replays a scenario of so many steps and returns the time of one.
func perStep(tb testing.TB, w workbench, steps int) time.Duration {
	p, err := hwprofiles.Load("generic-2s4c-smt2")
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	text := "apiVersion: pinlab/v1alpha1\nkind: Scenario\nmetadata: {name: long}\nprofile: generic-2s4c-smt2\n" +
		"kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: \"0,8\"}\nsteps:\n- startKubelet: {}\n"
	for i := range steps / 2 {
		text += fmt.Sprintf("- createPod: {name: p%d, containers: [{name: app, cpu: 2, memory: 64Mi}]}\n- deletePod: p%d\n", i, i)
	}
	started := time.Now()
	s := w.parse(tb, text)
	r := scenarios.Runner{}.RunSetup(tb.Context(), s, sim.Setup(sim.Options{Decoder: w.decoder}), p)
	NewWithT(tb).Expect(r.Verdict).To(Equal(scenarios.Pass), r.Reason)
	return time.Since(started) / time.Duration(steps)
}

// BenchmarkSteps loads and replays 1,000 and 10,000 steps; growth is the time
// per step of the long one over that of the short one, 1 when it is linear.
func BenchmarkSteps(b *testing.B) {
	w := newWorkbench(b)
	var short, long time.Duration
	for b.Loop() {
		short += perStep(b, w, 1000)
		long += perStep(b, w, 10_000)
	}
	b.ReportMetric(float64(short.Microseconds())/float64(b.N), "us/step-of-1000")
	b.ReportMetric(float64(long.Microseconds())/float64(b.N), "us/step-of-10000")
	b.ReportMetric(float64(long)/float64(short), "growth")
	b.ReportMetric(0, "ns/op")
}
