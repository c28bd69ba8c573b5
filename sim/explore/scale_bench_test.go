package explore

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// role tells the test program, started again as a child, what to be.
const role = "PINLAB_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "worker" {
		decoder, err := kubelet.NewConfigDecoder()
		if err == nil {
			err = Serve(context.Background(), os.Stdin, os.Stdout, decoder)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Getenv(role) == "hang" {
		prepare := func(*v1.Pod) error { return nil }
		l := &Local{Runner: Runner{Setup: newStub(hang), Resolve: hwprofiles.Resolve}, gen: newGenerator(hwprofiles.Resolve, prepare)}
		if err := serve(context.Background(), os.Stdin, os.Stdout, l); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), role+"=worker", "GOMAXPROCS=1")
	return cmd
}

// BenchmarkScaling replays the same genomes with one worker and with two. scaling is
// how many times faster two are; it needs two free cores. work is how many times more
// processor time two take for the same, 1 when nothing is lost.
func BenchmarkScaling(b *testing.B) {
	var took [3]time.Duration
	var used [3]time.Duration
	dir, err := os.MkdirTemp(sim.StateBase(), "pinlab-scaling-") // as a search has it: no disk to wait for
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	genomes, warm := roundOf(1, 0, 4*roundRuns, nil), roundOf(1, 4*roundRuns, roundRuns, nil)
	// A run of the largest machine may take seconds, and at the end of all others it is
	// what is measured; a search goes on with the next round beside it.
	names := machines()
	large := func(g genome) bool { return names[int(g.Head[0])%len(names)] == manyNodes }
	genomes, warm = slices.DeleteFunc(genomes, large), slices.DeleteFunc(warm, large)
	for b.Loop() {
		for _, workers := range []int{1, 2} {
			x := &Explorer{}
			for range workers {
				x.Workers = append(x.Workers, &Process{Command: child, Timeout: 10 * time.Second, TempDir: dir})
			}
			c := newCrew(b.Context(), x.Workers)
			replay := func(genomes []genome) {
				if _, wait := c.replay(len(genomes), func(i int) job { return job{Genome: &genomes[i]} }); wait() != nil {
					b.Fatal(c.err())
				}
			}
			replay(warm) // what a process does once, such as its start, is no part of it
			before, started := childTime(), time.Now()
			replay(genomes)
			took[workers] += time.Since(started)
			c.dismiss()
			for _, w := range x.Workers {
				w.(*Process).Close()
			}
			used[workers] += childTime() - before
		}
	}
	b.ReportMetric(took[1].Seconds()/took[2].Seconds(), "scaling")
	b.ReportMetric(used[2].Seconds()/used[1].Seconds(), "work")
	b.ReportMetric(0, "ns/op")
}

// childTime is the processor time of the children that have ended.
func childTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_CHILDREN, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
