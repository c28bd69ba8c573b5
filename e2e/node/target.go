// Package node is a scenario's target with a real kubelet: it turns events into
// calls of the agent on the node, waits until the node has settled, and turns
// what the agent read into an observation. Where the node is (a machine of the
// lab, a kind node) is not its business.
package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// Caller calls the agent on the node; *agent.Client is one.
type Caller interface {
	Call(ctx context.Context, method string, args, answer any) error
}

// Machine is what the node is made of.
type Machine interface {
	// Agent is the way to the node's agent.
	Agent() Caller
	// Hello is what the agent told after the last boot.
	Hello() agent.Hello
	// Reboot boots the machine again with its disk, and takes these CPUs offline.
	Reboot(ctx context.Context, offline []int) error
	// Swap boots the machine again with its disk, as the machine of this
	// profile. An error that wraps scenarios.ErrUnsupported says that it cannot.
	Swap(ctx context.Context, p *hwprofiles.Profile) error
	// Close gives the machine back.
	Close() error
}

// StateFiles makes the content of state files; data is what is there now, nil
// for no file. UID finds the UID of a pod by its name.
type StateFiles func(event scenarios.Event, data []byte, uid func(pod string) string) ([]byte, error)

// Pinning says of a container of a manifest how many CPUs it is promised for
// itself under a kubelet configuration (JSON), 0 for none, and why.
type Pinning func(config []byte, pod *corev1.Pod, container *corev1.Container) (requested int, reason string)

// Options are what a target needs besides the machine.
type Options struct {
	// Name is the target's: lab, kind.
	Name string
	// Files makes state files.
	Files StateFiles
	// Read reads a cpu_manager_state as the kubelet does.
	Read func(data []byte) (*observe.StateFile, error)
	// ReadMemory reads a memory_manager_state as the kubelet does.
	ReadMemory func(data []byte) (*observe.MemoryFile, error)
	// Pinning explains manifests.
	Pinning Pinning
	// Resolve finds the profile of a swapProfile event.
	Resolve func(ref string) (*hwprofiles.Profile, error)
	// Step bounds the time that one event may take to settle.
	Step time.Duration
	// Crowded says that the kubelet has other containers to update than the
	// scenario's, and may do it at an emulated machine's pace.
	Crowded bool
}

// Target implements scenarios.Target.
type Target struct {
	opts     Options
	machine  Machine
	scenario *scenarios.Scenario
	profile  *hwprofiles.Profile // as the node's kernel shows it
	version  string

	config  []byte // merged configuration of the next start, JSON
	begun   bool   // a kubelet has been started at least once
	running bool
	failed  bool
	manual  bool // the reconcile loop is held between reconcile steps
	faulty  bool // something may keep cgroups from following the manager
	starved bool // the kubelet lacks what it needs to start containers
	full    bool // its disk is full
	noFile  uint64
	pods    []*pod // in the order of creation
	names   map[string]string
	created time.Time
	facts   agent.Facts
	started bool
	ticked  bool
	passed  time.Duration       // since the last tick of the scenario's clock
	ticks   int                 // ticks of a held loop that settling waits for
	resizes []observe.Admission // not told yet
	restart restartRecord
	logAt   int64
	lines   []observe.LogLine // read and not told yet
	recheck bool              // what became of the pods of before the start is not known
}

var _ scenarios.Target = &Target{}

