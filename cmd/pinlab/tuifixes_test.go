package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench"
	"github.com/pinlab/pinlab/tui"
)

// TestTUIRunsMachineFiles explores a machine of a file, and runs the session that
// was saved in another directory.
func TestTUIRunsMachineFiles(t *testing.T) {
	g := NewWithT(t)
	machine := filepath.Join(t.TempDir(), "node.yaml")
	tools, err := newToolchain()
	g.Expect(err).NotTo(HaveOccurred())
	deps, err := newTUIDeps(tools, tuiFlags{root: "/"})
	g.Expect(err).NotTo(HaveOccurred())
	p, err := deps.Resolve("sockets=2 cores=4 threads=2")
	deps.close()
	g.Expect(err).NotTo(HaveOccurred())
	data, err := p.MarshalProfile()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(machine, data, 0o600)).To(Succeed())
	file := filepath.Join(t.TempDir(), "mine.yaml")
	c := openConsole(t, tuiFlags{}, tui.Options{Profile: machine})
	c.shows("start kubelet")
	c.press("a\r")
	c.shows("pod-1/app")
	c.press("s")
	c.shows("save the session")
	c.press("\x15" + file + "\r")
	c.shows("pinlab run")
	c.leave()
	var out, problems strings.Builder
	code := run(context.Background(), []string{"run", file}, stdio{in: strings.NewReader(""), out: &out, err: &problems})
	g.Expect(code).To(Equal(exitHeld), out.String()+problems.String())
}

// TestTUIBenchLosesNoSample counts what was streamed against the report, of a run
// that is stopped on its way.
func TestTUIBenchLosesNoSample(t *testing.T) {
	asPinlab(t)
	g := NewWithT(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	b := &tuiBench{}
	var last tui.BenchUpdate
	spec := tui.BenchSpec{Profile: "generic-1s4c", Comparison: comparisons()[1]}
	_ = b.run(ctx, spec, func(u tui.BenchUpdate) {
		last = u
		if strings.HasPrefix(u.Phase, "repetition 2") {
			stop()
		}
	})
	g.Expect(last.Done).To(BeTrue())
	g.Expect(last.Stopped).To(BeTrue())
	g.Expect(last.Part).To(BeNumerically(">", 0))
	g.Expect(last.Reported).To(BeNumerically(">", 0))
	g.Expect(last.Streamed).To(Equal(last.Reported))
	shown := 0
	for _, op := range last.Operations {
		for _, s := range op.Series {
			for _, n := range s.Counts {
				shown += n
			}
		}
	}
	g.Expect(shown).To(Equal(last.Reported))
}

// TestTUIBenchMarks says of which configurations the figures are no placements.
func TestTUIBenchMarks(t *testing.T) {
	g := NewWithT(t)
	g.Expect(noteOf(&bench.Result{Status: bench.StatusDone})).To(BeEmpty())
	g.Expect(noteOf(&bench.Result{Status: bench.StatusDone, Rejected: "TopologyAffinityError"})).To(ContainSubstring("the pod is rejected: TopologyAffinityError"))
	g.Expect(noteOf(&bench.Result{Status: bench.StatusDidNotFinish, Reason: "did not finish in 1m0s (3 of 8 repetitions done)"})).To(HavePrefix("did not finish in"))
}

// TestWatchComesBack sees a directory go and come again.
func TestWatchComesBack(t *testing.T) {
	g := NewWithT(t)
	dir := filepath.Join(t.TempDir(), "lib", "kubelet")
	watch := watchNode(filepath.Join(dir, "cpu_manager_state"))
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	// change is made again until it is seen: the watch may not have begun.
	change := func(do func()) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- watch(ctx) }()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case err := <-done:
				g.Expect(err).NotTo(HaveOccurred())
				return
			case <-tick.C:
				do()
			}
		}
	}
	change(func() { g.Expect(os.MkdirAll(filepath.Dir(dir), 0o755)).To(Succeed()) })
	change(func() { g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed()) })
	change(func() { g.Expect(os.WriteFile(filepath.Join(dir, "cpu_manager_state"), nil, 0o600)).To(Succeed()) })
	change(func() { g.Expect(os.RemoveAll(dir)).To(Succeed()) })
	change(func() { g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed()) })
}
