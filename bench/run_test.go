package bench_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench"
	"github.com/pinlab/pinlab/bench/record"
)

// role tells the test program, started again as a child, what to be.
const role = "PINLAB_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "worker":
		if err := bench.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "slow":
		if err := serveSlowly(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "crash":
		fmt.Fprintln(os.Stderr, "fatal error: concurrent map writes")
		os.Exit(2)
	case "mumble":
		fmt.Println("{not JSON")
		time.Sleep(time.Minute)
		os.Exit(0)
	case "silent":
		time.Sleep(time.Minute)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// children makes child processes of this program.
func children(as string) func(context.Context) *exec.Cmd {
	return func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), role+"="+as)
		return cmd
	}
}

// plan makes a plan that measures little.
func plan(t *testing.T, as string, r bench.Request) *bench.Plan {
	t.Helper()
	if r.Repetitions == 0 {
		r.Repetitions = 2
	}
	if r.Samples == 0 && r.Time == 0 {
		r.Samples = 8
	}
	r.Time = 20 * time.Millisecond
	p, err := bench.NewPlan(r)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	p.Command = children(as)
	return p
}

// TestRun measures two configurations with all operations, and follows the
// events.
func TestRun(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("TMPDIR", t.TempDir())
	p := plan(t, "worker", bench.Request{Profiles: []string{"generic-2s4c-smt2"}, Fills: []string{"half", "fragmented"}, Storages: []string{"memory"}, Requests: []int{2}})
	var order []string
	samples := map[int]int{}
	r, err := bench.Run(t.Context(), p, func(e bench.Event) {
		g.Expect(e.Total).To(Equal(2))
		switch e.Kind {
		case bench.Started:
			order = append(order, fmt.Sprintf("%s %d/%d", e.Config.Fill, e.Repetition+1, e.Repetitions))
		case bench.Batch:
			samples[e.Index] += len(e.Samples["admit"])
		case bench.Finished:
			order = append(order, e.Config.Fill+" finished")
			g.Expect(e.Result.Of("admit").Summary.N).To(Equal(8))
		}
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(order).To(Equal([]string{
		"half 1/2", "fragmented 1/2", "fragmented 2/2", "fragmented finished", "half 2/2", "half finished",
	}), "configurations take turns, and the order turns round")
	g.Expect(samples).To(Equal(map[int]int{0: 8, 1: 8}))
	for _, result := range r.Results {
		g.Expect(result.Status).To(Equal(bench.StatusDone), result.Reason)
		g.Expect(result.Rejected).To(BeEmpty())
		g.Expect(result.Machine.Topology).NotTo(BeEmpty())
		result.Machine.Topology = ""
		g.Expect(result.Machine).To(Equal(bench.Machine{CPUs: 16, Cores: 8, NUMANodes: 2, Pods: 3}))
		for _, op := range bench.Operations() {
			s := result.Of(op)
			g.Expect(s).NotTo(BeNil(), "%s", op)
			g.Expect(s.Repetitions).To(HaveLen(2))
		}
		// The parts are of the same admissions as the whole.
		whole, parts := result.Of("admit").All(), 0.0
		for _, op := range []bench.Operation{"hints", "merge", "allocate", "checkpoint"} {
			parts += result.Of(op).All()[3]
		}
		g.Expect(parts).To(BeNumerically("~", whole[3], 0.02*whole[3]))
		g.Expect(result.Overhead.Timer).To(And(BeNumerically(">", 0), BeNumerically("<", 1e5)))
	}
	g.Expect(r.Environment.Kubelet).NotTo(BeEmpty())
	left, err := filepath.Glob("/dev/shm/pinlab-locked-*/state-*")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
}

// TestDoesNotFinish lets upstream make hints for 16 NUMA nodes, which takes
// longer than anyone waits; the other configuration is measured.
func TestDoesNotFinish(t *testing.T) {
	g := NewWithT(t)
	p := plan(t, "worker", bench.Request{
		Profiles: []string{"sockets=2 nodes=16 cores=128", "generic-2s4c-smt2"}, Fills: []string{"empty"}, Storages: []string{"memory"},
		Deadline: 4 * time.Second, Operations: []string{"admit"},
	})
	started := time.Now()
	r, err := bench.Run(t.Context(), p, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(time.Since(started)).To(BeNumerically("<", time.Minute))
	g.Expect(r.Results[0].Status).To(Equal(bench.StatusDidNotFinish))
	g.Expect(r.Results[0].Reason).To(HavePrefix("did not finish in 4s (repetition 1 of 2)"))
	g.Expect(r.Results[1].Status).To(Equal(bench.StatusDone), r.Results[1].Reason)
}

func TestRefusedAndRejected(t *testing.T) {
	g := NewWithT(t)
	p := plan(t, "worker", bench.Request{
		Profiles: []string{"generic-2s4c-smt2"}, Fills: []string{"empty"}, Storages: []string{"memory"}, Requests: []int{3},
		Options: []map[string]string{
			{"full-pcpus-only": "true"},
			{"align-by-socket": "true"},
			{"full-pcpus-only": "true", "distribute-cpus-across-cores": "true"},
		},
	})
	r, err := bench.Run(t.Context(), p, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Results[0].Status).To(Equal(bench.StatusDone))
	g.Expect(r.Results[0].Rejected).To(HavePrefix("SMTAlignmentError"))
	g.Expect(r.Results[1].Status).To(Equal(bench.StatusDone), r.Results[1].Reason)
	g.Expect(r.Results[2].Status).To(Equal(bench.StatusRefused))
	g.Expect(r.Results[2].Reason).To(ContainSubstring("the kubelet does not start"))
}

func TestPolicyNone(t *testing.T) {
	g := NewWithT(t)
	p := plan(t, "worker", bench.Request{Profiles: []string{"generic-1s4c"}, Policies: []string{"none"}, Fills: []string{"half"}, Storages: []string{"memory"}, Requests: []int{1}})
	r, err := bench.Run(t.Context(), p, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Results[0].Status).To(Equal(bench.StatusDone), r.Results[0].Reason)
	g.Expect(r.Results[0].Of("admit")).NotTo(BeNil())
	g.Expect(r.Results[0].Of("reconcile")).To(BeNil(), "the none policy has no reconcile loop")
}

func TestBadChildren(t *testing.T) {
	for as, want := range map[string]string{
		"crash":  "the process crashed (exit status 2): fatal error: concurrent map writes",
		"mumble": "the process crashed (signal: killed)",
	} {
		g := NewWithT(t)
		p := plan(t, as, bench.Request{Profiles: []string{"generic-1s4c"}, Fills: []string{"empty"}, Storages: []string{"memory"}, Requests: []int{1}})
		r, err := bench.Run(t.Context(), p, nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r.Results[0].Status).To(Equal(bench.StatusFailed))
		g.Expect(r.Results[0].Reason).To(Equal(want))
	}
}

func TestInterrupted(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	p := plan(t, "silent", bench.Request{Profiles: []string{"generic-1s4c"}, Fills: []string{"empty"}, Storages: []string{"memory"}, Requests: []int{1}})
	r, err := bench.Run(ctx, p, nil)
	g.Expect(err).To(MatchError(context.Canceled))
	g.Expect(r.Interrupted).To(BeTrue())
	g.Expect(r.Results[0].Status).To(Equal(bench.StatusInterrupted))
	g.Expect(r.Results[0].Reason).To(Equal("interrupted: 0 of 2 repetitions done"))
}

// TestInterruptedKeepsSamples ends a run after its first repetition: what there
// is stays, and can be saved and read again.
func TestInterruptedKeepsSamples(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := plan(t, "worker", bench.Request{Profiles: []string{"generic-1s4c"}, Fills: []string{"empty", "half"}, Storages: []string{"memory"}, Requests: []int{1}})
	r, err := bench.Run(ctx, p, func(e bench.Event) {
		if e.Kind == bench.Started && e.Index == 1 && e.Repetition == 1 {
			cancel()
		}
	})
	g.Expect(err).To(MatchError(context.Canceled))
	g.Expect(r.Interrupted).To(BeTrue())
	for _, result := range r.Results {
		g.Expect(result.Status).To(Equal(bench.StatusInterrupted))
		g.Expect(result.Reason).To(Equal("interrupted: 1 of 2 repetitions done"))
		g.Expect(result.Of("admit").Summary.N).To(Equal(4))
	}
	data, err := record.Marshal(r)
	g.Expect(err).NotTo(HaveOccurred())
	back, err := record.Parse(data, "interrupted.json")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(back.Interrupted).To(BeTrue())
}

// TestWarmUps says of a node on which nothing is fast how much time it wants.
func TestWarmUps(t *testing.T) {
	g := NewWithT(t)
	p := plan(t, "worker", bench.Request{
		Profiles: []string{"sockets=2 nodes=8 cores=64"}, Fills: []string{"half"}, Storages: []string{"memory"}, Requests: []int{1}, Samples: 1,
	})
	p.Repetitions = 1
	r, err := bench.Run(t.Context(), p, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Results[0].Status).To(Equal(bench.StatusDone), r.Results[0].Reason)
	g.Expect(r.Warnings).To(ContainElement(HaveField("Text", MatchRegexp(`^in 1 of 1 configurations most warm-ups were too short .*; --time \d+m?\d*s is long enough`))))
}
