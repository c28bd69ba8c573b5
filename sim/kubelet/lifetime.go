package kubelet

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	cadvisor "github.com/google/cadvisor/lib/model"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/metrics"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	schedulerframework "k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/cpuset"

	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/state"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"

	"github.com/pinlab/pinlab/sim/observe"
)

// Node is the machine, the container runtime and the pod sources around a
// kubelet: what the caller plays.
type Node interface {
	// ActivePods are the admitted pods that have not ended.
	ActivePods() []*v1.Pod
	// PodStatus is the status of a pod as the kubelet's status manager has it.
	PodStatus(uid types.UID) (v1.PodStatus, bool)
	// UpdateContainer is the runtime's UpdateContainerResources: it sets the
	// cpuset of a running container.
	UpdateContainer(id, cpus string) error
	// Containers are those the runtime knows, ended ones included.
	Containers() []ContainerRef
}

// ContainerRef says which container of which pod a runtime container is.
type ContainerRef struct {
	PodUID, Name, ID string
	Running          bool
}

// WriteHook stands around each write of a state file. It may call write, or
// not, or call Kill on the lifetime.
type WriteHook func(file string, write func() error) error

// Params is what one lifetime starts from.
type Params struct {
	Config       *Config
	Machine      *cadvisor.MachineInfo
	StateDir     string
	Node         Node
	Devices      []Device
	SourcesReady bool
	// OnWrite may be nil.
	OnWrite WriteHook
	// OnCall may be nil.
	OnCall CallHook
	// NoLog drops the log: what is measured does not pay for keeping it.
	NoLog bool
	// Paths, when set, tells Statements where in upstream's code it was.
	Paths *Paths
	// AllocatedDevices are what the device manager's checkpoint remembers.
	AllocatedDevices map[ContainerKey][]DeviceID
	// DevicesNotReady says that no device plugin has registered yet.
	DevicesNotReady bool
}

// Lifetime is one kubelet process from its start to its end.
type Lifetime struct {
	params Params
	ctx    context.Context
	logger klog.Logger
	log    *recorder
	gate   *gate

	alloc    *allocatable
	topology topologymanager.Manager
	cpu      cpumanager.Manager
	memory   memorymanager.Manager
	devices  *deviceManager
	admitter lifecycle.PodAdmitHandler
	node     *v1.Node
	metrics  metrics.KubeRegistry

	started  bool // the CPU manager's Start returned without an error
	hasLoop  bool
	reserved observe.CPUs
	policy   string
	written  *state.CPUManagerCheckpointData
	// writtenState is written as read back; nil until asked for.
	writtenState *CPUState
	pool         *cpuset.CPUSet // the CPU manager's own; nil when it cannot be reached
	cannot       error          // set while starting: what the lifetime cannot play

	endOnce sync.Once
	ended   chan struct{}
	endErr  error // why it ended: nil for Stop and Kill
}

// PanicError is a panic in upstream's code.
type PanicError struct {
	Value any
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("upstream panicked: %v", e.Value) }

// PanicStack is where upstream's code panicked.
func (e *PanicError) PanicStack() string { return e.Stack }

// minVerbosity is the level of a kubelet set up by kubeadm (--v=2); the
// configuration may ask for more.
const minVerbosity = 2

// New makes a lifetime; Start begins it.
func New(p Params) *Lifetime {
	l := &Lifetime{
		params: p,
		log:    &recorder{verbosity: max(minVerbosity, p.Config.Verbosity()), paths: p.Paths},
		gate:   newGate(p.SourcesReady),
		ended:  make(chan struct{}),
	}
	l.logger = logr.New(sink{r: l.log})
	if p.NoLog {
		l.logger = logr.Discard()
	}
	l.ctx = klog.NewContext(context.Background(), l.logger)
	return l
}

// Start makes the managers and starts them. An error is the kubelet's own: the
// process would exit with it. With an error, or when a WriteHook killed it, the
// lifetime has ended.
func (l *Lifetime) Start() error {
	// A few places in upstream still log through the process's logger.
	klog.SetLogger(l.logger)
	// The reconcile loop is upstream's goroutine, and a panic there would end
	// the process; this is upstream's own place to be told of it.
	utilruntime.PanicHandlers = []func(context.Context, any){l.loopPanicked}
	err := l.do(l.start)
	if err != nil {
		l.end(err)
	}
	return err
}

