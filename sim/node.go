// Package sim is the simulated node: pods, container runtime and cgroups,
// clock, faults and kubelet lifetimes around the real managers. It implements
// scenarios.Target.
package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	cadvisor "github.com/google/cadvisor/lib/model"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// Options are what a node needs besides the scenario.
type Options struct {
	// Decoder decodes kubelet configurations.
	Decoder *kubelet.ConfigDecoder
	// TempDir is where the node makes its state directory; empty means
	// StateBase().
	TempDir string
	// Resolve finds the profile of a swapProfile event; nil means
	// hwprofiles.Resolve.
	Resolve func(ref string) (*hwprofiles.Profile, error)
	// OwnProcess says that the process belongs to this node alone, so that its
	// resource limits may be changed.
	OwnProcess bool
	// Statements keeps the log's statements for Statements, and none of its
	// lines: for who replays too much to read it.
	Statements bool
	// Paths, when set, lets Statements tell where in upstream's code they are.
	Paths *kubelet.Paths
}

func (o Options) resolve(ref string) (*hwprofiles.Profile, error) {
	if o.Resolve != nil {
		return o.Resolve(ref)
	}
	return hwprofiles.Resolve(ref)
}

// Node is a simulated node.
type Node struct {
	opts     Options
	scenario *scenarios.Scenario
	stateDir string

	profile   *hwprofiles.Profile
	machine   *cadvisor.MachineInfo // of profile; nil until asked for
	nodeOf    map[int]int           // CPU to NUMA node
	bootPages hwprofiles.BootPages

	configJSON []byte // merged configuration of the next start
	config     *kubelet.Config
	life       *kubelet.Lifetime // nil unless running
	// working is the last lifetime, for Recent.
	working   atomic.Pointer[kubelet.Lifetime]
	lastError string // of the last start
	failed    bool

	pods      []*pod
	byName    map[string]*pod
	names     map[string]string // of every pod there ever was, by UID
	runtime   *runtime
	devices   map[kubelet.ContainerKey][]kubelet.DeviceID
	allDevs   []kubelet.Device
	faults    faults
	clock     time.Duration // since the last reconcile tick
	reconcile bool          // a tick has run since the last change
	// apiSeen says that the API server's pods have reached the kubelet.
	apiSeen bool
	started bool // a start has ended since the last observation

	admissions []observe.Admission
	resizes    []observe.Admission
	// devicesLate says that the device plugins have not registered.
	devicesLate bool
	log         []observe.LogLine
	statements  []observe.Statement
	numaCache   map[observe.CPUs][]int
	file        stateFileCache
	restart     restartRecord
}

var _ scenarios.Target = &Node{}

// New makes a node; nothing runs on it yet.
func New(s *scenarios.Scenario, p *hwprofiles.Profile, o Options) (*Node, error) {
	base := o.TempDir
	if base == "" {
		base = StateBase()
	}
	dir, err := os.MkdirTemp(base, "pinlab-")
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	n := &Node{
		opts: o, scenario: s, stateDir: dir, configJSON: s.Kubelet,
		byName: map[string]*pod{}, names: map[string]string{}, runtime: newRuntime(),
		devices: map[kubelet.ContainerKey][]kubelet.DeviceID{},
	}
	for _, d := range s.Devices {
		n.allDevs = append(n.allDevs, kubelet.Device{Resource: d.Resource, ID: d.ID, NUMANode: d.NUMANode})
	}
	if len(n.configJSON) == 0 {
		n.configJSON = []byte("{}")
	}
	n.setProfile(p)
	if _, err := o.Decoder.Decode(n.configJSON); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s:%d: %w", scenarios.ErrMisuse, s.File, s.KubeletLine, err), n.Close())
	}
	return n, nil
}

// Setup returns the scenarios.Setup of this target.
func Setup(o Options) scenarios.Setup {
	return func(_ context.Context, s *scenarios.Scenario, p *hwprofiles.Profile) (scenarios.Target, error) {
		return New(s, p, o)
	}
}

