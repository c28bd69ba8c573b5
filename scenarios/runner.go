package scenarios

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// Runner replays scenarios. The zero value is ready to use; one Runner may
// replay any number of scenarios, also at the same time.
type Runner struct {
	// Check finds the broken invariants of a state; nil means those of package
	// invariant. It is called from one goroutine for each replay.
	Check func(observe.Observation, *hwprofiles.Profile) []observe.Violation
	// Progress, when set, is told of each step as it is done.
	Progress func(Progress)
	// Now is the clock that durations are read from; nil means time.Now.
	Now func() time.Time
}

// Progress is one step done.
type Progress struct {
	Scenario *Scenario
	// Done counts the steps done, of Total.
	Done, Total int
	// Step is the step as it stands in the trace. What follows may still mark
	// its violations as expected or add a failure.
	Step observe.Step
}

// RunSetup makes the node, replays the scenario on it and closes it.
func (r Runner) RunSetup(ctx context.Context, s *Scenario, setup Setup, p *hwprofiles.Profile) (result Result) {
	s = s.On(p)
	result = newResult(s, p)
	started := r.now()
	var target Target
	err := guard(func() (err error) {
		target, err = setup(ctx, s, p)
		return err
	})
	if err != nil {
		result.end(ctx, err, "set up the node")
		result.DurationSeconds = r.now().Sub(started).Seconds()
		return result
	}
	result = r.Run(ctx, s, target, p)
	if err := guard(target.Close); err != nil {
		result.end(ctx, err, "close the node")
	}
	result.DurationSeconds = r.now().Sub(started).Seconds()
	return result
}

// Run replays a scenario on a node that is set up and on which nothing has run
// yet. After each event the invariants are checked; expectations are held
// against the last observation.
//
// What does not hold is noted and the replay goes on, so that all of it is
// seen. The replay ends early when an event is wrong use of the scenario, when
// the harness fails or its time is up, and when the target cannot do an event:
// from there on the node would not be the one the scenario speaks of.
func (r Runner) Run(ctx context.Context, s *Scenario, target Target, p *hwprofiles.Profile) Result {
	run := &replay{
		Runner: r, scenario: s, target: target, result: newResult(s, p),
		admissions: map[string]observe.Admission{},
	}
	run.result.Target, run.result.KubeletVersion = target.Name(), target.KubeletVersion()
	if run.Check == nil {
		run.Check = invariant.NewChecker().Check
	}
	started := r.now()
	run.steps(ctx)
	run.result.DurationSeconds = r.now().Sub(started).Seconds()
	return run.result
}

func (r Runner) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

// replay is one run of one scenario.
type replay struct {
	Runner
	scenario *Scenario
	target   Target
	result   Result

	// The state reached, and what gathered since the last expectation.
	seen       observe.Observation
	observed   bool
	violations []observe.Violation
	admissions map[string]observe.Admission
	log        []observe.LogLine
	declared   []declared
	pending    []pending
	died       []int // steps in which the kubelet failed, not yet settled
}

func (r *replay) steps(ctx context.Context) {
	var err error
	if r.declared, err = declarations(r.scenario, r.target.KubeletVersion()); err != nil {
		r.result.end(ctx, err, "read the kubelet's version")
		return
	}
	why, err := r.scenario.unaffected(r.target.KubeletVersion())
	if err != nil {
		r.result.end(ctx, err, "read the kubelet's version")
		return
	}
	if why != "" {
		r.result.Verdict, r.result.Reason = Skip, why
		return
	}
	r.result.Steps = make([]observe.Step, 0, len(r.scenario.Steps))
	for i := range r.scenario.Steps {
		step := &r.scenario.Steps[i]
		r.result.Steps = append(r.result.Steps, observe.Step{Index: i + 1, Line: step.Line})
		at := &r.result.Steps[len(r.result.Steps)-1]
		err := ctx.Err()
		if err == nil {
			err = guard(func() error { return r.step(ctx, step, at) })
		}
		if err != nil {
			if at.Event == "" {
				at.Event = said(step)
			}
			if errors.Is(err, ErrUnsupported) {
				at.Skipped = err.Error()
			} else {
				at.Error = err.Error()
			}
			r.result.end(ctx, err, where(at))
		}
		if r.Progress != nil {
			r.Progress(Progress{Scenario: r.scenario, Done: i + 1, Total: len(r.scenario.Steps), Step: *at})
		}
		if err != nil {
			break
		}
	}
	r.settle(r.nextExpect(len(r.result.Steps)))
	r.result.conclude(r.unseen())
	if r.result.Verdict == Fail {
		r.result.Hint = r.maybeFixed()
	}
}