func (l *Lifetime) start() error {
	p := l.params
	if err := p.Config.setGates(); err != nil {
		return err
	}
	if err := l.register(); err != nil {
		return err
	}
	kc := &p.Config.kc
	var err error
	if l.alloc, err = newAllocatable(l.logger, p.Config, p.Machine); err != nil {
		return err
	}
	l.topology, err = topologymanager.NewManager(l.logger, p.Machine.Topology,
		kc.TopologyManagerPolicy, kc.TopologyManagerScope, kc.TopologyManagerPolicyOptions)
	if err != nil {
		return notRun(err)
	}
	l.devices = newDeviceManager(p.Devices, p.AllocatedDevices, l.topology, l)
	l.devices.late = p.DevicesNotReady
	l.topology.AddHintProvider(l.logger, l.told(l.devices))
	// The period is as short as can be: the gate decides when a tick runs, and
	// the end of a tick is seen when the loop comes back.
	l.cpu, err = cpumanager.NewManager(l.logger, kc.CPUManagerPolicy, kc.CPUManagerPolicyOptions, time.Nanosecond,
		p.Machine, l.alloc.reservedCPUs, l.alloc.reservation, p.StateDir, l.topology)
	if err != nil {
		return notRun(err)
	}
	l.topology.AddHintProvider(l.logger, l.told(l.cpu))
	l.memory, err = memorymanager.NewManager(l.logger, kc.MemoryManagerPolicy, p.Machine, l.alloc.reservation,
		kc.ReservedMemory, p.StateDir, l.topology)
	if err != nil {
		return notRun(err)
	}
	l.topology.AddHintProvider(l.logger, l.told(l.memory))
	l.policy = kc.CPUManagerPolicy

	l.node = l.alloc.node(p.Config.MaxPods(), l.devices.capacity())
	l.admitter = lifecycle.NewPredicateAdmitHandler(
		func(context.Context, bool) (*v1.Node, error) { return l.node, nil },
		lifecycle.NewAdmissionFailureHandlerStub(),
		func(*schedulerframework.NodeInfo, *lifecycle.PodAdmitAttributes) error { return nil },
	)
	return l.startManagers()
}

func (l *Lifetime) startManagers() error {
	refs := containermap.NewContainerMap()
	for _, c := range l.params.Node.Containers() {
		refs.Add(c.PodUID, c.Name, c.ID)
	}
	if err := boundedStateFile(l.params.StateDir); err != nil {
		return err
	}
	// When something goes wrong from here on, it stays the loop's turn: a loop that
	// was started all the same ends at the gate.
	l.gate.open()
	l.log.hook = l.watchStart
	err := l.cpu.Start(l.ctx, l.params.Node.ActivePods, l.gate, l.statuses(), runtimeService{l.params.Node}, refs.Clone())
	l.log.hook = nil
	if l.cannot != nil {
		return l.cannot
	}
	if err != nil {
		return fmt.Errorf("start cpu manager error: %w", err)
	}
	l.started = true
	// The none policy has no reconcile loop.
	if l.hasLoop = l.policy == string(cpumanager.PolicyStatic); l.hasLoop {
		l.gate.waitParked(l.ended)
	} else {
		l.gate.loopTurn.Store(false)
	}
	if err := l.interceptWrites(observe.CPUStateFile, l.cpu.State()); err != nil {
		return err
	}
	l.pool = poolOf(l.cpu.State())
	if err := l.memory.Start(l.ctx, l.params.Node.ActivePods, l.gate, l.statuses(), runtimeService{l.params.Node}, refs.Clone()); err != nil {
		return fmt.Errorf("start memory manager error: %w", err)
	}
	if err := l.interceptWrites(observe.MemoryStateFile, l.memory.State()); err != nil {
		return err
	}
	if l.policy == string(cpumanager.PolicyStatic) {
		// The manager tells reserved CPUs only as what is not allocatable.
		l.reserved = observe.FromSet(l.cpu.GetAllCPUs().Difference(l.cpu.GetAllocatableCPUs()))
	}
	return nil
}