// New makes a target of a machine on which nothing runs yet.
func New(ctx context.Context, s *scenarios.Scenario, m Machine, o Options) (*Target, error) {
	t := &Target{
		opts: o, machine: m, scenario: s, config: []byte(s.Kubelet), names: map[string]string{},
		created: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	if len(t.config) == 0 {
		t.config = []byte("{}")
	}
	t.manual = s.Reconcile == scenarios.ReconcileManual
	if len(s.Devices) > 0 {
		return nil, fmt.Errorf("%w: devices: %s", scenarios.ErrUnsupported, noPlugin)
	}
	if err := t.detect(); err != nil {
		return nil, err
	}
	t.version = m.Hello().KubeletVersion
	if err := t.call(ctx, "Wipe", agent.None{}, &agent.None{}); err != nil {
		return nil, err
	}
	if err := t.restoreCPUs(ctx); err != nil {
		return nil, err
	}
	return t, t.hold(ctx, 0)
}

// restoreCPUs takes back what a scenario before this one did to CPUs: the
// machine is to be as its profile.
func (t *Target) restoreCPUs(ctx context.Context) error {
	var f agent.Facts
	if err := t.call(ctx, "Facts", agent.None{}, &f); err != nil {
		return err
	}
	want, have := t.profile.OnlineCPUs(), f.Online.Set()
	for online, cpus := range map[bool][]int{true: want.Difference(have).List(), false: have.Difference(want).List()} {
		if len(cpus) == 0 {
			continue
		}
		if err := t.call(ctx, "SetOnline", agent.Online{CPUs: cpus, Online: online}, &agent.None{}); err != nil {
			return err
		}
	}
	return nil
}

// detect reads the machine from what the agent saw of sysfs.
func (t *Target) detect() error {
	p, err := Detect(t.machine.Hello())
	if err != nil {
		return err
	}
	t.profile = p
	return nil
}

func (t *Target) call(ctx context.Context, method string, args, answer any) error {
	return t.machine.Agent().Call(ctx, method, args, answer)
}

// Name implements scenarios.Target.
func (t *Target) Name() string { return t.opts.Name }

// KubeletVersion implements scenarios.Target.
func (t *Target) KubeletVersion() string { return t.version }

// Profile implements scenarios.Target.
func (t *Target) Profile() *hwprofiles.Profile { return t.profile }

// Close implements scenarios.Target.
func (t *Target) Close() error { return t.machine.Close() }

// Apply implements scenarios.Target.
func (t *Target) Apply(ctx context.Context, event scenarios.Event) error {
	t.ticked = false
	if err := t.apply(ctx, event); err != nil {
		return err
	}
	if !t.manual {
		return t.settle(ctx)
	}
	if n := t.ticksOf(event); n > 0 {
		if err := t.hold(ctx, n); err != nil {
			return err
		}
		t.ticks = n
		err := t.settle(ctx)
		t.ticks = 0
		return errors.Join(err, t.hold(ctx, 0))
	}
	err := t.settle(ctx)
	t.ticked = false
	if create, ok := event.(scenarios.CreatePod); ok && err == nil {
		return t.emptied(t.find(create.Pod.Name))
	}
	return err
}

func (t *Target) apply(ctx context.Context, event scenarios.Event) error {
	switch e := event.(type) {
	case scenarios.StartKubelet:
		return t.startKubelet(ctx, e.Config, late{e.SourcesNotReady, e.DevicesNotReady})
	case scenarios.StopKubelet:
		return t.stopKubelet(ctx, syscall.SIGTERM, true)
	case scenarios.KillKubelet:
		return t.stopKubelet(ctx, syscall.SIGKILL, true)
	case scenarios.RestartKubelet:
		if err := t.stopKubelet(ctx, syscall.SIGTERM, false); err != nil {
			return err
		}
		return t.startKubelet(ctx, e.Config, late{e.SourcesNotReady, e.DevicesNotReady})
	case scenarios.CreatePod:
		return t.createPod(ctx, e)
	case scenarios.DeletePod:
		return t.deletePod(ctx, e.Pod)
	case scenarios.ExitContainer:
		return t.exitContainer(ctx, e)
	case scenarios.ResizePod:
		return t.resizePod(ctx, e)
	case scenarios.AddEphemeralContainer:
		return t.addEphemeral(ctx, e)
	case scenarios.DeleteStateFile:
		t.restart.touch()
		return t.call(ctx, "WriteFile", agent.WriteFile{Name: string(e.File), Remove: true}, &agent.None{})
	case scenarios.WriteStateFile:
		return t.changeFile(ctx, e.File, e)
	case scenarios.EditStateFile:
		return t.changeFile(ctx, e.File, e)
	case scenarios.Reconcile, scenarios.Advance:
		return nil // settling waits for ticks
	}
	if handled, err := t.applyMachine(ctx, event); handled {
		return err
	}
	return t.applyFault(ctx, event)
}

func (t *Target) applyMachine(ctx context.Context, event scenarios.Event) (bool, error) {
	switch e := event.(type) {
	case scenarios.Reboot:
		return true, t.reboot(ctx, func() error { return t.machine.Reboot(ctx, t.offline()) })
	case scenarios.SwapProfile:
		p, err := t.opts.Resolve(e.Profile)
		if err != nil {
			return true, fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
		}
		return true, t.reboot(ctx, func() error { return t.machine.Swap(ctx, p) })
	case scenarios.OfflineCPUs:
		return true, t.setOnline(ctx, e.CPUs, false)
	case scenarios.OnlineCPUs:
		return true, t.setOnline(ctx, e.CPUs, true)
	case scenarios.SetHugePages:
		return true, t.setHugePages(ctx, e)
	case scenarios.AddCPUs:
		return true, fmt.Errorf("%w: addCPUs: CPUs cannot be plugged into this machine while it runs", scenarios.ErrUnsupported)
	case scenarios.MoveMemory:
		return true, fmt.Errorf("%w: moveMemory: the machine's memory is not the server's", scenarios.ErrUnsupported)
	}
	return false, nil
}

func (t *Target) setOnline(ctx context.Context, cpus observe.CPUs, online bool) error {
	p, err := t.profile.WithOnline(cpus.Set(), online)
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
	}
	if !online && cpus.Set().Contains(0) {
		return fmt.Errorf("%w: CPU 0 of a PC cannot be taken offline", scenarios.ErrUnsupported)
	}
	if err := t.call(ctx, "SetOnline", agent.Online{CPUs: cpus.Set().List(), Online: online}, &agent.None{}); err != nil {
		return err
	}
	t.profile = p
	t.restart.touch()
	return nil
}

