// Package observe holds what can be seen of a node at one moment: plain data,
// the same for a simulated node, a lab VM, a kind node and this host. It is a
// leaf, so that everything may depend on it.
package observe

// KubeletRoot is where a kubelet keeps its state files. Texts about a simulated
// node name it in place of the node's own directory, so that they read like a
// real log and are the same in every run.
const KubeletRoot = "/var/lib/kubelet"

// The managers' state files below the kubelet's root directory.
const (
	CPUStateFile    = "cpu_manager_state"
	MemoryStateFile = "memory_manager_state"
)

// KubeletState says what the kubelet process is doing.
type KubeletState string

// The states of a kubelet.
const (
	KubeletRunning KubeletState = "running"
	KubeletStopped KubeletState = "stopped"
	// KubeletFailed means that the last start ended with an error.
	KubeletFailed KubeletState = "failed"
)

// Observation is one snapshot of a node.
type Observation struct {
	Kubelet KubeletState `json:"kubelet"`
	// KubeletError is the kubelet's own text when Kubelet is failed.
	KubeletError string `json:"kubeletError,omitempty"`
	// Started says that a kubelet start has ended, well or not, since the
	// previous observation.
	Started bool `json:"started,omitempty"`
	// Config is the part of the kubelet's configuration that decides what the
	// managers promise.
	Config Config `json:"config"`
	// Online are the CPUs that the kernel has online.
	Online CPUs `json:"online"`
	// SharedPool is the CPU manager's default cpuset; with the kubelet down it
	// is what the state file says.
	SharedPool CPUs `json:"sharedPool"`
	// Containers holds every container of every pod the node knows, ordered
	// by pod creation, then init containers, then app containers.
	Containers []Container `json:"containers"`
	// Stale holds assignments of containers that no pod of the node has, as
	// the manager (or, with the kubelet down, the state file) lists them.
	Stale []Assignment `json:"stale,omitempty"`
	// PodCPUs are the sets of pods whose CPUs are handed out as one (pod-level
	// resources), whichever container holds them; Container is empty.
	PodCPUs []Assignment `json:"podCPUs,omitempty"`
	// Admissions are the answers given since the previous observation.
	Admissions []Admission `json:"admissions,omitempty"`
	// Resizes are the answers to resizes of pods since then.
	Resizes []Admission `json:"resizes,omitempty"`
	// Checkpoint is the content of cpu_manager_state; nil when there is no
	// readable file.
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
	// CheckpointError says why an existing state file could not be read.
	CheckpointError string `json:"checkpointError,omitempty"`
	// Reconciled says that a reconcile tick has run since the last change.
	Reconciled bool `json:"reconciled"`
	// SourcesNotReady says that the kubelet runs but has not heard of all pods
	// yet; until then it keeps the assignments of pods it does not know.
	SourcesNotReady bool `json:"sourcesNotReady,omitempty"`
	// UnchangedRestart says that the kubelet has just been started, after an
	// earlier successful start with the same configuration, hardware and state
	// files.
	UnchangedRestart bool `json:"unchangedRestart,omitempty"`
	// NUMAMemory is the memory manager's view per NUMA node; empty without
	// its Static policy.
	NUMAMemory []NUMAMemory `json:"numaMemory,omitempty"`
	// Sandboxes are the pods' sandboxes (pause containers) of a real node. No
	// manager assigns CPUs to them.
	Sandboxes []Sandbox `json:"sandboxes,omitempty"`
	// Unread says what could not be read on a real node, and why. What depends
	// on it is then told as the state file has it.
	Unread []string `json:"unread,omitempty"`
}

// Config is the part of a KubeletConfiguration that the invariants look at.
type Config struct {
	CPUManagerPolicy        string            `json:"cpuManagerPolicy,omitempty"`
	CPUManagerPolicyOptions map[string]string `json:"cpuManagerPolicyOptions,omitempty"`
	TopologyManagerPolicy   string            `json:"topologyManagerPolicy,omitempty"`
	TopologyManagerScope    string            `json:"topologyManagerScope,omitempty"`
	MemoryManagerPolicy     string            `json:"memoryManagerPolicy,omitempty"`
	// Reserved are the CPUs kept from exclusive use.
	Reserved CPUs `json:"reserved,omitempty"`
}

