package explore

import (
	"context"
	"slices"

	v1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/scenarios"
)

// Shrinker makes a scenario as small as it gets without changing its cause.
type Shrinker struct {
	Replayer Replayer
	// Machines are tried in place of the scenario's own, the smallest first.
	Machines []string
	// Valid says whether the API server would take a pod; nil takes all.
	Valid func(*v1.Pod) error
	// Tries bounds the replays; 0 means 800.
	Tries int
}

// Shrunk is the smallest scenario found for a cause.
type Shrunk struct {
	Scenario *scenarios.Scenario
	Hit      Hit
	// Root is the first cause seen in it, Hit's own or one that leads to it.
	Root  Cause
	Tries int
}

type shrinking struct {
	Shrinker
	key   string
	best  Shrunk
	left  int
	tries int
}

// Shrink looks for the smallest scenario with the cause of this key. ok is false
// when the scenario does not show it: upstream walks maps in random order, so that
// there are causes that show themselves only now and then.
func (sh Shrinker) Shrink(ctx context.Context, s *scenarios.Scenario, key string) (best Shrunk, ok bool, err error) {
	if sh.Tries == 0 {
		sh.Tries = 800
	}
	r := &shrinking{Shrinker: sh, key: key, left: sh.Tries}
	if ok, err = r.try(ctx, withoutExpectations(s)); err != nil || !ok {
		return Shrunk{}, false, err
	}
	for before := -1; before != r.tries && r.left > 0; {
		before = r.tries
		size := weight(r.best.Scenario)
		for _, pass := range []func(context.Context) error{r.cutSteps, r.machine, r.node, r.config, r.events, r.cutSteps} {
			if err := pass(ctx); err != nil {
				return Shrunk{}, false, err
			}
		}
		if weight(r.best.Scenario) == size {
			break
		}
	}
	r.best.Tries = r.tries
	return r.best, true, nil
}

// try replays a candidate and keeps it if it has the cause. What comes after the
// cause, and what made no sense, is cut off.
func (r *shrinking) try(ctx context.Context, s *scenarios.Scenario) (bool, error) {
	if r.left <= 0 {
		return false, nil
	}
	r.left, r.tries = r.left-1, r.tries+1
	out, err := r.Replayer.Replay(ctx, s)
	if err != nil {
		return false, err
	}
	hit, ok := out.Has(r.key)
	if !ok {
		return false, nil
	}
	kept := *s
	kept.Steps = nil
	for _, i := range out.Applied {
		if i < hit.Step {
			kept.Steps = append(kept.Steps, s.Steps[i])
		}
	}
	if hit.Step == 0 { // a process that crashed does not say where
		kept.Steps = s.Steps
	}
	hit.Step = len(kept.Steps)
	r.best.Scenario, r.best.Hit, r.best.Root = &kept, hit, out.Hits[0].Cause
	return true, nil
}

// cutSteps leaves out steps, many at a time first.
func (r *shrinking) cutSteps(ctx context.Context) error {
	for size := max(1, len(r.best.Scenario.Steps)/2); ; size /= 2 {
		for at := len(r.best.Scenario.Steps) - size; at >= 0; {
			s := *r.best.Scenario
			if at+size > len(s.Steps) {
				at = len(s.Steps) - size
				if at < 0 {
					break
				}
			}
			s.Steps = slices.Delete(slices.Clone(s.Steps), at, at+size)
			if _, err := r.try(ctx, &s); err != nil {
				return err
			}
			at -= size
		}
		if size <= 1 {
			return nil
		}
	}
}

// machine tries simpler machines.
func (r *shrinking) machine(ctx context.Context) error {
	for _, m := range r.Machines {
		if m == r.best.Scenario.Profile {
			return nil
		}
		s := *r.best.Scenario
		s.Profile = m
		if ok, err := r.try(ctx, &s); err != nil || ok {
			return err
		}
	}
	return nil
}

// node simplifies what is set for the whole scenario.
func (r *shrinking) node(ctx context.Context) error {
	for _, change := range []func(*scenarios.Scenario) bool{
		func(s *scenarios.Scenario) bool { had := s.Devices != nil; s.Devices = nil; return had },
		func(s *scenarios.Scenario) bool { had := s.HoldInit; s.HoldInit = false; return had },
		func(s *scenarios.Scenario) bool {
			had := s.Reconcile == scenarios.ReconcileManual
			s.Reconcile = scenarios.ReconcileAuto
			return had
		},
	} {
		s := *r.best.Scenario
		if !change(&s) {
			continue
		}
		if _, err := r.try(ctx, &s); err != nil {
			return err
		}
	}
	return nil
}

// config takes settings away, all that belong together first.
func (r *shrinking) config(ctx context.Context) error {
	for i := 0; ; i++ {
		smaller := simplerConfigs(r.best.Scenario.Kubelet)
		if i >= len(smaller) {
			return nil
		}
		s := *r.best.Scenario
		s.Kubelet = smaller[i]
		ok, err := r.try(ctx, &s)
		if err != nil {
			return err
		}
		if ok {
			i = -1 // from the front, with what is left
		}
	}
}

// events tries simpler forms of each event.
func (r *shrinking) events(ctx context.Context) error {
	for at := 0; at < len(r.best.Scenario.Steps); at++ {
		for i := 0; at < len(r.best.Scenario.Steps); i++ {
			simpler := simplerEvents(r.best.Scenario.Steps[at].Event)
			if i >= len(simpler) {
				break
			}
			if e, ok := simpler[i].(scenarios.CreatePod); ok && r.Valid != nil && r.Valid(e.Pod.DeepCopy()) != nil {
				continue
			}
			s := *r.best.Scenario
			s.Steps = slices.Clone(s.Steps)
			s.Steps[at].Event = simpler[i]
			ok, err := r.try(ctx, &s)
			if err != nil {
				return err
			}
			if ok {
				i = -1
			}
		}
	}
	return nil
}

func withoutExpectations(s *scenarios.Scenario) *scenarios.Scenario {
	c := *s
	c.Steps = nil
	for _, step := range s.Steps {
		if step.Event != nil {
			c.Steps = append(c.Steps, scenarios.Step{Event: step.Event})
		}
	}
	return &c
}
