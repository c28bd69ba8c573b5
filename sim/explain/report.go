package explain

import (
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// The identity of a report in JSON and YAML.
const (
	APIVersion = "pinlab/v1alpha1"
	Kind       = "ExplainReport"
)

// Report is the answer for every pod of a file.
type Report struct {
	APIVersion     string `json:"apiVersion"`
	Kind           string `json:"kind"`
	KubeletVersion string `json:"kubeletVersion"`
	Profile        string `json:"profile"`
	// Assumptions are what the answer rests on and nobody said.
	Assumptions []string `json:"assumptions,omitempty"`
	Kubelet     Kubelet  `json:"kubelet"`
	// State is what the given state file holds.
	State *State `json:"state,omitempty"`
	// Pods are placed one after another on the same node, in this order.
	Pods []Pod `json:"pods"`
	// Node is what is to be seen of the node with all pods placed.
	Node observe.Observation `json:"node"`

	machine *hwprofiles.Profile
}

// Held says that the kubelet starts and admits every pod.
func (r *Report) Held() bool {
	if !r.Kubelet.Starts {
		return false
	}
	for i := range r.Pods {
		if !r.Pods[i].Admission.Admitted {
			return false
		}
	}
	return true
}

// Kubelet says how the kubelet takes its configuration and its state file.
type Kubelet struct {
	Starts bool `json:"starts"`
	// Error is the kubelet's own text.
	Error string `json:"error,omitempty"`
	// Remedy is what to do about it, step by step.
	Remedy []string `json:"remedy,omitempty"`
	// Remedied says that the pods are explained as they would be after the
	// remedy.
	Remedied bool           `json:"remedied,omitempty"`
	Config   observe.Config `json:"config"`
}

// State is what a state file holds.
type State struct {
	File       string       `json:"file"`
	Policy     string       `json:"policy,omitempty"`
	SharedPool observe.CPUs `json:"sharedPool,omitempty"`
	// Entries are the assignments; Pod is a UID, or the name of a pod of the
	// manifest that has this UID.
	Entries []observe.Assignment `json:"entries,omitempty"`
	// Error says why it cannot be read as a state file.
	Error string `json:"error,omitempty"`
}

// Verdict is the short answer for one pod.
type Verdict string

// The verdicts.
const (
	// Pinned: every container that runs beside the pod's life and asks for a
	// whole CPU has CPUs of its own.
	Pinned Verdict = "pinned"
	// PartlyPinned: some of them have.
	PartlyPinned Verdict = "partly-pinned"
	// Shared: none has.
	Shared Verdict = "shared"
	// Rejected: the kubelet does not admit the pod.
	Rejected Verdict = "rejected"
	// NotPlaced: there is no kubelet that could be asked.
	NotPlaced Verdict = "not-placed"
)

// Pod is the answer for one pod.
type Pod struct {
	Pod       string `json:"pod"`
	Namespace string `json:"namespace"`
	// Workload is the object that the pod is made from, as in Deployment/web.
	Workload string  `json:"workload"`
	File     string  `json:"file"`
	Line     int     `json:"line"`
	Verdict  Verdict `json:"verdict"`
	QoS      QoS     `json:"qos"`
	// Warnings are what may make the answer wrong for the real pod.
	Warnings []string `json:"warnings,omitempty"`

	Admission  Admission   `json:"admission"`
	Containers []Container `json:"containers"`
	Topology   *Topology   `json:"topology,omitempty"`
	// Allocatable is the arithmetic of a pod that the node has no room for.
	Allocatable []Resource `json:"allocatable,omitempty"`
	// Suggestions are changes after which the pod is pinned, the smallest
	// first; each was tried.
	Suggestions []Suggestion `json:"suggestions,omitempty"`
	// SameAs names an earlier pod of the same workload with the same answer;
	// its suggestions hold for this one too.
	SameAs string   `json:"sameAs,omitempty"`
	Notes  []string `json:"notes,omitempty"`
}

// QoS is a pod's QoS class and what decides it.
type QoS struct {
	Class string `json:"class"`
	// Container is the first container that decides it, empty when the pod's
	// own resources do, or when all containers agree.
	Container string `json:"container,omitempty"`
	// Field is the manifest's field, with its path in the object.
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail"`
}

// Admission is the kubelet's answer.
type Admission struct {
	Admitted bool `json:"admitted"`
	// Reason and Message are the kubelet's own.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Because says the same in terms of what is missing where.
	Because string `json:"because,omitempty"`
}

// Container is the answer for one container.
type Container struct {
	Name string                `json:"name"`
	Kind observe.ContainerKind `json:"kind"`
	// Requests and Limits are those for cpu and memory, defaults filled in.
	Requests Amounts `json:"requests"`
	Limits   Amounts `json:"limits"`
	// QoS is the class that this container alone would give the pod; a pod is
	// Guaranteed only when it is Guaranteed for every container.
	QoS string `json:"qos"`
	// QoSDetail says why it is not Guaranteed.
	QoSDetail string `json:"qosDetail,omitempty"`
	// Promised counts the CPUs that the rules give the container for its own.
	Promised  int          `json:"promised"`
	Exclusive bool         `json:"exclusive"`
	CPUs      observe.CPUs `json:"cpus"`
	NUMANodes []int        `json:"numaNodes,omitempty"`
	Devices   []string     `json:"devices,omitempty"`
	Reason    string       `json:"reason"`
}

// Amounts are quantities as the manifest writes them; empty means none.
type Amounts struct {
	CPU    string `json:"cpu,omitempty"`
	Memory string `json:"memory,omitempty"`
}

// Topology is what the topology manager asked and heard.
type Topology struct {
	Policy string  `json:"policy"`
	Scope  string  `json:"scope"`
	Rounds []Round `json:"rounds"`
}

// Round is one question: for a container, or for the whole pod in pod scope.
type Round struct {
	Container string     `json:"container,omitempty"`
	Nodes     []NodeFit  `json:"nodes"`
	Answers   []Answer   `json:"answers"`
	Best      string     `json:"best"`
	Admitted  bool       `json:"admitted"`
	Requests  []Quantity `json:"requests"`
}

// Quantity is an amount of one resource. Memory is in bytes.
type Quantity struct {
	Resource string `json:"resource"`
	Amount   int64  `json:"amount"`
}

// NodeFit is one NUMA node at the time of the question.
type NodeFit struct {
	Node int `json:"node"`
	// Free is what was free, resource by resource as in Round.Requests.
	Free []Quantity `json:"free"`
	// Lacks names the resources that the node alone cannot serve.
	Lacks []string `json:"lacks,omitempty"`
}

// Answer is one manager's answer.
type Answer struct {
	Provider string `json:"provider"`
	Resource string `json:"resource,omitempty"`
	// Hints are sets of NUMA nodes; those with a star are preferred. "any"
	// means no preference, "none" that nothing fits.
	Hints []string `json:"hints"`
}

// Resource is one line of the node's arithmetic. Memory is in bytes, CPU in
// thousandths.
type Resource struct {
	Resource    string `json:"resource"`
	Capacity    int64  `json:"capacity"`
	Reserved    int64  `json:"reserved"`
	Allocatable int64  `json:"allocatable"`
	Used        int64  `json:"used"`
	Requested   int64  `json:"requested"`
	// Missing is what the node lacks; 0 when it fits.
	Missing int64 `json:"missing"`
}

// Suggestion is a change after which the pod is pinned.
type Suggestion struct {
	Title string `json:"title"`
	// Manifest are the fields to set, Config those of the kubelet.
	Manifest []Edit   `json:"manifest,omitempty"`
	Config   []Edit   `json:"config,omitempty"`
	Notes    []string `json:"notes,omitempty"`
	// Outcome is what the managers answered to the changed pod.
	Outcome []Outcome `json:"outcome"`
}

// Edit is one field to set.
type Edit struct {
	Path string `json:"path"`
	// Container is the container concerned, if any.
	Container string `json:"container,omitempty"`
	Line      int    `json:"line,omitempty"`
	From      string `json:"from,omitempty"`
	// To is empty when the field is to be removed.
	To string `json:"to,omitempty"`
}

// Outcome is where a container would run.
type Outcome struct {
	Container string       `json:"container"`
	CPUs      observe.CPUs `json:"cpus"`
	NUMANodes []int        `json:"numaNodes,omitempty"`
}