// ContainerKind says which role a container has in its pod.
type ContainerKind string

// The kinds of container. A sidecar is a restartable init container, an ephemeral one
// was put into a running pod.
const (
	KindApp     ContainerKind = "app"
	KindInit    ContainerKind = "init"
	KindSidecar ContainerKind = "sidecar"

	KindEphemeral ContainerKind = "ephemeral"
)

// ContainerState says what the runtime does with a container.
type ContainerState string

// The states of a container, as in a pod's status.
const (
	StateWaiting    ContainerState = "waiting"
	StateRunning    ContainerState = "running"
	StateTerminated ContainerState = "terminated"
)

// Container is one container of one pod.
type Container struct {
	Pod       string         `json:"pod"`
	Container string         `json:"container"`
	Kind      ContainerKind  `json:"kind"`
	State     ContainerState `json:"state"`
	// QoS is the pod's QoS class.
	QoS string `json:"qos"`
	// Requested counts the CPUs the container was promised for its own use;
	// 0 for a container of the shared pool.
	Requested int `json:"requested,omitempty"`
	// Exclusive says that the manager assigned CPUs to this container alone.
	Exclusive bool `json:"exclusive"`
	// PodShared says that the container runs on the CPUs of its pod that no
	// container of the pod has for itself (pod-level resources).
	PodShared bool `json:"podShared,omitempty"`
	// Assigned is what the manager says the container runs on.
	Assigned CPUs `json:"assigned"`
	// Actual is what the container's cgroup says; empty when it does not run.
	Actual CPUs `json:"actual"`
	// Configured is the cgroup's cpuset.cpus where Actual, its
	// cpuset.cpus.effective, is something else; only a real kernel has both.
	Configured CPUs `json:"configured,omitempty"`
	// Threads are the affinities of the container's threads that are not
	// Actual; only a real kernel has threads.
	Threads []CPUs `json:"threads,omitempty"`
	// NUMANodes are the nodes of the exclusive CPUs.
	NUMANodes []int `json:"numaNodes,omitempty"`
	// Mems are the NUMA nodes in the container's cpuset.mems, a kernel list;
	// empty when unrestricted.
	Mems CPUs `json:"mems,omitempty"`
	// Devices are the ids of the devices assigned, by resource.
	Devices []string `json:"devices,omitempty"`
	// Reason says why the container is exclusive or shared.
	Reason string `json:"reason"`
}

// SharesPod begins what the Reason of a container with PodShared adds: the CPUs of
// its pod follow.
const SharesPod = "; shares the pod's own CPUs "

// Sandbox is the sandbox of a pod as the kernel has it; the fields are as those
// of Container.
type Sandbox struct {
	Pod        string `json:"pod"`
	Actual     CPUs   `json:"actual"`
	Configured CPUs   `json:"configured,omitempty"`
	Threads    []CPUs `json:"threads,omitempty"`
}

// Ref is the container's name in scenarios and on screens: pod/container.
func (c Container) Ref() string { return c.Pod + "/" + c.Container }

// Assignment is one entry of the CPU manager's state. Pod is the pod's name
// when the node knows it, its UID otherwise.
type Assignment struct {
	Pod       string `json:"pod"`
	Container string `json:"container,omitempty"`
	CPUs      CPUs   `json:"cpus"`
}