// Name implements scenarios.Target.
func (n *Node) Name() string { return "sim" }

// KubeletVersion implements scenarios.Target.
func (n *Node) KubeletVersion() string { return kubelet.Version }

// Profile implements scenarios.Target.
func (n *Node) Profile() *hwprofiles.Profile { return n.profile }

// Close ends the kubelet and removes the state directory.
func (n *Node) Close() error {
	if n.life != nil {
		n.life.Stop()
		n.life = nil
	}
	return os.RemoveAll(n.stateDir)
}

// Log implements scenarios.Target.
func (n *Node) Log() []observe.LogLine {
	n.drainLog()
	lines := n.log
	n.log = nil
	for i := range lines {
		lines[i].Text = n.mask(lines[i].Text)
	}
	return canonicalLog(lines)
}

// Statements visits the log statements passed since the last call; there are none
// without Options.Statements.
func (n *Node) Statements(visit func(observe.Statement)) {
	n.drainLog()
	for _, s := range n.statements {
		visit(s)
	}
	n.statements = n.statements[:0]
}

// Recent returns the last log lines of the event that is going on. Unlike anything else
// it may be called while Apply is at work: for a node that hangs.
func (n *Node) Recent(most int) []observe.LogLine {
	life := n.working.Load()
	if life == nil {
		return nil
	}
	lines := life.Recent(most)
	for i := range lines {
		lines[i].Text = n.mask(lines[i].Text)
	}
	return lines
}

func (n *Node) drainLog() {
	if n.life == nil {
		return
	}
	if n.opts.Statements {
		n.life.Statements(func(s observe.Statement) {
			if name, ok := n.names[s.Pod]; ok {
				s.Pod = name
			}
			n.statements = append(n.statements, s)
		})
		return
	}
	if lines := n.life.Log(); len(n.log) == 0 {
		n.log = lines
	} else {
		n.log = append(n.log, lines...)
	}
}

func (n *Node) setProfile(p *hwprofiles.Profile) {
	n.profile, n.machine = p, nil
	n.nodeOf = make(map[int]int, len(p.CPUs))
	for _, c := range p.CPUs {
		n.nodeOf[c.ID] = c.NUMANode
	}
	n.numaCache = map[observe.CPUs][]int{}
	n.runtime.online = observe.FromSet(p.OnlineCPUs())
	n.restart.touch()
}

func (n *Node) running() bool { return n.life != nil }

// patchConfig merges a patch into the configuration of the next start.
func (n *Node) patchConfig(patch json.RawMessage) error {
	if len(patch) == 0 {
		return nil
	}
	merged, err := jsonpatch.MergePatch(n.configJSON, patch)
	if err != nil {
		return fmt.Errorf("%w: config patch: %w", scenarios.ErrMisuse, err)
	}
	if !jsonpatch.Equal(n.configJSON, merged) {
		n.restart.touch()
	}
	n.configJSON = merged
	return nil
}

func (n *Node) path(f scenarios.StateFile) string { return filepath.Join(n.stateDir, string(f)) }

// restartRecord remembers whether anything that a restart depends on has been
// touched since a kubelet last started and heard of its pods.
type restartRecord struct {
	succeeded bool // some start succeeded
	touched   bool
	unheard   bool // before a start after which no pod has been heard of
	unchanged bool // the last start followed a success with nothing touched
}

func (r *restartRecord) touch() { r.touched = true }

func (r *restartRecord) starting() { r.unchanged = r.succeeded && !r.touched && !r.unheard }

func (r *restartRecord) started(ok bool) {
	if ok {
		r.succeeded, r.touched, r.unheard = true, false, r.unheard || r.touched
	}
}

// heard says that the pods were admitted as things were at the start.
func (r *restartRecord) heard() { r.unheard = false }
