package sim_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bench is what a test needs to replay scenarios.
type workbench struct {
	loader  scenarios.Loader
	decoder *kubelet.ConfigDecoder
}

func newWorkbench(tb testing.TB) workbench {
	tb.Helper()
	decoder, err := kubelet.NewConfigDecoder()
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	return workbench{decoder: decoder, loader: sim.NewLoader(decoder, nil)}
}

func (w workbench) replay(tb testing.TB, s *scenarios.Scenario) scenarios.Result {
	tb.Helper()
	return w.replayOn(tb, s, s.Profile)
}

func (w workbench) replayOn(tb testing.TB, s *scenarios.Scenario, profile string) scenarios.Result {
	tb.Helper()
	p, err := hwprofiles.Resolve(profile)
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	// The tests of this package run one scenario at a time.
	setup := sim.Setup(sim.Options{Decoder: w.decoder, OwnProcess: true})
	return scenarios.Runner{}.RunSetup(tb.Context(), s, setup, p)
}

func (w workbench) parse(tb testing.TB, text string) *scenarios.Scenario {
	tb.Helper()
	s, err := w.loader.Parse([]byte(text), "test.yaml")
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	return s
}

// TestCorpusTraces replays every scenario of the corpus and compares what
// happens, told as a story, with its golden file.
func TestCorpusTraces(t *testing.T) {
	w := newWorkbench(t)
	for _, name := range scenarios.CorpusNames() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, err := w.loader.LoadCorpus(name)
			g.Expect(err).NotTo(HaveOccurred())
			r := w.replay(t, s)
			var got bytes.Buffer
			g.Expect(report.Trace(&got, r, report.TraceOptions{})).To(Succeed())
			golden := filepath.Join("testdata", "traces", name+".txt")
			if *update {
				g.Expect(os.MkdirAll(filepath.Dir(golden), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(golden, got.Bytes(), 0o644)).To(Succeed())
			}
			want, err := os.ReadFile(golden)
			g.Expect(err).NotTo(HaveOccurred(), "run 'make goldens' for a new scenario")
			g.Expect(got.String()).To(Equal(string(want)))
			verdict := scenarios.Pass
			if s.Labels["target"] == "lab" { // takes a kernel of its own
				verdict = scenarios.Skip
			}
			g.Expect(r.Verdict).To(Equal(verdict), r.Reason)
		})
	}
}

// TestPortableScenariosHoldElsewhere replays what claims to hold on any machine
// on some that are unlike the one it was written on.
func TestPortableScenariosHoldElsewhere(t *testing.T) {
	w := newWorkbench(t)
	count := map[string]int{}
	for _, name := range scenarios.CorpusNames() {
		s, err := w.loader.LoadCorpus(name)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		if s.Requires == nil {
			continue
		}
		for _, profile := range []string{
			"aws-graviton2-2cpu", "raspberry-pi-4", "core-i7-1370p", "power9-2s20c", "s390x-lpar-drawer",
			"xeon-2s12c-smt2-socket1-offline", "xeon-phi-7210", "kvm-32s1c", "nvidia-gb200",
		} {
			p, err := hwprofiles.Resolve(profile)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			if s.Unmet(p) != "" {
				continue
			}
			count[profile]++
			t.Run(name+"/"+profile, func(t *testing.T) {
				r := w.replayOn(t, s, profile)
				NewWithT(t).Expect(r.Verdict).To(Equal(scenarios.Pass), r.Reason)
			})
		}
	}
	g := NewWithT(t)
	g.Expect(count["aws-graviton2-2cpu"]).To(BeNumerically(">=", 20), "the README says how many")
	g.Expect(count["raspberry-pi-4"]).To(BeNumerically(">=", 30))
}

// TestGoldensHaveScenarios finds golden files whose scenario is gone.
func TestGoldensHaveScenarios(t *testing.T) {
	g := NewWithT(t)
	files, err := filepath.Glob("testdata/traces/*.txt")
	g.Expect(err).NotTo(HaveOccurred())
	names := scenarios.CorpusNames()
	for _, f := range files {
		g.Expect(names).To(ContainElement(filepath.Base(f[:len(f)-len(".txt")])), "%s has no scenario", f)
	}
}

// busy has everything in it whose order upstream leaves to chance: several
// containers removed in one collection, devices, restarts, faults, logs.
const busy = `
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: busy}
profile: generic-2s4c-smt2
kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: "0,8", topologyManagerPolicy: best-effort}
devices:
- {resource: example.com/nic, id: n0, numaNode: 0}
- {resource: example.com/nic, id: n1, numaNode: 1}
- {resource: example.com/nic, id: n2, numaNode: 1}
steps:
- startKubelet: {}
- createPod: {name: web, containers: [{name: a}, {name: b}]}
- createPod: {name: many, containers: [{name: a, cpu: 1, memory: 64Mi}, {name: b, cpu: 1, memory: 64Mi}, {name: c, cpu: 2, memory: 64Mi}, {name: d, cpu: 1, memory: 64Mi}]}
- createPod: {name: nic, containers: [{name: a, cpu: 2, memory: 64Mi, devices: {example.com/nic: 2}}]}
- failRuntimeUpdate: {container: web/b, error: unable to freeze, times: 2}
- deletePod: many
- reconcile: {times: 3}
- restartKubelet: {}
- createPod: {name: many, containers: [{name: a, cpu: 1, memory: 64Mi}, {name: b, cpu: 1, memory: 64Mi}, {name: c, cpu: 2, memory: 64Mi}, {name: d, cpu: 1, memory: 64Mi}]}
- stopKubelet: {}
- deletePod: many
- deletePod: nic
- startKubelet: {}
- expect: {violations: []}
`

func TestSameTraceEveryTime(t *testing.T) {
	g := NewWithT(t)
	w := newWorkbench(t)
	times := 1000
	if testing.Short() {
		times = 100
	}
	var first []byte
	for i := range times {
		s := w.parse(t, busy)
		r := w.replay(t, s)
		trace, err := json.Marshal(r.Trace)
		g.Expect(err).NotTo(HaveOccurred())
		if i == 0 {
			first = trace
			continue
		}
		if !bytes.Equal(trace, first) {
			t.Fatalf("run %d differs:\n%s\nfirst:\n%s", i+1, trace, first)
		}
	}
}
