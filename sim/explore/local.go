package explore

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/scenarios"
)

// Worker replays for the search.
type Worker interface {
	Replayer
	// Many replays scenarios or genomes and returns the outcomes in their order.
	Many(ctx context.Context, jobs []job) ([]Outcome, error)
}

// job is one replay: of a genome or of a scenario.
type job struct {
	Genome   *genome
	Scenario *scenarios.Scenario
}

// Local is a Worker in this process. A replay that hangs leaves its goroutine
// behind, so that the process should end soon.
type Local struct {
	Runner
	// Timeout bounds a replay's time of the processor; 0 is no bound.
	Timeout time.Duration
	gen     *generator
	// tempDir is where nodes keep their state directories.
	tempDir string
	// Abandoned says that a replay has been given up.
	Abandoned bool
	at        atomic.Int64
}

// Many implements Worker.
func (l *Local) Many(ctx context.Context, jobs []job) ([]Outcome, error) {
	out := make([]Outcome, len(jobs))
	for i, j := range jobs {
		s := j.Scenario
		if j.Genome != nil {
			var err error
			if s, err = l.gen.scenario(*j.Genome); err != nil {
				return nil, err
			}
		}
		var err error
		if out[i], err = l.Replay(ctx, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Replay implements Replayer.
func (l *Local) Replay(ctx context.Context, s *scenarios.Scenario) (Outcome, error) {
	if l.Timeout == 0 {
		return l.Runner.Replay(ctx, s)
	}
	type result struct {
		out Outcome
		err error
	}
	done := make(chan result, 1)
	l.At = func(step int) { l.at.Store(int64(step)) }
	l.at.Store(0)
	go func() {
		out, err := l.Runner.Replay(ctx, s)
		done <- result{out, err}
	}()
	// On a busy machine time passes without a replay: what it has used of the
	// processor counts, and time itself only for what waits for ever.
	startedCPU, patience := processorTime(), time.Now().Add(patienceFactor*l.Timeout)
	tick := time.NewTicker(l.Timeout / 4)
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return r.out, r.err
		case <-ctx.Done():
			return Outcome{}, ctx.Err()
		case now := <-tick.C:
			if processorTime()-startedCPU < l.Timeout && now.Before(patience) {
				continue
			}
		}
		break
	}
	l.Abandoned = true
	out := hung(s, int(l.at.Load()), l.Timeout)
	out.Hits[0].Log = l.recent()
	return out, nil
}

// patienceFactor is how many times the timeout may pass on the clock.
const patienceFactor = 8

// processorTime is what this process has used of the processor.
func processorTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// hung is the outcome of a replay that is not done in time. What it showed before
// the event it hangs in is lost; the replay without that event shows it again.
func hung(s *scenarios.Scenario, at int, timeout time.Duration) Outcome {
	var out Outcome
	for i := 0; i <= at && i < len(s.Steps); i++ {
		out.Applied = append(out.Applied, i)
	}
	c := Cause{Broken: BrokenHang}
	if at < len(s.Steps) && s.Steps[at].Event != nil {
		c.Event = newCodec().key(s.Steps[at].Event)
	}
	stack := goroutines()
	c.Path = hangPath(stack, goroutines)
	out.Hits = []Hit{{Cause: c, Step: at + 1, Text: fmt.Sprintf("not done after %v", timeout), Stack: stack}}
	return out
}
