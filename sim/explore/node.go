package explore

import (
	"context"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// Node is what the engine drives; a scenarios.Target is one, if it also says which
// log statements it has passed.
type Node interface {
	// Apply makes one event happen, as scenarios.Target does.
	Apply(ctx context.Context, event scenarios.Event) error
	// Observe tells what is to be seen now.
	Observe(ctx context.Context) (observe.Observation, error)
	// Log returns the log lines since the last call of Log or Statements.
	Log() []observe.LogLine
	// Statements visits the log statements passed since the last call of Log or
	// Statements: their constant texts, and where in upstream's code they are.
	Statements(visit func(observe.Statement))
	// Profile is the machine as it is now.
	Profile() *hwprofiles.Profile
	// Close ends the node.
	Close() error
}

// Setup makes a node on which nothing runs yet.
type Setup func(s *scenarios.Scenario, p *hwprofiles.Profile) (Node, error)

// Replayer replays scenarios; what upstream does to it, hangs included, is part of
// the outcome. An error is the harness's own failure.
type Replayer interface {
	Replay(ctx context.Context, s *scenarios.Scenario) (Outcome, error)
}
