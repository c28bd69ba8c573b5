package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pinlab/pinlab/bench/growth"
	"github.com/pinlab/pinlab/bench/host"
	"github.com/pinlab/pinlab/bench/measure"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

// Run measures a plan and tells of its events; tell may be nil. What goes wrong
// in a configuration is its result; an error is the harness's own failure, or
// the end of ctx: what was measured before is in the report then, which says that
// it was interrupted.
func Run(ctx context.Context, p *Plan, tell func(Event)) (*Report, error) {
	if tell == nil {
		tell = func(Event) {}
	}
	if p.Command == nil {
		return nil, errors.New("bench: the plan has no Command")
	}
	dirs, remove, err := p.directories()
	if err != nil {
		return nil, err
	}
	defer remove()
	r := newRunner(p, dirs, tell)
	r.see()
	err = r.rounds(ctx)
	r.interrupt(err)
	return r.report(), err
}

// runner is a run as it goes.
type runner struct {
	plan    *Plan
	dirs    map[Storage]string
	tell    func(Event)
	started time.Time

	results  []Result
	used     []time.Duration // by each configuration
	finished []bool
	complete []int // repetitions of each configuration
	unsteady []unsteady
	// preempted and sampling are of all children.
	preempted int64
	sampling  time.Duration
	// look says how the machine is, and seen is what it said before, between and
	// after the repetitions, when nothing is measured.
	look func() host.State
	seen []host.State
}

func (r *runner) see() { r.seen = append(r.seen, r.look()) }

func newRunner(p *Plan, dirs map[Storage]string, tell func(Event)) *runner {
	n := len(p.Configs)
	r := &runner{
		plan: p, dirs: dirs, tell: tell, started: time.Now(),
		results: make([]Result, n), used: make([]time.Duration, n), finished: make([]bool, n),
		complete: make([]int, n), unsteady: make([]unsteady, n),
		look: func() host.State { return host.Look(os.DirFS("/")) },
	}
	for i, c := range p.Configs {
		r.results[i] = Result{Config: c, Machine: p.Machines[i], Status: record.Done, Series: []Series{}}
	}
	return r
}

// rounds lets the configurations take turns: a disturbance of some seconds hits
// one repetition of each and not all of one. The order is turned round each
// time, so that nobody is always first.
func (r *runner) rounds(ctx context.Context) error {
	order := make([]int, len(r.results))
	for i := range order {
		order[i] = i
	}
	for rep := range r.plan.Repetitions {
		for _, i := range order {
			if r.finished[i] {
				continue
			}
			if err := r.repetition(ctx, i, rep); err != nil {
				return err
			}
			if rep == r.plan.Repetitions-1 {
				r.finish(i)
			}
		}
		slices.Reverse(order)
	}
	return nil
}

// interrupt ends the configurations that are not finished, and keeps what there
// is of them.
func (r *runner) interrupt(cause error) {
	for i := range r.results {
		if r.finished[i] {
			continue
		}
		r.results[i].Status = record.Interrupted
		r.results[i].Reason = fmt.Sprintf("interrupted: %d of %d repetitions done", r.complete[i], r.plan.Repetitions)
		if cause != nil && !errors.Is(cause, context.Canceled) {
			r.results[i].Reason += ": " + cause.Error()
		}
		r.finish(i)
	}
}