// Admission is the kubelet's answer to one pod.
type Admission struct {
	Pod      string `json:"pod"`
	Admitted bool   `json:"admitted"`
	// Reason and Message are the kubelet's own, as in the pod's status.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Readmission marks a pod that ran before the kubelet started.
	Readmission bool `json:"readmission,omitempty"`
	// ExclusiveCPUs counts the CPUs that the pod asked for as its own, the most at a
	// time; 0 where it asked for more than CPUs and plain memory.
	ExclusiveCPUs int `json:"exclusiveCPUs,omitempty"`
	// ExclusiveStep is the greatest number that divides what each container asked
	// for; 0 when it is ExclusiveCPUs.
	ExclusiveStep int `json:"exclusiveStep,omitempty"`
	// ExclusiveMemory counts the bytes that the pod asked for as its own in the same
	// way, where the memory manager's policy is Static.
	ExclusiveMemory uint64 `json:"exclusiveMemory,omitempty"`
}

// Rejected begins the message of a pod that was rejected, in its status; the
// event of the same name has the message alone (pkg/kubelet/kubelet.go,
// rejectPod).
const Rejected = "Pod was rejected: "

// Checkpoint is the content of the CPU manager's state file.
type Checkpoint struct {
	Policy     string       `json:"policy"`
	SharedPool CPUs         `json:"sharedPool"`
	Entries    []Assignment `json:"entries,omitempty"`
}

// StateFile is what a cpu_manager_state says; Entries are by pod UID and
// container.
type StateFile struct {
	Policy     string
	SharedPool CPUs
	Entries    map[string]map[string]CPUs
	// PodCPUs are the sets of pods with pod-level resources, by UID.
	PodCPUs map[string]CPUs
}

// MemoryFile is what a memory_manager_state says.
type MemoryFile struct {
	Policy string
	// Nodes is the account of each NUMA node.
	Nodes []NUMAMemory
	// Bytes is the memory reserved for containers, by pod UID and container.
	Bytes map[string]map[string]uint64
	// PodLevel says that memory is reserved for pods as a whole, too.
	PodLevel bool
}

// NUMAMemory is the memory manager's account of one NUMA node, in bytes.
type NUMAMemory struct {
	Node        int    `json:"node"`
	Allocatable uint64 `json:"allocatable"`
	Reserved    uint64 `json:"reserved"`
	Free        uint64 `json:"free"`
	// Group lists the nodes whose memory is handed out together.
	Group []int `json:"group,omitempty"`
}

// Violation is an invariant that did not hold.
type Violation struct {
	// Invariant is its name, see package invariant.
	Invariant string `json:"invariant"`
	// Detail names the containers and CPUs concerned.
	Detail string `json:"detail"`
	// Expected marks a violation that the scenario declares.
	Expected bool `json:"expected,omitempty"`
}

// LogLine is one line of the kubelet's structured log.
type LogLine struct {
	// Severity is I, W or E.
	Severity string `json:"severity"`
	// Verbosity is the line's V level.
	Verbosity int `json:"v,omitempty"`
	// Text is the message with its key-value pairs, as klog writes them.
	Text string `json:"text"`
}

// Step is one event and what was seen after it.
type Step struct {
	// Index counts the scenario's steps from 1.
	Index int `json:"index"`
	// Line is the step's line in the scenario file; 0 when unknown.
	Line int `json:"line,omitempty"`
	// Event is the event in one line, as a person would say it.
	Event string `json:"event"`
	// Observation is zero for an expectation: nothing has happened since the
	// step before.
	Observation Observation `json:"observation,omitzero"`
	Violations  []Violation `json:"violations,omitempty"`
	// Failures are the expectations that did not hold in this step.
	Failures []string `json:"failures,omitempty"`
	// LogCounts are those Failures that are about how many lines were logged. It
	// depends on how often a real loop has ticked, which nobody counts there.
	LogCounts []string  `json:"logCounts,omitempty"`
	Log       []LogLine `json:"log,omitempty"`
	// Error is what ended the replay in this step.
	Error string `json:"error,omitempty"`
	// Skipped says why the target could not do this event.
	Skipped string `json:"skipped,omitempty"`
}

// Trace is everything seen while one scenario was replayed on one target.
type Trace struct {
	Steps []Step `json:"steps"`
}