// do runs a piece of upstream's code that may be ended in the middle (Kill) and
// whose panics are errors.
func (l *Lifetime) do(fn func() error) (err error) {
	defer func() {
		switch v := recover(); v.(type) {
		case nil:
		case killSignal:
			l.end(nil)
			err = ErrKilled
		default:
			err = &PanicError{Value: v, Stack: string(debug.Stack())}
		}
	}()
	return fn()
}

// ErrKilled says that the kubelet was killed while it worked.
var ErrKilled = errors.New("kubelet killed")

// killSignal unwinds upstream's code up to do, or up to the top of its loop.
type killSignal struct{}

// Kill ends the lifetime from inside one of its own calls, such as a
// WriteHook. It does not return.
func (l *Lifetime) Kill() { panic(killSignal{}) }

// Stop ends the lifetime from outside; SIGTERM and SIGKILL are the same here,
// since the managers write their state as they go.
func (l *Lifetime) Stop() { l.end(nil) }

func (l *Lifetime) end(err error) {
	l.endOnce.Do(func() {
		l.endErr = err
		close(l.ended)
		l.gate.close()
	})
}

// Ended says whether the lifetime is over, and why if not by Stop or Kill.
func (l *Lifetime) Ended() (bool, error) {
	select {
	case <-l.ended:
		return true, l.endErr
	default:
		return false, nil
	}
}

// loopPanicked ends the lifetime and the loop's goroutine.
func (l *Lifetime) loopPanicked(_ context.Context, v any) {
	// Upstream is done with its process-wide variables here: who waits for the
	// end may start the next lifetime.
	if _, killed := v.(killSignal); killed {
		l.end(nil)
	} else {
		l.end(&PanicError{Value: v, Stack: string(debug.Stack())})
	}
	runtime.Goexit()
}

// SetSourcesReady tells the managers whether all pod sources have been heard.
func (l *Lifetime) SetSourcesReady(ready bool) { l.gate.ready.Store(ready) }

// Reconcile lets the CPU manager's loop run one tick.
func (l *Lifetime) Reconcile() error {
	if !l.hasLoop {
		return nil
	}
	l.gate.tick(l.ended)
	if ended, err := l.Ended(); ended {
		if err == nil {
			return ErrKilled
		}
		return err
	}
	return nil
}

// Log returns the log lines since the last call.
func (l *Lifetime) Log() []observe.LogLine {
	lines := l.log.take()
	defer l.log.reuse(lines)
	return l.log.render(lines)
}

// Statements visits the log statements since the last call of Log or Statements, by
// their constant texts; pods are named by their UIDs. It renders nothing, which is most
// of what Log costs.
func (l *Lifetime) Statements(visit func(observe.Statement)) {
	lines := l.log.take()
	defer l.log.reuse(lines)
	for i := range lines {
		visit(lines[i].statement())
	}
}

// Recent returns the last lines since the last call of Log or Statements and takes none
// away. It may be called while the lifetime is at work, or hangs.
func (l *Lifetime) Recent(most int) []observe.LogLine {
	l.log.mu.Lock()
	lines := slices.Clone(l.log.lines[max(0, len(l.log.lines)-most):])
	l.log.mu.Unlock()
	return (&recorder{}).render(lines)
}

// runtimeService is the part of the CRI that the managers use.
type runtimeService struct{ node Node }

func (r runtimeService) UpdateContainerResources(_ context.Context, id string, res *runtimeapi.ContainerResources) error {
	return r.node.UpdateContainer(id, res.GetLinux().GetCpusetCpus())
}

type statusFunc func(types.UID) (v1.PodStatus, bool)

func (f statusFunc) GetPodStatus(uid types.UID) (v1.PodStatus, bool) { return f(uid) }

func (l *Lifetime) statuses() statusFunc { return l.params.Node.PodStatus }
