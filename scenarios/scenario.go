// Package scenarios holds the scenario format, its strict loader, the runner
// that replays a scenario against a target, and the embedded corpus. It knows
// nothing of how a target works: the simulator and real nodes look the same.
package scenarios

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/sim/observe"
)

// APIVersion and Kind head every scenario file.
const (
	APIVersion = "pinlab/v1alpha1"
	Kind       = "Scenario"
)

// Scenario is one story: a machine, a kubelet, and what happens to them.
type Scenario struct {
	// File is where the scenario was read from; Story is the comment at the
	// file's head.
	File  string
	Story string

	Name    string
	Labels  map[string]string
	Sources []string

	// Requires is set for a scenario that holds on any machine of this size;
	// Profile is then only where it is replayed by itself.
	Requires *Requires
	// Profile names the machine: an embedded profile, a file or a shape.
	Profile string
	// Kubelet is a KubeletConfiguration as JSON, apiVersion and kind left out
	// or not; empty means defaults.
	Kubelet json.RawMessage
	// KubeletLine is where the kubelet section begins in File.
	KubeletLine int
	// Reconcile says who runs the reconcile loop.
	Reconcile ReconcileMode
	// HoldInit lets init containers run until exitContainer ends them; without
	// it they complete in order by themselves.
	HoldInit bool
	// Devices are the device plugins' devices of the node.
	Devices []Device
	// Violates declares the invariants this scenario breaks, by design or
	// because of a known bug.
	Violates []Violates
	// Affects is set for a scenario whose expectations are a known bug's: the
	// kubelet versions that have it. On others it is skipped.
	Affects *Affects
	Steps   []Step

	sum [sha256.Size]byte // of the file
}

// ReconcileMode says when the CPU manager's reconcile loop runs.
type ReconcileMode string

const (
	// ReconcileAuto runs one tick after every event.
	ReconcileAuto ReconcileMode = "auto"
	// ReconcileManual runs ticks only in reconcile and advance steps, so that
	// what happens between two ticks can be seen.
	ReconcileManual ReconcileMode = "manual"
)

// The json tags of the types below are the keys of the file format; the loader
// reads the file straight into them.

// Device is one device of a device plugin, near one NUMA node.
type Device struct {
	Resource string `json:"resource"`
	ID       string `json:"id"`
	// NUMANode is hwprofiles.None for a device without a node.
	NUMANode int `json:"numaNode"`
}

// Affects bounds the kubelet versions with a bug that no invariant shows. Until is
// the first version without it. Empty is unbounded.
type Affects struct {
	Since string `json:"since"`
	Until string `json:"until"`
	Line  int    `json:"-"`
}

// Violates declares that an invariant is broken, and since when upstream
// breaks it. In the version range the invariant must be seen broken, else the
// scenario fails and asks to be updated.
type Violates struct {
	Invariant string `json:"invariant"`
	// Steps restricts the declaration to steps with these names; empty means
	// any step.
	Steps []string `json:"steps"`
	// Since and Until bound the kubelet versions, "1.26" and "1.37.2" alike;
	// Until is the first version without the bug. Empty is unbounded.
	Since string `json:"since"`
	Until string `json:"until"`
	// Why is the cause in a sentence; Source the upstream issue.
	Why    string `json:"why"`
	Source string `json:"source"`
	Line   int    `json:"-"`
}

// Step is one event, or one expectation about the state reached.
type Step struct {
	// Name is optional and lets Violates refer to the step.
	Name string
	Line int
	// Exactly one of Event and Expect is set.
	Event  Event
	Expect *Expect
}

// Event is something that happens to the node: one of the types below.
type Event interface {
	// String says the event in one line.
	String() string
}

// The kubelet's events. Config, where given, is a merge patch (RFC 7386) onto
// the configuration last used; the patch stays for later starts.
type (
	// StartKubelet starts a stopped or failed kubelet. A start that fails is
	// data: the observation holds the kubelet's error.
	StartKubelet struct {
		Config json.RawMessage `json:"config"`
		// SourcesNotReady starts without the API server's pods; the event
		// SourcesReady delivers them.
		SourcesNotReady bool `json:"sourcesNotReady"`
		// DevicesNotReady starts without the device plugins; the event
		// DevicesReady registers them.
		DevicesNotReady bool `json:"devicesNotReady"`
		Line            int  `json:"-"`
	}
	// StopKubelet ends the kubelet process as systemd does (SIGTERM).
	StopKubelet struct{}
	// KillKubelet ends the kubelet with SIGKILL.
	KillKubelet struct{}
	// RestartKubelet is StopKubelet and StartKubelet.
	RestartKubelet struct {
		Config          json.RawMessage `json:"config"`
		SourcesNotReady bool            `json:"sourcesNotReady"`
		DevicesNotReady bool            `json:"devicesNotReady"`
		Line            int             `json:"-"`
	}
	// SourcesReady tells the kubelet that the API server has been heard.
	SourcesReady struct{}
	// DevicesReady lets the device plugins register.
	DevicesReady struct{}
)

