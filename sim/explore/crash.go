package explore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/pinlab/pinlab/scenarios"
)

// crashRound is the number of scenarios that are explored before what they showed is
// shrunk, so that an interrupted search has findings to tell of. It does not depend on
// the number of workers, for the order of shrinking decides what is shrunk.
const crashRound = 16

// Crash explores the crash points of scenarios: the kubelet is killed at every event
// boundary at which it runs or has failed, and before and after every single write of a
// state file, and started again; then the scenario goes on. What breaks without a crash
// is the scenario's own, and not reported.
func (x *Explorer) Crash(ctx context.Context, list []*scenarios.Scenario) error {
	for round := range slices.Chunk(list, crashRound) {
		todo, err := x.crashRound(ctx, round)
		if err != nil {
			x.unshrunk(todo)
			return err
		}
		if err := x.shrinkAll(ctx, todo); err != nil {
			return err
		}
	}
	return nil
}

// crashRound explores a few scenarios and returns what is to be shrunk of what they
// showed, also when it is interrupted.
func (x *Explorer) crashRound(ctx context.Context, list []*scenarios.Scenario) ([]pending, error) {
	found := make([][]pending, len(list))
	var mu sync.Mutex
	crew := newCrew(ctx, x.Workers)
	defer crew.dismiss()
	err := crew.each(len(list), func(w Worker, i int) error {
		c := crashing{worker: w, scenario: withoutExpectations(list[i]), tell: func(runs, events, points int) {
			mu.Lock()
			defer mu.Unlock()
			x.stats.Runs += runs
			x.stats.Events += events
			x.stats.Points += points
			x.tell()
		}}
		err := c.explore(ctx)
		found[i] = c.found
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("scenario %s: %w", list[i].Name, err)
		}
		if err == nil {
			mu.Lock()
			x.stats.Scenarios++
			mu.Unlock()
		}
		return err
	})
	var todo []pending
	for i := range list {
		for _, p := range found[i] {
			if x.worthShrinking(p.hit.Cause.Key()) {
				todo = append(todo, p)
			}
		}
	}
	return todo, err
}

// crashing explores one scenario.
type crashing struct {
	worker   Worker
	scenario *scenarios.Scenario
	// tell adds to what the search has done.
	tell func(runs, events, points int)
	// own are the causes that the scenario has without a crash, by their keys.
	own   map[string]bool
	found []pending
}

// maxWrites bounds the writes of one event that are tried.
const maxWrites = 100

func (c *crashing) explore(ctx context.Context) error {
	base, err := c.replay(ctx, c.scenario)
	if err != nil {
		return err
	}
	c.own = map[string]bool{}
	for _, h := range base.Hits {
		c.own[h.Cause.Key()] = true
	}
	// A kubelet that was killed is down, and has not failed by itself.
	failed := func(o *Outcome, step int) bool { _, ok := o.Failed[step]; return ok }
	killed := func(o *Outcome, step int) bool { return slices.Contains(o.Down, step) && !failed(o, step) }
	files := []scenarios.StateFile{scenarios.CPUState}
	if writesMemory(c.scenario) {
		files = append(files, scenarios.MemoryState)
	}
	for i := range c.scenario.Steps {
		if !slices.Contains(base.Applied, i) || killed(&base, i) {
			continue // a start that fails is worth a kill, and another start
		}
		where := fmt.Sprintf("step %d, %s", i+1, c.scenario.Steps[i].Event)
		// At the boundary after this event.
		s := c.with(i+1, scenarios.KillKubelet{}, scenarios.StartKubelet{})
		if err := c.point(ctx, s, "killed after "+where, nil); err != nil {
			return err
		}
		for _, file := range files {
			for _, when := range []string{"before", "after"} {
				for nth := 1; nth <= maxWrites; nth++ {
					kill := scenarios.KillAtCheckpointWrite{File: file, Nth: nth, When: when}
					s := c.with(i, kill)
					s.Steps = slices.Insert(s.Steps, i+2, scenarios.Step{Event: scenarios.StartKubelet{}})
					fired := true
					err := c.point(ctx, s, fmt.Sprintf("killed %s write %d of %s in %s", when, nth, file, where), func(o *Outcome) bool {
						fired = killed(o, i+1)
						return fired
					})
					if err != nil {
						return err
					}
					if !fired {
						break
					}
				}
			}
		}
	}
	return nil
}

// with is the scenario with events put in before a step.
func (c *crashing) with(at int, events ...scenarios.Event) *scenarios.Scenario {
	s := *c.scenario
	s.Steps = slices.Clone(s.Steps)
	for k, e := range events {
		s.Steps = slices.Insert(s.Steps, at+k, scenarios.Step{Event: e})
	}
	return &s
}

// point replays one crash point. counts says of the outcome whether it was one.
func (c *crashing) point(ctx context.Context, s *scenarios.Scenario, where string, counts func(*Outcome) bool) error {
	out, err := c.replay(ctx, s)
	if err != nil || counts != nil && !counts(&out) {
		return err
	}
	c.tell(0, 0, 1)
	for _, h := range out.Hits {
		if !c.own[h.Cause.Key()] {
			c.found = append(c.found, pending{scenario: s, hit: h, run: -1, from: c.scenario.Name + ", " + where})
		}
	}
	return nil
}

func (c *crashing) replay(ctx context.Context, s *scenarios.Scenario) (Outcome, error) {
	out, err := c.worker.Replay(ctx, s)
	c.tell(1, len(out.Applied), 0)
	return out, err
}

// writesMemory says whether the memory manager of some configuration has a state
// file.
func writesMemory(s *scenarios.Scenario) bool {
	static := func(config json.RawMessage) bool {
		var c struct {
			Policy string `json:"memoryManagerPolicy"`
		}
		return json.Unmarshal(config, &c) == nil && c.Policy == "Static"
	}
	if static(s.Kubelet) {
		return true
	}
	for i := range s.Steps {
		switch e := s.Steps[i].Event.(type) {
		case scenarios.StartKubelet:
			if static(e.Config) {
				return true
			}
		case scenarios.RestartKubelet:
			if static(e.Config) {
				return true
			}
		}
	}
	return false
}
