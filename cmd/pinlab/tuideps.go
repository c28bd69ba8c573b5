package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/worker"
	"github.com/pinlab/pinlab/tui"
)

// tuiDeps is what the explorer is given, and what must be tidied up after it.
type tuiDeps struct {
	tui.Deps
	remove func() error
}

func (d *tuiDeps) close() { _ = d.remove() } // what is left, the next process removes

// newTUIDeps connects the explorer with the simulator. Feature gates belong to
// the process, and the explored node lives in this one; so whatever else needs
// the kubelet's code runs as a child.
func newTUIDeps(tools *toolchain, f tuiFlags) (*tuiDeps, error) {
	dir, remove, err := sim.LockedDir(sim.StateBase())
	if err != nil {
		return nil, harness(fmt.Errorf("temporary directory: %w", err))
	}
	d := &tuiDeps{remove: remove}
	resolve := func(ref string) (*hwprofiles.Profile, error) { return worker.Resolve(ref, "/") }
	d.Loader, d.Resolve = tools.loader, resolve
	d.Open = func(_ context.Context, s *scenarios.Scenario, p *hwprofiles.Profile) (tui.Session, error) {
		node, err := sim.New(s, p, sim.Options{Decoder: tools.decoder, TempDir: dir, Resolve: resolve})
		if err != nil {
			return nil, err
		}
		return &simSession{Node: node, check: invariant.NewChecker().Check}, nil
	}
	d.Changes = stepChanges
	d.Explain = explainChild(dir)
	d.Replay = replayChild(tools)
	d.Audit, d.Watch = auditChild(f.root), watchNode(stateFiles(f.root)...)
	if f.report != "" {
		d.Audit, d.Watch = reportNode(f.report, f.profile), watchNode(f.report)
	}
	b := &tuiBench{}
	d.Bench, d.BenchSave, d.Comparisons = b.run, b.save, comparisons()
	d.Profiles = profileInfos
	d.Scenarios = func() ([]tui.ScenarioInfo, error) { return scenarioInfos(tools) }
	return d, nil
}

// simSession is a simulated node that is explored.
type simSession struct {
	*sim.Node
	check func(observe.Observation, *hwprofiles.Profile) []observe.Violation
	steps int
}

// Apply implements tui.Session. A panic of upstream's code ends the step, not
// the program: the terminal must be left as it was.
func (s *simSession) Apply(ctx context.Context, event scenarios.Event) (step observe.Step, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in %s: %v", event, p)
		}
	}()
	if err := s.Node.Apply(ctx, event); err != nil {
		return step, err
	}
	o, err := s.Observe(ctx)
	if err != nil {
		return step, err
	}
	s.steps++
	step = observe.Step{Index: s.steps, Event: event.String(), Observation: o, Log: s.Log()}
	step.Violations = s.check(o, s.Profile())
	return step, nil
}

// stepChanges tells what a step changed, in the words of a trace.
func stepChanges(before, now *observe.Step) []string {
	steps := []observe.Step{*now}
	if before != nil {
		steps = []observe.Step{*before, *now}
	}
	for i := range steps {
		steps[i].Index, steps[i].Log, steps[i].Failures = i+1, nil, nil
	}
	var b strings.Builder
	if err := report.Trace(&b, scenarios.Result{Trace: observe.Trace{Steps: steps}}, report.TraceOptions{}); err != nil {
		return nil
	}
	// The last step begins after the last line that is not indented.
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	first := 0
	for i, line := range lines {
		if line != "" && !strings.HasPrefix(line, " ") {
			first = i + 1
		}
	}
	var out []string
	for _, line := range lines[first:] {
		if line = strings.TrimPrefix(line, "   "); line != "nothing changes" {
			out = append(out, line)
		}
	}
	return out
}
