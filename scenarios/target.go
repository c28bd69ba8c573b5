package scenarios

import (
	"context"
	"errors"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// Target is a node that a scenario can be replayed on.
type Target interface {
	// Name is what reports call the target: sim, lab, kind, node.
	Name() string
	// KubeletVersion is the version of the kubelet under test, "v1.37.2".
	KubeletVersion() string
	// Apply makes one event happen. What the kubelet answers is data and ends
	// up in the observation; an error is wrong use of the scenario (an event
	// about a container that does not run), ErrUnsupported an event this
	// target cannot do, any other the harness's own failure.
	Apply(ctx context.Context, event Event) error
	// Observe tells what is to be seen now. It clears the admissions.
	Observe(ctx context.Context) (observe.Observation, error)
	// Log returns the kubelet's log lines since the last call.
	Log() []observe.LogLine
	// Profile is the machine as it is now.
	Profile() *hwprofiles.Profile
	// Close ends the node.
	Close() error
}

// Teller is a target that can ask the kubelet what it tells others. It is asked
// only where an expression wants to know.
type Teller interface {
	// Told is what the kubelet tells now.
	Told(ctx context.Context) (observe.Told, error)
}

// Setup makes a node of a target for one scenario. Nothing runs on it yet.
type Setup func(ctx context.Context, s *Scenario, p *hwprofiles.Profile) (Target, error)

// ErrUnsupported marks an event that a target cannot do; wrap it with the
// reason.
var ErrUnsupported = errors.New("not supported by this target")

// ErrMisuse marks an event that makes no sense in the state reached: the
// scenario is wrong, not the node.
var ErrMisuse = errors.New("scenario error")
