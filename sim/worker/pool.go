package worker

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// Pool runs jobs.
type Pool struct {
	// Command makes a child process that calls Serve on its standard input and
	// output.
	Command func(ctx context.Context) *exec.Cmd
	// Workers is the number of children; at least 1.
	Workers int
	// Timeout bounds one scenario.
	Timeout time.Duration
	// Repeat is how often each scenario is replayed; replays that differ make it
	// fail as flaky. Less than 2 means once.
	Repeat int
	// Brief leaves the steps out of the results of what passed or was skipped.
	Brief bool
	// Decoder is for a job that runs in this process.
	Decoder *kubelet.ConfigDecoder
	// Progress is told what happens; it is called from one goroutine at a time.
	Progress func(Event)
}

// Event is a job's progress.
type Event struct {
	Job         int
	Done, Total int // steps
	// Result is set when the job is done.
	Result *scenarios.Result
}

// Run runs the jobs and returns their results in the jobs' order. A single job
// runs in this process, which is faster; several run in children. An error is
// the harness's own failure.
func (p Pool) Run(ctx context.Context, jobs []Job) ([]scenarios.Result, error) {
	dir, remove, err := sim.LockedDir(sim.StateBase())
	if err != nil {
		return nil, err
	}
	defer func() { _ = remove() }()
	results := make([]scenarios.Result, len(jobs))
	if len(jobs) == 1 && !needsOwnProcess(jobs[0].Scenario) {
		results[0] = p.here(ctx, jobs[0], dir)
		return results, ctx.Err()
	}
	var mu sync.Mutex
	tell := func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if p.Progress != nil {
			p.Progress(e)
		}
	}
	next := make(chan int, len(jobs))
	for i := range jobs {
		next <- i
	}
	close(next)
	errs := make([]error, max(1, min(p.Workers, len(jobs))))
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			c := &child{pool: p, dir: dir, tell: tell}
			defer c.end()
			for i := range next {
				if ctx.Err() != nil {
					return
				}
				result, err := c.run(ctx, i, jobs[i])
				if err != nil {
					errs[w] = err
					return
				}
				results[i] = result
				tell(Event{Job: i, Done: len(jobs[i].Scenario.Steps), Total: len(jobs[i].Scenario.Steps), Result: &results[i]})
			}
		})
	}
	wg.Wait()
	return results, errors.Join(append(errs, ctx.Err())...)
}

// needsOwnProcess says that a scenario changes limits of its process.
func needsOwnProcess(s *scenarios.Scenario) bool {
	for i := range s.Steps {
		if _, ok := s.Steps[i].Event.(scenarios.LimitOpenFiles); ok {
			return true
		}
	}
	return false
}

func (p Pool) here(ctx context.Context, j Job, dir string) scenarios.Result {
	total := len(j.Scenario.Steps)
	runner := scenarios.Runner{Progress: func(at scenarios.Progress) {
		if p.Progress != nil {
			p.Progress(Event{Done: at.Done, Total: total})
		}
	}}
	setup := sim.Setup(sim.Options{Decoder: p.Decoder, TempDir: dir, Resolve: resolveHere})
	result, _ := repeated(p.Repeat, func() (scenarios.Result, bool) {
		return Watched(ctx, p.Timeout, runner, j.Scenario, setup, j.Profile)
	})
	if p.Brief {
		result = brief(result)
	}
	p.finish(&result, j)
	if p.Progress != nil {
		p.Progress(Event{Done: total, Total: total, Result: &result})
	}
	return result
}

// finish adds what only the caller knows.
func (p Pool) finish(r *scenarios.Result, j Job) {
	r.File, r.Corpus, r.Variant = j.Scenario.File, j.Corpus, j.Variant
	if r.Verdict == scenarios.Pass || r.Verdict == scenarios.Skip {
		return
	}
	name := j.Scenario.File
	if j.Corpus {
		name = j.Scenario.Name
	}
	r.Reproducer = fmt.Sprintf("pinlab run %s --profile %s", quote(name), quote(j.ProfileRef))
	if len(j.Patch) > 0 {
		r.Reproducer += " --config " + quote(string(j.Patch))
	}
	switch {
	case r.Flaky:
		r.Reproducer += fmt.Sprintf(" --repeat %d", p.Repeat)
	case r.Verdict != scenarios.Fail:
		r.Reproducer += fmt.Sprintf(" --timeout %s", p.Timeout)
	}
}

// quote makes an argument safe to paste into a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=:,+@", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// child is one worker process, started when it is first needed and again after
// it was lost.
type child struct {
	pool    Pool
	dir     string
	tell    func(Event)
	process *Process
}

// end ends the process, if there is one, and says how it ended if it had by itself.
func (c *child) end() string {
	if c.process == nil {
		return ""
	}
	how := c.process.End()
	c.process = nil
	return how
}

func (c *child) run(ctx context.Context, i int, j Job) (scenarios.Result, error) {
	if c.process == nil {
		var err error
		if c.process, err = StartProcess(c.pool.Command(ctx)); err != nil {
			return scenarios.Result{}, err
		}
	}
	process := c.process
	started := time.Now()
	done := 0
	req := request{File: j.Scenario.File, Corpus: j.Corpus, Profile: j.ProfileRef, Timeout: c.pool.Timeout, TempDir: c.dir, Patch: j.Patch, Repeat: c.pool.Repeat, Brief: c.pool.Brief}
	silent := time.AfterFunc(time.Duration(max(c.pool.Repeat, 1))*c.pool.Timeout+slack, process.Kill)
	defer silent.Stop()
	err := process.Send(req)
	for err == nil {
		var rep reply
		if err = process.Receive(&rep); err != nil {
			break
		}
		switch {
		case rep.Failed != "":
			return scenarios.Result{}, fmt.Errorf("worker: %s", rep.Failed)
		case rep.Result != nil:
			if rep.Result.Verdict == scenarios.Hang || rep.Result.Stack != "" {
				c.end() // what is left of the replay ends with its process
			}
			c.pool.finish(rep.Result, j)
			return *rep.Result, nil
		default:
			done = rep.Done
			c.tell(Event{Job: i, Done: done, Total: len(j.Scenario.Steps)})
		}
	}
	how := c.end()
	if ctx.Err() != nil {
		return scenarios.Result{}, ctx.Err()
	}
	verdict, why := scenarios.Errored, "the process crashed"
	if how != "" {
		why += " (" + how + ")"
	}
	if took := time.Since(started); took > time.Duration(max(c.pool.Repeat, 1))*c.pool.Timeout {
		verdict, why = scenarios.Hang, fmt.Sprintf("not done after %v", c.pool.Timeout)
	}
	r := unfinished(j.Scenario, j.Profile, verdict, why, nil, time.Since(started))
	if done < len(j.Scenario.Steps) {
		step := j.Scenario.Steps[done]
		r.Reason = fmt.Sprintf("step %d (line %d): %s", done+1, step.Line, why)
	}
	r.Stack = process.Stderr()
	c.pool.finish(&r, j)
	return r, nil
}
