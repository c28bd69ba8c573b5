package verify

import (
	"cmp"
	"slices"

	"github.com/pinlab/pinlab/sim/observe"
)

// The report's apiVersion and kind.
const (
	APIVersion = "pinlab/v1alpha1"
	Kind       = "VerifyReport"
)

// Severity ranks findings by the harm they do.
type Severity string

// The severities. Notes are worth knowing and harm nobody by themselves.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Note     Severity = "note"
)

// Report is all that an audit has to say.
type Report struct {
	APIVersion string  `json:"apiVersion"`
	Kind       string  `json:"kind"`
	Node       Node    `json:"node"`
	Kubelet    Kubelet `json:"kubelet"`
	// Containers are ordered by pod and container.
	Containers []Container `json:"containers"`
	// Findings are ordered by severity.
	Findings []Finding `json:"findings"`
	// Starts are the answers of the kubelet's code to a start with the state
	// files as they are.
	Starts []Start `json:"starts"`
	// Unread is what could not be read, so that nothing was concluded from it.
	Unread []Unread `json:"unread"`
	// Skipped are the checks that were left out by request.
	Skipped []string `json:"skipped,omitempty"`
}

// Held says that there is neither a critical finding nor a warning.
func (r *Report) Held() bool { return r.count(Critical)+r.count(Warning) == 0 }

// Incomplete is what could not be read, without which nothing found does not
// mean that nothing is wrong.
func (r *Report) Incomplete() []Unread {
	var out []Unread
	for _, u := range r.Unread {
		if u.Essential {
			out = append(out, u)
		}
	}
	return out
}

func (r *Report) count(s Severity) int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Severity == s {
			n++
		}
	}
	return n
}

// Node is the machine.
type Node struct {
	CgroupVersion int          `json:"cgroupVersion,omitempty"`
	Online        observe.CPUs `json:"online"`
	NUMANodes     int          `json:"numaNodes"`
	// Isolated and NoHzFull are the CPUs that the kernel was told to keep out
	// of load balancing, and to leave without ticks.
	Isolated observe.CPUs `json:"isolated,omitempty"`
	NoHzFull observe.CPUs `json:"nohzFull,omitempty"`
}

// Kubelet is what was found of the kubelet.
type Kubelet struct {
	// State is running, stopped or unread.
	State string `json:"state"`
	PID   int    `json:"pid,omitempty"`
	// ConfigFrom says where the configuration was read: files, and the command
	// line where its flags decide something.
	ConfigFrom []string       `json:"configFrom,omitempty"`
	Config     observe.Config `json:"config"`
	RootDir    string         `json:"rootDir"`
	// CPUState and MemoryState say whether the state files were read: read,
	// missing, malformed or unread.
	CPUState    string `json:"cpuState"`
	MemoryState string `json:"memoryState"`
	// SharedPool is the state file's; absent when it is not known.
	SharedPool *observe.CPUs `json:"sharedPool,omitempty"`
	// Entries are those of the state file.
	Entries []observe.Assignment `json:"entries,omitempty"`
}

// The states of what is read.
const (
	stateRead      = "read"
	stateMissing   = "missing"
	stateMalformed = "malformed"
	stateUnread    = "unread"
)

// Container is one container, or a pod's sandbox, that has a cgroup.
type Container struct {
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	PodUID    string `json:"podUID"`
	ID        string `json:"id"`
	// NamedBy says who told the names: cri, bundle (the runtime's files),
	// process (a sandbox, by its only process), or nobody.
	NamedBy string `json:"namedBy,omitempty"`
	Sandbox bool   `json:"sandbox,omitempty"`
	QoS     string `json:"qos"`
	// Running is absent when it is not known.
	Running *bool `json:"running,omitempty"`
	// Cgroup is the path below the cgroup mount.
	Cgroup string `json:"cgroup"`
	// Exclusive says that the state file assigns CPUs to this container.
	Exclusive bool `json:"exclusive"`
	// Requested counts the whole CPUs that a Guaranteed container is limited
	// to; 0 when its limit is not whole or not known.
	Requested int `json:"requested,omitempty"`
	// Assigned is what the state file gives the container: its entry, or the
	// shared pool. What is absent here and below is not known.
	Assigned  *observe.CPUs `json:"assigned,omitempty"`
	CPUs      *observe.CPUs `json:"cpus,omitempty"`
	Effective *observe.CPUs `json:"effective,omitempty"`
	Mems      *observe.CPUs `json:"mems,omitempty"`
	// AssignedMems are the NUMA nodes of the memory manager's entry.
	AssignedMems *observe.CPUs `json:"assignedMems,omitempty"`
	// Threads are the affinities of all threads, each once; absent when those
	// of a process are not known.
	Threads []Affinity `json:"threads,omitempty"`
	// Memory is where the container's memory is.
	Memory *Memory  `json:"memory,omitempty"`
	Unread []string `json:"unread,omitempty"`
}

// Affinity is a set of CPUs and the number of threads that may run on it.
type Affinity struct {
	CPUs    observe.CPUs `json:"cpus"`
	Threads int          `json:"threads"`
}

// Memory is the memory of a container by NUMA node.
type Memory struct {
	// From is the file that told: memory.numa_stat or numa_maps.
	From string `json:"from"`
	// Bytes by node.
	Bytes map[string]uint64 `json:"bytes"`
	// Local is the share on the nodes of the container's CPUs.
	Local float64 `json:"local"`
}

// Runs says that the container is known to run.
func (c *Container) Runs() bool { return c.Running != nil && *c.Running }

// Ref names the container: namespace/pod/container, with the pod's UID and the
// beginning of the container's id where nobody tells the names.
func (c *Container) Ref() string { return c.podRef() + "/" + c.name() }

func (c *Container) podRef() string {
	if c.Pod == "" {
		return c.PodUID
	}
	if c.Namespace == "" {
		return c.Pod
	}
	return c.Namespace + "/" + c.Pod
}

func (c *Container) name() string {
	switch {
	case c.Container != "":
		return c.Container
	case c.Sandbox:
		return "(sandbox)"
	}
	return c.ID[:min(12, len(c.ID))]
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Severity Severity `json:"severity"`
	// Check is the invariant or the check that found it.
	Check string `json:"check"`
	What  string `json:"what"`
	// Where names containers, processes, interrupts or files.
	Where []string     `json:"where,omitempty"`
	CPUs  observe.CPUs `json:"cpus,omitempty"`
	Why   string       `json:"why"`
	// Remedy says what to do about it.
	Remedy string `json:"remedy"`
}

// Start is the answer of the kubelet's code to a start on a copy of the state
// files.
type Start struct {
	// Config says which configuration: the node's own, or the file that was
	// proposed.
	Config string `json:"config"`
	// Proposed says that it is the latter.
	Proposed bool `json:"proposed,omitempty"`
	// Result is starts, refused or unchecked.
	Result string `json:"result"`
	// Refusal is the kubelet's own error.
	Refusal string `json:"refusal,omitempty"`
	// Unchecked says why nothing was found out.
	Unchecked string `json:"unchecked,omitempty"`
	// KubeletVersion is that of the code which answered.
	KubeletVersion string `json:"kubeletVersion,omitempty"`
}

// The results of a start.
const (
	Starts    = "starts"
	Refused   = "refused"
	Unchecked = "unchecked"
)

func rank(s Severity) int { return slices.Index([]Severity{Critical, Warning, Note}, s) }

func (r *Report) sort() {
	order := map[string]int{}
	for i, name := range Checks() {
		order[name] = i
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(rank(a.Severity)-rank(b.Severity), order[a.Check]-order[b.Check])
	})
}