func (t *Target) applyFault(ctx context.Context, event scenarios.Event) error {
	switch e := event.(type) {
	case scenarios.FailRuntimeUpdate:
		f := agent.FailUpdate{Error: e.Error, Times: e.Times}
		if e.Container != "" {
			p, c, err := t.container(e.Container)
			if err != nil {
				return err
			}
			f.Namespace, f.Pod, f.Container = p.spec.Namespace, p.spec.Name, c
		}
		t.faulty = true
		return t.call(ctx, "FailUpdate", f, &agent.None{})
	case scenarios.ClobberCPUSet:
		id, err := t.runningContainer(e.Container)
		if err != nil {
			return err
		}
		t.faulty = true
		return t.call(ctx, "SetCPUSet", agent.SetCPUSet{ContainerID: id, CPUs: e.CPUs}, &agent.None{})
	case scenarios.LimitOpenFiles:
		t.restart.touch()
		if !t.running {
			// What a kubelet has open when main begins: the standard files and
			// those of Go's poller.
			t.noFile = uint64(e.Free + 6)
			return nil
		}
		t.starved = true
		return t.call(ctx, "Exhaust", agent.Exhaust{What: "nofile", Free: e.Free}, &agent.None{})
	case scenarios.Exhaust:
		t.restart.touch()
		t.starved = true
		return t.call(ctx, "Exhaust", agent.Exhaust{What: e.Sysctl, Free: e.Free}, &agent.None{})
	case scenarios.FailCheckpointWrite:
		if e.Errno != "ENOSPC" || e.Times > 0 {
			return fmt.Errorf("%w: failCheckpointWrite: only a full disk (ENOSPC, until clearFaults) can be made for real", scenarios.ErrUnsupported)
		}
		t.starved, t.full = true, true
		return t.call(ctx, "Exhaust", agent.Exhaust{What: "disk"}, &agent.None{})
	case scenarios.ClearFaults:
		t.faulty, t.starved, t.full, t.noFile = false, false, false, 0
		return t.call(ctx, "ClearFaults", agent.None{}, &agent.None{})
	case scenarios.KillAtCheckpointWrite:
		return fmt.Errorf("%w: killAtCheckpointWrite: a real kubelet cannot be stopped at a write", scenarios.ErrUnsupported)
	case scenarios.FailCheckpointRead:
		return fmt.Errorf("%w: failCheckpointRead: the node's kubelet is root, whom no permission keeps from reading a file", scenarios.ErrUnsupported)
	case scenarios.SourcesReady:
		return fmt.Errorf("%w: sourcesReady: %s", scenarios.ErrUnsupported, atOnce)
	case scenarios.DevicesReady:
		return fmt.Errorf("%w: devicesReady: %s", scenarios.ErrUnsupported, noPlugin)
	}
	return fmt.Errorf("%w: %s: nobody has taught it to", scenarios.ErrUnsupported, event)
}

