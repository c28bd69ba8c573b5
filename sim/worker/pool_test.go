package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/worker"
)

// role tells the test program, started again as a child, what to be.
const role = "PINLAB_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "worker":
		decoder, err := kubelet.NewConfigDecoder()
		if err == nil {
			err = worker.Serve(context.Background(), os.Stdin, os.Stdout, sim.NewLoader(decoder, nil), decoder)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "crash":
		var job map[string]any
		_ = json.NewDecoder(os.Stdin).Decode(&job)
		fmt.Fprintln(os.Stderr, "fatal error: concurrent map writes")
		os.Exit(2)
	case "silent":
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(as string) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), role+"="+as)
		return cmd
	}
}

// small passes in no time.
const small = `
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: %s}
profile: generic-1s4c
kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: "0"}
steps:
- startKubelet: {}
- createPod: {name: a, containers: [{name: app, cpu: 1, memory: 64Mi}]}
- expect: {containers: {a/app: {cpus: "1"}}}
`

// endless makes upstream merge the hints of three resources on 16 NUMA nodes,
// which takes longer than anyone waits
// (https://github.com/kubernetes/kubernetes/issues/131738).
const endless = `
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: endless}
profile: sockets=2 nodes=16 cores=32
kubelet:
  cpuManagerPolicy: static
  kubeReserved: {cpu: "1"}
  topologyManagerPolicy: best-effort
  topologyManagerPolicyOptions: {max-allowable-numa-nodes: "16"}
devices:
- {resource: example.com/a, id: a0, numaNode: 0}
- {resource: example.com/a, id: a1, numaNode: 1}
- {resource: example.com/a, id: a2, numaNode: 2}
- {resource: example.com/a, id: a3, numaNode: 3}
- {resource: example.com/a, id: a4, numaNode: 4}
- {resource: example.com/a, id: a5, numaNode: 5}
- {resource: example.com/a, id: a6, numaNode: 6}
- {resource: example.com/a, id: a7, numaNode: 7}
steps:
- startKubelet: {}
- createPod: {name: a, containers: [{name: app, cpu: 2, memory: 64Mi, devices: {example.com/a: 1}}]}
`

func jobs(t *testing.T, texts ...string) []worker.Job {
	t.Helper()
	g := NewWithT(t)
	decoder, err := kubelet.NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	var out []worker.Job
	for i, text := range texts {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("s%d.yaml", i))
		g.Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
		s, err := sim.NewLoader(decoder, nil).LoadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		p, err := hwprofiles.Resolve(s.Profile)
		g.Expect(err).NotTo(HaveOccurred())
		out = append(out, worker.Job{Scenario: s, Profile: p, ProfileRef: s.Profile})
	}
	return out
}

func pool(t *testing.T, as string, timeout time.Duration) worker.Pool {
	t.Helper()
	decoder, err := kubelet.NewConfigDecoder()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return worker.Pool{Command: child(as), Workers: 2, Timeout: timeout, Decoder: decoder}
}

// TestUpstreamHangs lets the real kubelet code run away: the verdict is hang,
// its process is ended, and the other scenarios are run.
func TestUpstreamHangs(t *testing.T) {
	g := NewWithT(t)
	list := jobs(t, fmt.Sprintf(small, "one"), endless, fmt.Sprintf(small, "two"), fmt.Sprintf(small, "three"))
	results, err := pool(t, "worker", 3*time.Second).Run(t.Context(), list)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(results).To(HaveLen(4))
	for i, want := range []scenarios.Verdict{scenarios.Pass, scenarios.Hang, scenarios.Pass, scenarios.Pass} {
		g.Expect(results[i].Verdict).To(Equal(want), results[i].Reason)
	}
	hung := results[1]
	g.Expect(hung.Reason).To(ContainSubstring("step 2"))
	g.Expect(hung.Reason).To(ContainSubstring("not done after 3s"))
	g.Expect(hung.Reproducer).To(HavePrefix("pinlab run " + list[1].Scenario.File))
	g.Expect(hung.Reproducer).To(ContainSubstring("--profile 'sockets=2 nodes=16 cores=32' --timeout 3s"))
	g.Expect(hung.Steps).To(HaveLen(1), "what was seen before is kept")
}

// TestHangInThisProcess is the same for a scenario that runs alone.
func TestHangInThisProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("leaves a goroutine behind that keeps a core busy")
	}
	g := NewWithT(t)
	// In a child, so that the runaway goroutine does not outlive the test.
	cmd := exec.Command(os.Args[0], "-test.run", "TestHangAlone", "-test.v")
	cmd.Env = append(os.Environ(), "PINLAB_HANG_ALONE=1")
	out, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	g.Expect(string(out)).To(ContainSubstring("PASS: TestHangAlone"))
}

func TestHangAlone(t *testing.T) {
	if os.Getenv("PINLAB_HANG_ALONE") == "" {
		t.Skip("run by TestHangInThisProcess")
	}
	g := NewWithT(t)
	results, err := pool(t, "worker", time.Second).Run(t.Context(), jobs(t, endless))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(results[0].Verdict).To(Equal(scenarios.Hang))
	g.Expect(results[0].Reproducer).NotTo(BeEmpty())
}

// TestProcessCrashes covers what Go cannot recover from.
func TestProcessCrashes(t *testing.T) {
	g := NewWithT(t)
	results, err := pool(t, "crash", time.Minute).Run(t.Context(), jobs(t, fmt.Sprintf(small, "one"), fmt.Sprintf(small, "two")))
	g.Expect(err).NotTo(HaveOccurred())
	for _, r := range results {
		g.Expect(r.Verdict).To(Equal(scenarios.Errored))
		g.Expect(r.Reason).To(ContainSubstring("the process crashed"))
		g.Expect(r.Stack).To(ContainSubstring("concurrent map writes"))
		g.Expect(r.Reproducer).NotTo(BeEmpty())
	}
}

// TestNothingIsLeftBehind looks for state directories after a hang.
func TestNothingIsLeftBehind(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	_, err := pool(t, "worker", time.Second).Run(t.Context(), jobs(t, endless, fmt.Sprintf(small, "one")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Glob(filepath.Join(dir, "pinlab-*"))).To(BeEmpty())
}

func TestInterrupted(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := pool(t, "silent", time.Minute)
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := p.Run(ctx, jobs(t, fmt.Sprintf(small, "one"), fmt.Sprintf(small, "two")))
	g.Expect(err).To(MatchError(context.Canceled))
}