// The pods' events.
type (
	// CreatePod binds a pod to the node. A rejection is data.
	CreatePod struct {
		Pod *corev1.Pod
		// HoldInit names the init containers that run until exitContainer.
		HoldInit []string
		// Sizes are the CPUs given in units of the machine. Pod has only their
		// numbers; the runner works them out.
		Sizes []Size
	}
	// DeletePod deletes a pod: its containers stop, then it is gone.
	DeletePod struct {
		Pod string `json:"pod"`
	}
	// ResizePod asks for other resources of a running pod's container, in
	// place; a nil one stays. The kubelet's answer is data.
	ResizePod struct {
		Container string             `json:"container"` // pod/container
		CPU       *resource.Quantity `json:"cpu"`
		Memory    *resource.Quantity `json:"memory"`
	}
	// AddEphemeralContainer puts an ephemeral container into a pod that runs, as
	// 'kubectl debug' does. It asks for no resources and is never started again.
	AddEphemeralContainer struct {
		Pod  string `json:"pod"`
		Name string `json:"name"` // the container's
	}
	// ExitContainer ends a running container's process; the kubelet restarts
	// it when the restart policy says so. A held init container that exits
	// with 0 lets the next one start.
	ExitContainer struct {
		Container string `json:"container"` // pod/container
		ExitCode  int    `json:"exitCode"`
	}
)

// The state files' events.
type (
	// DeleteStateFile removes a manager's state file.
	DeleteStateFile struct {
		File StateFile `json:"file"`
	}
	// WriteStateFile replaces a state file.
	WriteStateFile struct {
		File StateFile `json:"file"`
		// Content is the raw text; used when Checkpoint is nil.
		Content    string          `json:"content"`
		Checkpoint *CheckpointSpec `json:"checkpoint"`
	}
	// EditStateFile changes an existing state file in place.
	EditStateFile struct {
		File StateFile `json:"file"`
		// Truncate keeps only so many bytes; nil keeps all.
		Truncate *int `json:"truncate"`
		// Append adds raw text at the end.
		Append string `json:"append"`
		// Set replaces top-level JSON fields of the file.
		Set map[string]json.RawMessage `json:"set"`
		// FixChecksum recomputes the checksums after Set, as a person with the
		// right tool would; without it the file is corrupt afterwards.
		FixChecksum bool `json:"fixChecksum"`
	}
)

// StateFile names a manager's state file.
type StateFile string

// The state files below /var/lib/kubelet.
const (
	CPUState    StateFile = "cpu_manager_state"
	MemoryState StateFile = "memory_manager_state"
)

// CheckpointSpec describes a CPU manager state file in one of its formats.
type CheckpointSpec struct {
	// Version is v1 (up to 1.17), v2 (1.18 to 1.35), v3 (1.36 with the gate)
	// or v4 (1.37).
	Version    string       `json:"version"`
	PolicyName string       `json:"policyName"`
	SharedPool observe.CPUs `json:"sharedPool"`
	// Entries are keyed by pod name (or UID), then container.
	Entries map[string]map[string]observe.CPUs `json:"entries"`
	// Checksum is valid, zero or wrong.
	Checksum string `json:"checksum"`
}

// The machine's events.
type (
	// Reboot restarts the machine: kubelet and containers are gone, the disk
	// with its state files and the pods bound to the node stay. The kubelet
	// is not started.
	Reboot struct{}
	// OfflineCPUs and OnlineCPUs hot-unplug and replug CPUs.
	OfflineCPUs struct {
		CPUs observe.CPUs `json:"cpus"`
	}
	OnlineCPUs struct {
		CPUs observe.CPUs `json:"cpus"`
	}
	// AddCPUs hot-adds CPUs beside an existing one (a VM that grew).
	AddCPUs struct {
		CPUs observe.CPUs `json:"cpus"`
		Like int          `json:"like"`
	}
	// SwapProfile changes the machine, as a BIOS setting or a new board does.
	SwapProfile struct {
		Profile string `json:"profile"`
	}
	// SetHugePages gives a NUMA node so many huge pages of a size. A running
	// kubelet does not notice.
	SetHugePages struct {
		NUMANode int               `json:"numaNode"`
		Size     resource.Quantity `json:"size"`
		Count    int               `json:"count"`
	}
	// MoveMemory moves memory from one NUMA node to another, as firmware does
	// between boots.
	MoveMemory struct {
		From  int    `json:"from"`
		To    int    `json:"to"`
		Bytes uint64 `json:"bytes"`
	}
)

// The clock's events.
type (
	// Reconcile lets the CPU manager's loop run so many ticks.
	Reconcile struct {
		Times int `json:"times"`
	}
	// Advance moves the clock; the loop runs once per reconcile period.
	Advance struct {
		Duration time.Duration `json:"duration"`
	}
)