// Why a node does not do some events.
const (
	atOnce   = "the API server answers at once"
	noPlugin = "there is no device plugin on the node"
)

// late is what a started kubelet is to wait for.
type late struct{ sources, devices bool }

// period is how often the kubelet of a node reconciles, whatever the scenario's
// configuration says: waiting for the default ten seconds after each step would
// teach nothing.
const period = 250 * time.Millisecond

func (t *Target) startKubelet(ctx context.Context, patch json.RawMessage, l late) error {
	if l.sources {
		return fmt.Errorf("%w: sourcesNotReady: %s", scenarios.ErrUnsupported, atOnce)
	}
	if l.devices {
		return fmt.Errorf("%w: devicesNotReady: %s", scenarios.ErrUnsupported, noPlugin)
	}
	if t.running {
		return fmt.Errorf("%w: the kubelet runs already", scenarios.ErrMisuse)
	}
	if len(patch) > 0 {
		merged, err := jsonpatch.MergePatch(t.config, patch)
		if err != nil {
			return fmt.Errorf("%w: config patch: %w", scenarios.ErrMisuse, err)
		}
		if !jsonpatch.Equal(t.config, merged) {
			t.restart.touch()
		}
		t.config = merged
	}
	for _, p := range t.pods {
		if !p.gone {
			continue
		}
		if err := t.removable(p); err != nil {
			return err
		}
	}
	config, err := jsonpatch.MergePatch(t.config, fmt.Appendf(nil, `{"cpuManagerReconcilePeriod":%q}`, period))
	if err != nil {
		return fmt.Errorf("%w: kubelet configuration: %w", scenarios.ErrMisuse, err)
	}
	t.restart.starting()
	t.passed = 0
	t.begun = true
	var state agent.KubeletState
	if err := t.call(ctx, "StartKubelet", agent.StartKubelet{Config: config, NoFile: t.noFile}, &state); err != nil {
		return err
	}
	t.started = true
	deadline := time.Now().Add(t.opts.Step)
	for {
		var f agent.Facts
		if err := t.call(ctx, "Facts", agent.None{}, &f); err != nil {
			return err
		}
		if f.Kubelet.Ready || !f.Kubelet.Running {
			t.running, t.failed = f.Kubelet.Running, !f.Kubelet.Running
			t.facts = f
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the kubelet has neither started nor ended within %v", t.opts.Step)
		}
		if err := t.change(ctx); err != nil {
			return err
		}
	}
	t.restart.started(t.running)
	t.recheck = len(t.pods) > 0
	for _, p := range t.pods {
		p.denied = nil
		p.asked = p.asked || t.running
		if t.running && !p.over && !p.done() {
			p.reported = false // it is admitted again; one that has ended is not
		}
	}
	return nil
}

func (t *Target) stopKubelet(ctx context.Context, s syscall.Signal, must bool) error {
	if must && !t.running && !t.failed {
		return fmt.Errorf("%w: the kubelet does not run", scenarios.ErrMisuse)
	}
	t.running, t.failed = false, false
	var state agent.KubeletState
	return t.call(ctx, "StopKubelet", agent.Signal{Signal: int(s)}, &state)
}

// offline are the CPUs that are offline now.
func (t *Target) offline() []int {
	return t.profile.AllCPUs().Difference(t.profile.OnlineCPUs()).List()
}

func (t *Target) reboot(ctx context.Context, boot func() error) error {
	objects := t.facts.Pods
	if err := boot(); err != nil {
		return err
	}
	t.running, t.failed = false, false
	// What was wrong with processes and the running kernel is over; a full disk
	// is as full.
	t.faulty, t.starved, t.noFile = false, t.full, 0
	t.restart.touch()
	if err := t.detect(); err != nil {
		return err
	}
	// The API server is not on the node: it keeps its objects.
	for _, o := range objects {
		if err := t.call(ctx, "CreatePod", json.RawMessage(o), &agent.Created{}); err != nil {
			return err
		}
	}
	return t.hold(ctx, 0)
}
