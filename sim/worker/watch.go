// Package worker runs scenarios on the simulator so that nothing upstream does
// can take the run with it: with a deadline, and in child processes that are
// ended when their scenario hangs or crashes.
package worker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// Watched replays a scenario in this process. A replay that is not done in
// time is given up: its result is a hang with the steps done so far, abandoned
// is true, and its goroutine still runs, so that the process should end soon.
func Watched(ctx context.Context, timeout time.Duration, r scenarios.Runner, s *scenarios.Scenario, setup scenarios.Setup, p *hwprofiles.Profile) (result scenarios.Result, abandoned bool) {
	var mu sync.Mutex
	var steps []observe.Step
	progress := r.Progress
	r.Progress = func(at scenarios.Progress) {
		mu.Lock()
		steps = append(steps, at.Step)
		mu.Unlock()
		if progress != nil {
			progress(at)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	started := time.Now()
	done := make(chan scenarios.Result, 1)
	go func() { done <- r.RunSetup(ctx, s, setup, p) }()
	select {
	case result = <-done:
		return result, false
	case <-ctx.Done():
	}
	// A replay that looks at its context gets the time to end by itself.
	select {
	case result = <-done:
		return result, false
	case <-time.After(grace):
	}
	mu.Lock()
	defer mu.Unlock()
	verdict, why := scenarios.Hang, fmt.Sprintf("not done after %v", timeout)
	if ctx.Err() == context.Canceled {
		verdict, why = scenarios.Errored, "interrupted"
	}
	return unfinished(s, p, verdict, why, steps, time.Since(started)), true
}

// grace is how long a replay may take to notice that its time is up.
const grace = 200 * time.Millisecond

// unfinished is the result of a replay that did not come back.
func unfinished(s *scenarios.Scenario, p *hwprofiles.Profile, v scenarios.Verdict, why string, steps []observe.Step, took time.Duration) scenarios.Result {
	r := scenarios.Result{
		Scenario: s.Name, Title: s.Title(), File: s.File, Profile: p.Name, Target: target, KubeletVersion: version,
		Verdict: v, Reason: why, DurationSeconds: took.Seconds(),
	}
	r.Steps = steps
	if r.Steps == nil {
		r.Steps = []observe.Step{}
	}
	if next := len(steps); next < len(s.Steps) {
		step := s.Steps[next]
		event := "expect"
		if step.Event != nil {
			event = step.Event.String()
		}
		r.Reason = fmt.Sprintf("step %d (line %d), %s: %s", next+1, step.Line, event, why)
	}
	return r
}
