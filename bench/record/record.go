// Package record holds what a measurement is about and what came of it: plain
// data, and the file it is saved in. It is a leaf, so that measuring,
// statistics and reports can share it.
package record

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Operation is one upstream path.
type Operation string

// The operations. Hints, Merge, Allocate and Checkpoint are the parts of
// Admit; they add up to it.
const (
	// Admit is the topology manager's answer to one new pod.
	Admit Operation = "admit"
	// Hints is the managers' own part of it: which NUMA nodes could serve.
	Hints Operation = "hints"
	// Merge is what is left: the topology manager's search for the best hint.
	Merge Operation = "merge"
	// Allocate is the choice of CPUs, without the checkpoint.
	Allocate Operation = "allocate"
	// Checkpoint is the writing of the state files during Admit.
	Checkpoint Operation = "checkpoint"
	// Fit is the comparison with the node's allocatable resources, which the
	// kubelet makes after Admit.
	Fit Operation = "fit"
	// Remove is the reconcile tick that collects a pod that is gone.
	Remove Operation = "remove"
	// Reconcile is a tick with nothing to change.
	Reconcile Operation = "reconcile"
	// Restart is the start of the managers on a populated state file.
	Restart Operation = "restart"
	// Readmit is the admission of all resident pods after a restart.
	Readmit Operation = "readmit"
)

// Operations are all of them, in the order in which they are shown.
func Operations() []Operation {
	return []Operation{Admit, Hints, Merge, Allocate, Checkpoint, Fit, Remove, Reconcile, Restart, Readmit}
}

// Storage is where the state files lie.
type Storage string

// Memory is a tmpfs, Disk a file system with something below it.
const (
	Memory Storage = "memory"
	Disk   Storage = "disk"
)

// Config is one node as it is measured.
type Config struct {
	// Profile is what hwprofiles.Resolve makes the machine of, or detected.
	Profile string `json:"profile"`
	// Policy and Options are the CPU manager's.
	Policy  string            `json:"policy"`
	Options map[string]string `json:"policyOptions,omitempty"`
	// TopologyPolicy and TopologyScope are the topology manager's.
	TopologyPolicy string `json:"topologyPolicy"`
	TopologyScope  string `json:"topologyScope"`
	// Fill is what the node holds beforehand: empty, half, fragmented,
	// nearly-full, or a share of the assignable CPUs like 25%.
	Fill string `json:"fill"`
	// Request is the number of CPUs of the pod that comes and goes, and of each
	// resident pod.
	Request int `json:"request"`
	// Containers is over how many containers each pod spreads its CPUs; 0 in
	// files from before there was a choice is one.
	Containers int `json:"containers,omitempty"`
	// Storage is where the state files lie.
	Storage Storage `json:"storage"`
}

// Name tells configurations apart, as key=value parted by slashes. It is what
// two reports are matched by.
func (c Config) Name() string {
	options := "none"
	if len(c.Options) > 0 {
		var list []string
		for _, k := range slices.Sorted(maps.Keys(c.Options)) {
			list = append(list, k+":"+c.Options[k])
		}
		options = strings.Join(list, ",")
	}
	// One container goes without saying, as it did before there could be more.
	containers := ""
	if c.Containers > 1 {
		containers = fmt.Sprintf("/containers=%d", c.Containers)
	}
	return fmt.Sprintf("profile=%s/policy=%s/options=%s/topology=%s/scope=%s/fill=%s/request=%d%s/storage=%s",
		c.Profile, c.Policy, options, c.TopologyPolicy, c.TopologyScope, c.Fill, c.Request, containers, c.Storage)
}

// Machine is the size of what a profile stands for.
type Machine struct {
	CPUs      int `json:"cpus"`
	Cores     int `json:"cores"`
	NUMANodes int `json:"numaNodes"`
	// Pods are the resident ones.
	Pods int `json:"pods"`
	// Topology tells machines apart that have the same sizes: a digest of how
	// CPUs, caches and NUMA nodes lie.
	Topology string `json:"topology,omitempty"`
}

// Status says how the measurement of a configuration ended.
type Status string

// The states. DidNotFinish keeps the samples that came before the deadline.
const (
	Done         Status = "done"
	DidNotFinish Status = "did-not-finish"
	// Refused says that the kubelet does not start with the configuration.
	Refused Status = "refused"
	Failed  Status = "failed"
	// Interrupted says that somebody ended the run; the samples until then are
	// kept.
	Interrupted Status = "interrupted"
)

// Series are the samples of one operation in one configuration.
type Series struct {
	Operation Operation `json:"operation"`
	// Repetitions holds the samples of each repetition, in nanoseconds and in
	// the order in which they were taken. Each repetition is a process of its
	// own. Nothing is left out.
	Repetitions [][]float64 `json:"repetitions"`
	// Summary is of all samples; nil in data that has not been summarized.
	Summary *Summary `json:"summary,omitempty"`
}