// said is a step in words, whatever its event does.
func said(step *Step) string {
	text := "event"
	_ = guard(func() error { // a String method that panics is the trouble told of already
		text = keyExpect
		if step.Expect == nil {
			text = step.Event.String()
		}
		return nil
	})
	return text
}

func (r *replay) step(ctx context.Context, step *Step, at *observe.Step) error {
	if step.Expect != nil {
		return r.expect(ctx, step.Expect, at)
	}
	at.Event = step.Event.String()
	if err := r.target.Apply(ctx, step.Event); err != nil {
		at.Log = r.target.Log()
		return err
	}
	return r.observe(ctx, step, at)
}

// observe looks at the node after an event.
func (r *replay) observe(ctx context.Context, step *Step, at *observe.Step) error {
	o, err := r.target.Observe(ctx)
	if err != nil {
		return fmt.Errorf("observe: %w", err)
	}
	if o.Containers == nil {
		o.Containers = []observe.Container{} // an empty list in reports, not null
	}
	if o.Kubelet == observe.KubeletFailed && (o.Started || r.seen.Kubelet != observe.KubeletFailed) {
		r.died = append(r.died, len(r.result.Steps)-1)
	}
	r.seen, r.observed = o, true
	for _, a := range o.Admissions {
		r.admissions[a.Pod] = a
	}
	at.Observation, at.Log = o, r.target.Log()
	r.log = append(r.log, at.Log...)
	at.Violations = r.Check(o, r.target.Profile())
	r.violations = at.Violations
	for i := range at.Violations {
		v := &at.Violations[i]
		if r.covered(v.Invariant, step.Name) {
			v.Expected = true
			continue
		}
		r.pending = append(r.pending, pending{step: len(r.result.Steps) - 1, violation: i})
	}
	return nil
}

// expect holds an expectation against the last observation. Nothing has
// happened since, so its step in the trace has no observation of its own: the
// trace grows by what was seen, not by what was asked.
func (r *replay) expect(ctx context.Context, e *Expect, at *observe.Step) error {
	at.Event = keyExpect
	if !r.observed {
		o, err := r.target.Observe(ctx)
		if err != nil {
			return fmt.Errorf("observe: %w", err)
		}
		r.seen, r.observed = o, true
		r.log = append(r.log, r.target.Log()...)
	}
	r.settle(e)
	told, err := r.told(ctx, e)
	if err != nil {
		return err
	}
	at.Failures, at.LogCounts = e.Check(ctx, Seen{
		Told:        told,
		Observation: r.seen, Profile: r.target.Profile(), Log: r.log,
		Admissions: r.admissions, Violations: r.violations,
	})
	r.log = nil
	return nil
}

// told asks the kubelet what it tells others, if the expectation is about it.
func (r *replay) told(ctx context.Context, e *Expect) (observe.Told, error) {
	if !e.asksTold() {
		return observe.Told{}, nil
	}
	teller, ok := r.target.(Teller)
	if !ok {
		return observe.Told{}, fmt.Errorf("%w: metrics, podResources and cpuMax", ErrUnsupported)
	}
	told, err := teller.Told(ctx)
	if err != nil {
		return told, fmt.Errorf("ask the kubelet: %w", err)
	}
	return told, nil
}

// guard runs a part of the harness or of upstream that may panic.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p, stack: string(debug.Stack())}
		}
	}()
	return f()
}

// panicError is a panic that was caught.
type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }
