package repro_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/explore/repro"
)

// TestRunsAgainstUpstream writes a scenario of the corpus as a test and runs it with
// the go command: it fails with what the scenario is about, and without the restart it
// passes.
func TestRunsAgainstUpstream(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test of the kubelet's managers")
	}
	g := NewWithT(t)
	s, err := (&scenarios.Loader{}).LoadCorpus("strict-full-node-no-restart")
	g.Expect(err).NotTo(HaveOccurred())
	out, err := run(t, s)
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("nothing has changed, and the kubelet does not start again: start cpu manager error: default cpuset cannot be empty"))

	healthy := *s
	healthy.Steps = nil
	for _, step := range s.Steps {
		if _, restart := step.Event.(scenarios.RestartKubelet); !restart {
			healthy.Steps = append(healthy.Steps, step)
		}
	}
	out, err = run(t, &healthy)
	g.Expect(err).NotTo(HaveOccurred(), out)
}

// TestResizeAgainstUpstream does it with a resized pod, which the next start rejects.
func TestResizeAgainstUpstream(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test of the kubelet's managers")
	}
	g := NewWithT(t)
	s, err := (&scenarios.Loader{}).LoadCorpus("resize-restart-rejects")
	g.Expect(err).NotTo(HaveOccurred())
	out, err := runBroken(t, s, "restart-keeps-pods", "is rejected")
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(MatchRegexp(`--- FAIL: TestRepro[\s\S]*is rejected`))
}

// TestEphemeralAgainstUpstream does it with a debug container that the loop leaves out.
func TestEphemeralAgainstUpstream(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test of the kubelet's managers")
	}
	g := NewWithT(t)
	s, err := (&scenarios.Loader{}).LoadCorpus("ephemeral-not-updated")
	g.Expect(err).NotTo(HaveOccurred())
	s.Steps = slices.DeleteFunc(s.Steps, func(step scenarios.Step) bool { return step.Name == "given-back" })
	out, err := runBroken(t, s, "exclusive-isolated", "shared/debug can run on CPUs 1-2 of pinned/app")
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(MatchRegexp(`shared/debug can run on .*1-2`))
}

// TestKillAfterFirstStart: the saves of a start without a state file are counted, though
// the test does not see them.
func TestKillAfterFirstStart(t *testing.T) {
	if testing.Short() {
		t.Skip("builds tests of the kubelet's managers")
	}
	g := NewWithT(t)
	killed := func(nth int) *scenarios.Scenario {
		s, err := (&scenarios.Loader{}).LoadFS(fstest.MapFS{"killed.yaml": {Data: fmt.Appendf(nil, `
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: killed}
profile: cores=4
kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: "0"}
steps:
- killAtCheckpointWrite: {file: cpu, nth: %d, when: after}
- startKubelet: {}
- createPod: {name: a, containers: [{name: app, cpu: 2, memory: 64Mi}]}
- startKubelet: {}
`, nth)}}, "killed.yaml")
		g.Expect(err).NotTo(HaveOccurred())
		return s
	}
	// Two saves by the start, and two by the pod: its CPUs leave the pool, then are its own.
	out, err := runBroken(t, killed(3), "restart-starts", "nothing has changed and the kubelet does not start again: start cpu manager error: current set of available CPUs")
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("current set of available CPUs"))
	out, err = runBroken(t, killed(4), "restart-starts", "nothing has changed and the kubelet does not start again: start cpu manager error: current set of available CPUs")
	g.Expect(err).NotTo(HaveOccurred(), out)
}

// TestWhatItChecks: a hang has a deadline of its own, and a start that fails for another
// reason than the one found is not taken for it.
func TestWhatItChecks(t *testing.T) {
	g := NewWithT(t)
	s, err := (&scenarios.Loader{}).LoadCorpus("strict-full-node-no-restart")
	g.Expect(err).NotTo(HaveOccurred())
	src, err := repro.Test(repro.Params{Scenario: s, Resolve: hwprofiles.Resolve, Broken: "hang", Text: "not done"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(src)).To(ContainSubstring("hangs(t)\n\tn := newNode(t)"))
	text := `nothing has changed and the kubelet does not start again: start cpu manager error: current set of available CPUs "0-1" doesn't match`
	src, err = repro.Test(repro.Params{Scenario: s, Resolve: hwprofiles.Resolve, Broken: "restart-starts", Text: text})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(src)).To(ContainSubstring(`if !strings.Contains(err.Error(), "start cpu manager error: current set of available CPUs") {`))
}

// TestRejectionAgainstUpstream: a rejected pod is found by its name, whoever came
// before it.
func TestRejectionAgainstUpstream(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test of the kubelet's managers")
	}
	g := NewWithT(t)
	s, err := (&scenarios.Loader{}).LoadFS(fstest.MapFS{"full.yaml": {Data: []byte(`
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: full}
profile: cores=4
kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: "0"}
steps:
- startKubelet: {}
- createPod: {name: a, containers: [{name: app, cpu: 2, memory: 64Mi}]}
- createPod: {name: b, containers: [{name: app, cpu: 2, memory: 64Mi}]}
`)}}, "full.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	out, err := runBroken(t, s, "room-admits", "pod b asks for 2 CPUs and is rejected (UnexpectedAdmissionError); free: CPUs 1-2")
	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("a pod that fits is rejected: pod b asks for 2 CPUs"))
	out, err = runBroken(t, s, "room-admits", "pod a asks for 2 CPUs and is rejected (UnexpectedAdmissionError); free: CPUs 1-2")
	g.Expect(err).NotTo(HaveOccurred(), out)
}

func run(t *testing.T, s *scenarios.Scenario) (string, error) {
	return runBroken(t, s, "restart-starts", "does not start")
}

func runBroken(t *testing.T, s *scenarios.Scenario, broken, text string) (string, error) {
	g := NewWithT(t)
	src, err := repro.Test(repro.Params{Scenario: s, Resolve: hwprofiles.Resolve, Broken: broken, Text: text})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(src)).NotTo(ContainSubstring("pinlab/"), "the test is of upstream alone")
	dir := t.TempDir()
	for name, data := range map[string][]byte{"go.mod": repro.GoMod(pinlab.GoMod), "go.sum": pinlab.GoSum, "repro_test.go": src} {
		g.Expect(os.WriteFile(filepath.Join(dir, name), data, 0o600)).To(Succeed())
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-mod=mod", "-count=1", "-run", "TestRepro", ".")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}