// repetition measures a configuration once.
func (r *runner) repetition(ctx context.Context, i, number int) error {
	p, result := r.plan, &r.results[i]
	event := r.event(i)
	event.Kind, event.Repetition = Started, number
	r.tell(event)
	dir, remove, err := stateDir(r.dirs[result.Config.Storage])
	if err != nil {
		return err
	}
	defer remove()
	req := measure.Request{
		Config: result.Config, StateDir: dir, Operations: p.Operations,
		Samples: (p.Samples + p.Repetitions - 1) / p.Repetitions, Budget: p.Time / time.Duration(p.Repetitions),
	}
	began := time.Now()
	o, err := child(ctx, p.Command(ctx), req, p.Deadline-r.used[i], func(rep measure.Reply) {
		if o := rep.Overhead; o != nil {
			result.Overhead.Timer = max(result.Overhead.Timer, o.Timer)
			result.Overhead.Loop = max(result.Overhead.Loop, o.Loop)
			return
		}
		for op, samples := range rep.Batch {
			result.Add(op, number, samples)
		}
		event := r.event(i)
		event.Kind, event.Repetition, event.Samples = Batch, number, rep.Batch
		r.tell(event)
	})
	if err != nil {
		return err
	}
	r.used[i] += time.Since(began)
	r.see()
	r.complete[i]++
	switch {
	case o.done != nil:
		r.note(i, o.done)
	case o.refused != "":
		result.Status, result.Reason = record.Refused, "the kubelet does not start: "+o.refused
	case o.late:
		result.Status = record.DidNotFinish
		result.Reason = fmt.Sprintf("did not finish in %v (repetition %d of %d)", p.Deadline, number+1, p.Repetitions)
	default:
		result.Status, result.Reason = record.Failed, o.failed
	}
	if result.Status != record.Done {
		r.finish(i)
	} else if r.used[i] >= p.Deadline && number+1 < p.Repetitions {
		result.Status = record.DidNotFinish
		result.Reason = fmt.Sprintf("did not finish in %v (%d of %d repetitions done)", p.Deadline, number+1, p.Repetitions)
		r.finish(i)
	}
	return nil
}

// note keeps what a child says at its end.
func (r *runner) note(i int, d *measure.Done) {
	result := &r.results[i]
	result.Rejected = d.Rejected
	r.unsteady[i].add(d.Unsteady)
	r.preempted += d.Preempted
	r.sampling += d.Sampling
}

// finish summarizes a configuration, once.
func (r *runner) finish(i int) {
	if r.finished[i] {
		return
	}
	r.finished[i] = true
	result := &r.results[i]
	for k := range result.Series {
		if s, err := stats.Summarize(result.Series[k].Repetitions); err == nil {
			result.Series[k].Summary = &s
		}
	}
	event := r.event(i)
	done := result.Clone()
	event.Kind, event.Repetition, event.Result = Finished, r.plan.Repetitions-1, &done
	r.tell(event)
}

func (r *runner) event(i int) Event {
	e := Event{
		Index: i, Total: len(r.results), Config: r.results[i].Config, Machine: r.results[i].Machine,
		Repetitions: r.plan.Repetitions, Elapsed: time.Since(r.started),
	}
	e.Left = r.left(e.Elapsed)
	return e
}

// left estimates the time to come by that of the children so far; 0 before the
// first is done.
func (r *runner) left(elapsed time.Duration) time.Duration {
	open, done := 0, 0
	for i, n := range r.complete {
		done += n
		if !r.finished[i] {
			open += r.plan.Repetitions - n
		}
	}
	if done == 0 {
		return 0
	}
	return elapsed / time.Duration(done) * time.Duration(open)
}

// report puts everything together.
func (r *runner) report() *Report {
	report := &Report{
		APIVersion: record.APIVersion, Kind: record.Kind,
		Environment: environment(r.plan, r.dirs, r.started), Results: r.results,
	}
	report.Growth = growth.Of(report.Results)
	for _, text := range host.Doubts(r.seen...) {
		report.Warnings = append(report.Warnings, Warning{Text: text})
	}
	report.Warnings = append(report.Warnings, r.doubts()...)
	report.Interrupted = slices.ContainsFunc(r.results, func(x Result) bool { return x.Status == record.Interrupted })
	for i := range report.Warnings {
		r.tell(Event{Kind: Warned, Total: len(r.results), Warning: &report.Warnings[i], Elapsed: time.Since(r.started)})
	}
	return report
}