// The faults.
type (
	// FailRuntimeUpdate lets the runtime's UpdateContainerResources fail.
	FailRuntimeUpdate struct {
		// Container is pod/container, or empty for every container.
		Container string `json:"container"`
		Error     string `json:"error"`
		// Times bounds the failures; 0 means until ClearFaults.
		Times int `json:"times"`
	}
	// FailCheckpointRead denies the kubelet reading a state file (EACCES), as
	// when it runs as another user.
	FailCheckpointRead struct {
		File StateFile `json:"file"`
	}
	// FailCheckpointWrite lets writes of a state file fail.
	FailCheckpointWrite struct {
		File StateFile `json:"file"`
		// Errno is EMFILE, ENFILE, ENOSPC, EIO, EROFS or EACCES.
		Errno string `json:"errno"`
		Times int    `json:"times"`
	}
	// KillAtCheckpointWrite kills the kubelet at the Nth write of a state file
	// counted from now on.
	KillAtCheckpointWrite struct {
		File StateFile `json:"file"`
		Nth  int       `json:"nth"`
		// When is before or after.
		When string `json:"when"`
	}
	// LimitOpenFiles sets the kubelet's soft nofile limit so that only so
	// many more descriptors can be opened. The target needs a process of its
	// own for it.
	LimitOpenFiles struct {
		Free int `json:"free"`
	}
	// Exhaust lets another process use up a limit of the kernel, so that only
	// so many are left for the user that the kubelet runs as.
	Exhaust struct {
		// Sysctl is one of Sysctls.
		Sysctl string `json:"sysctl"`
		Free   int    `json:"free"`
	}
	// ClearFaults ends every fault.
	ClearFaults struct{}
	// ClobberCPUSet rewrites a container's cgroup cpuset behind the kubelet's
	// back, as systemctl daemon-reload or a tool does.
	ClobberCPUSet struct {
		Container string       `json:"container"`
		CPUs      observe.CPUs `json:"cpus"`
	}
)

// The kernel's limits that an Exhaust event uses up.
const (
	InotifyInstances = "fs.inotify.max_user_instances"
	InotifyWatches   = "fs.inotify.max_user_watches"
	FileMax          = "fs.file-max"
)

// Sysctls are the limits that can be used up.
func Sysctls() []string { return []string{InotifyInstances, InotifyWatches, FileMax} }

// Expect is what must hold in the state reached. Unset fields are not checked.
type Expect struct {
	Kubelet observe.KubeletState `json:"kubelet"`
	// KubeletError is contained in the kubelet's error.
	KubeletError string                     `json:"kubeletError"`
	SharedPool   *observe.CPUs              `json:"sharedPool"`
	Reserved     *observe.CPUs              `json:"reserved"`
	Pods         map[string]ExpectPod       `json:"pods"`
	Containers   map[string]ExpectContainer `json:"containers"`
	Checkpoint   *ExpectCheckpoint          `json:"checkpoint"`
	// Violations names the invariants that are broken now, all of them; nil
	// is not checked. It also accepts these violations in the events since
	// the last expectation.
	Violations *[]string `json:"violations"`
	// Log are substrings, each found in a log line since the last expectation.
	Log []string `json:"log"`
	// CEL are expressions over the observation that must be true.
	CEL []CELExpr `json:"cel"`
}

// CELExpr is one CEL expression with its line.
type CELExpr struct {
	Expr string `json:"expr"`
	Line int    `json:"-"`

	// program is compiled by the loader; an expression made by hand is
	// compiled when it is checked.
	program *celProgram
}

// ExpectPod is about the last admission of a pod.
type ExpectPod struct {
	// Present says whether the node still knows the pod.
	Present  *bool  `json:"present"`
	Admitted *bool  `json:"admitted"`
	Reason   string `json:"reason"`  // equal
	Message  string `json:"message"` // contained
	QoS      string `json:"qos"`
	Line     int    `json:"-"`
}

// ExpectContainer is about one container, keyed pod/container.
type ExpectContainer struct {
	Present   *bool                  `json:"present"`
	State     observe.ContainerState `json:"state"`
	Exclusive *bool                  `json:"exclusive"`
	// CPUs is a list, or "shared" for the shared pool, or "none".
	CPUs string `json:"cpus"`
	// Actual is likewise what the cgroup says, or "assigned".
	Actual string `json:"actual"`
	// Count is the number of CPUs assigned.
	Count *Amount `json:"count"`
	// NUMANodes are the nodes of the assigned CPUs.
	NUMANodes *[]int `json:"numaNodes"`
	// OneNUMANode, OneSocket, OneUncoreCache and WholeCores are about the
	// assigned CPUs in terms of the machine.
	OneNUMANode    *bool         `json:"oneNUMANode"`
	OneSocket      *bool         `json:"oneSocket"`
	OneUncoreCache *bool         `json:"oneUncoreCache"`
	WholeCores     *bool         `json:"wholeCores"`
	Mems           *observe.CPUs `json:"mems"`
	QoS            string        `json:"qos"`
	Reason         string        `json:"reason"` // contained
	Devices        *[]string     `json:"devices"`
	Line           int           `json:"-"`
}

// ExpectCheckpoint is about the CPU manager's state file.
type ExpectCheckpoint struct {
	Exists     *bool         `json:"exists"`
	Policy     string        `json:"policy"`
	SharedPool *observe.CPUs `json:"sharedPool"`
	// Entries are keyed pod/container; when set they are all there is.
	Entries *map[string]observe.CPUs `json:"entries"`
	Line    int                      `json:"-"`
}
