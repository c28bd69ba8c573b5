package tui

import (
	"context"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/paint"
)

// Session is a node that is explored: events happen to it one at a time.
type Session interface {
	// Apply makes an event happen and tells what was seen then. Wrong use is
	// scenarios.ErrMisuse and leaves the node as it was.
	Apply(ctx context.Context, event scenarios.Event) (observe.Step, error)
	// Profile is the machine as it is now.
	Profile() *hwprofiles.Profile
	Close() error
}

// Question is a pod that the kubelet's managers are asked about.
type Question struct {
	// Pod is the manifest, as JSON.
	Pod []byte
	// Profile is the machine, Config the KubeletConfiguration as JSON.
	Profile *hwprofiles.Profile
	Config  []byte
	// State is what other pods had at the time; nil for nothing.
	State *observe.Checkpoint
}

// ProfileInfo and ScenarioInfo are lines to choose from.
type ProfileInfo struct {
	Name, Description string
	CPUs              int
}

// ScenarioInfo is a scenario that can be replayed.
type ScenarioInfo struct{ Name, Class, Title string }

// Recording is a replayed scenario: its result, and the machine at each step.
type Recording struct {
	Result   scenarios.Result
	Profiles []*hwprofiles.Profile
}

// Deps are what the explorer needs from outside. Simulator, audit and bench are
// brought in by whoever starts it, so that the views know plain data only. A
// nil function means that its view says so.
type Deps struct {
	// Loader reads the steps of a session.
	Loader scenarios.Loader
	// Resolve finds a machine by a profile's name, a file or a shape.
	Resolve func(ref string) (*hwprofiles.Profile, error)
	// Open makes a node; nothing runs on it yet.
	Open func(ctx context.Context, s *scenarios.Scenario, p *hwprofiles.Profile) (Session, error)
	// Explain says what 'pinlab explain' says.
	Explain func(ctx context.Context, q Question) (string, error)
	// Changes tells in sentences what a step changed; before is nil for the
	// first one.
	Changes func(before, now *observe.Step) []string
	// Replay runs a scenario by name or file; an empty profile is its own.
	Replay func(ctx context.Context, ref, profile string) (Recording, error)
	// Audit looks at a node, Watch returns when something that the audit reads
	// has changed.
	Audit func(ctx context.Context) (Node, error)
	Watch func(ctx context.Context) error
	// Bench measures and tells what it has so far, from one goroutine.
	Bench func(ctx context.Context, spec BenchSpec, tell func(BenchUpdate)) error
	// BenchSave writes what was measured last; an existing file that may not be
	// overwritten is fs.ErrExist.
	BenchSave func(name string, overwrite bool) error
	// Comparisons are what Bench can compare.
	Comparisons []Comparison

	// Profiles and Scenarios are the lists to choose from; they are asked for
	// once, when they are first wanted.
	Profiles  func() ([]ProfileInfo, error)
	Scenarios func() ([]ScenarioInfo, error)
}

// ViewName names one of the views.
type ViewName string

// The views.
const (
	ViewExplore ViewName = "explore"
	ViewReplay  ViewName = "replay"
	ViewBench   ViewName = "bench"
	ViewVerify  ViewName = "verify"
)

// Options say how the explorer begins.
type Options struct {
	View ViewName
	// Profile is the machine to explore, Kubelet its configuration as YAML;
	// empty means a static policy with the first core reserved.
	Profile, Kubelet string
	// Scenario is replayed at once when it is not empty.
	Scenario string
	Theme    paint.Theme
	// Background asks the terminal whether it is light or dark, and follows.
	Background bool
	NoMouse    bool
	// NoColor says that the user wants no colours, whatever the theme.
	NoColor bool
}