// All are the samples of all repetitions.
func (s Series) All() []float64 { return slices.Concat(s.Repetitions...) }

// Summary describes a series; all times are nanoseconds.
type Summary struct {
	N int `json:"n"`
	// Mean and its 95 % confidence interval, which is taken over the means of
	// the repetitions: samples of one process are not independent. The interval
	// is nil with fewer than two repetitions.
	Mean     float64   `json:"mean"`
	MeanCI95 *Interval `json:"meanCI95,omitempty"`
	P50      float64   `json:"p50"`
	// P90 and P99 are nil where there are too few samples to have any beyond.
	P90 *float64 `json:"p90,omitempty"`
	P99 *float64 `json:"p99,omitempty"`
	Max float64  `json:"max"`
}

// Interval is a closed range.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Result is what was measured of one configuration.
type Result struct {
	Config  Config  `json:"config"`
	Machine Machine `json:"machine"`
	Status  Status  `json:"status"`
	// Reason says why it is not Done.
	Reason string `json:"reason,omitempty"`
	// Rejected is the kubelet's answer where it does not admit the pod: what is
	// measured is then the way to the rejection.
	Rejected string `json:"rejected,omitempty"`
	// Series are in the order of Operations.
	Series []Series `json:"series"`
	// Overhead is what was subtracted, the largest of the repetitions.
	Overhead Overhead `json:"overhead"`
}

// Overhead is the harness's own time, in nanoseconds.
type Overhead struct {
	// Timer is one reading of the clock at the start and one at the end.
	Timer float64 `json:"timer"`
	// Loop is the timer between two ticks of upstream's reconcile loop, which
	// in a kubelet is ten seconds long.
	Loop float64 `json:"loop"`
}

// Environment is where and with what the measuring was done.
type Environment struct {
	Kubelet   string `json:"kubelet"`
	Pinlab    string `json:"pinlab,omitempty"`
	Go        string `json:"go"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
	CPUModel  string `json:"cpuModel,omitempty"`
	CPUs      int    `json:"cpus"`
	MemoryDir string `json:"memoryDir,omitempty"`
	DiskDir   string `json:"diskDir,omitempty"`
	// DiskSystem is the file system of DiskDir and what it lies on.
	DiskSystem string    `json:"diskSystem,omitempty"`
	Started    time.Time `json:"started"`
	// Seconds is how long it all took.
	Seconds float64 `json:"seconds"`
}

// Warning is something that makes results doubtful. Warnings are no results.
type Warning struct {
	// About is the name of a configuration, empty for all of them.
	About string `json:"about,omitempty"`
	Text  string `json:"text"`
}

// APIVersion and Kind head a saved report.
const (
	APIVersion = "pinlab/v1alpha1"
	Kind       = "BenchReport"
)

// Report is one run.
type Report struct {
	APIVersion  string      `json:"apiVersion"`
	Kind        string      `json:"kind"`
	Environment Environment `json:"environment"`
	// Interrupted says that the run was ended before all was measured.
	Interrupted bool      `json:"interrupted,omitempty"`
	Results     []Result  `json:"results"`
	Growth      []Growth  `json:"growth,omitempty"`
	Warnings    []Warning `json:"warnings,omitempty"`
}

// Growth is how the cost of an operation grows along one axis, all else equal:
// time = constant × axis^exponent.
type Growth struct {
	Operation Operation `json:"operation"`
	// Along is cpus, numaNodes or pods.
	Along string `json:"along"`
	// Of says what is equal in all points.
	Of string `json:"of"`
	// Points are the sizes and the medians in nanoseconds.
	Points []Point `json:"points"`
	// Exponent is the fitted one; StdErr is its standard error, and CI95 its
	// 95 % confidence interval by Student's t with Points-2 degrees of freedom.
	Exponent float64  `json:"exponent"`
	Constant float64  `json:"constant"`
	StdErr   float64  `json:"stdErr"`
	CI95     Interval `json:"ci95"`
	R2       float64  `json:"r2"`
	// Exponential is set where time = constant × factor^axis fits better.
	Exponential *Exponential `json:"exponential,omitempty"`
}

// Exponential is a growth by a factor with each unit of its axis.
type Exponential struct {
	Factor float64 `json:"factor"`
	R2     float64 `json:"r2"`
}

// Point is one configuration of a Growth.
type Point struct {
	X float64 `json:"x"`
	// NS is the median in nanoseconds.
	NS float64 `json:"ns"`
	// Config is the name of the configuration.
	Config string `json:"config"`
}
