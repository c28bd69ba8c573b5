package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// AssumedConfig is the kubelet configuration of a node about which nothing was
// said: the least that pins anything at all.
const AssumedConfig = `{"cpuManagerPolicy":"static","kubeReserved":{"cpu":"1"}}`

// The feature gates that decide about pod-level resources.
const (
	gatePodLevel         = "PodLevelResources"
	gatePodLevelManagers = "PodLevelResourceManagers"
)

// Options say which pods meet which node.
type Options struct {
	// Decoder decodes kubelet configurations.
	Decoder *kubelet.ConfigDecoder
	// Pods are placed in this order; see LoadPods.
	Pods []scenarios.ManifestPod
	// Profile is the machine.
	Profile *hwprofiles.Profile
	// Config is a KubeletConfiguration as JSON; nil means AssumedConfig.
	Config []byte
	// State is the content of a cpu_manager_state file, nil for none.
	// StateFile names it.
	State     []byte
	StateFile string
	// Devices are those that the node's device plugins offer.
	Devices []kubelet.Device
	// TempDir is where kubelets get their state directories; empty means the
	// simulator's usual place.
	TempDir string
}

// LoadPods reads the pods of a manifest file.
func LoadPods(data []byte, filename string) ([]scenarios.ManifestPod, error) {
	if err := kubelet.ResetFeatureGates(); err != nil {
		return nil, err
	}
	return scenarios.Loader{Pod: kubelet.PreparePod}.ManifestPods(data, filename)
}

// InputError is an error of what was given, not of the harness.
type InputError struct{ err error }

func (e *InputError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *InputError) Unwrap() error { return e.err }

// Explain asks. An error is an InputError, or the harness's own failure; what a
// kubelet refuses is part of the report.
//
// Feature gates belong to the process, so that it must not run twice at a time.
func Explain(ctx context.Context, o Options) (*Report, error) {
	machine, err := o.Profile.MachineInfo()
	if err != nil {
		return nil, &InputError{fmt.Errorf("profile %s: the kubelet cannot read this machine: %w", o.Profile.Name, err)}
	}
	if o.State != nil {
		if err := kubelet.CheckCPUState(o.State); err != nil {
			return nil, &InputError{fmt.Errorf("%s: %w; no kubelet starts with it", o.StateFile, err)}
		}
	}
	x := &explainer{
		Options: o,
		sandbox: &sandbox{decoder: o.Decoder, machine: machine, devices: o.Devices, tempDir: o.TempDir},
		report: &Report{
			APIVersion: APIVersion, Kind: Kind, KubeletVersion: kubelet.Version,
			Profile: o.Profile.Name, machine: o.Profile, Pods: []Pod{},
		},
	}
	x.assume()
	if err := x.explain(ctx); err != nil {
		return nil, err
	}
	return x.report, nil
}

// explainer makes one report.
type explainer struct {
	Options
	sandbox *sandbox
	report  *Report
	// base is the outcome that the report tells.
	base *outcome
	// stateRefused says that the kubelet does not start with the state file,
	// so that the report does without.
	stateRefused bool
	// seen are the first pods of a workload with an answer, by workload and
	// answer.
	seen map[string]string
}

// assume fills in what was not given, and says so.
func (x *explainer) assume() {
	r := x.report
	if x.Config == nil {
		x.Config = []byte(AssumedConfig)
		r.Assumptions = append(r.Assumptions,
			"no kubelet configuration was given: cpuManagerPolicy static with 1 CPU reserved (kubeReserved), everything else at the kubelet's defaults; give the node's own with --config")
	}
	if x.State == nil {
		r.Assumptions = append(r.Assumptions, "no state file was given: no other pod has CPUs of its own on the node")
	}
	if slices.ContainsFunc(x.Pods, func(m scenarios.ManifestPod) bool { return !live(&m) }) {
		r.Assumptions = append(r.Assumptions,
			"nothing is injected at admission that the manifest does not show (sidecars of a service mesh, defaults of a LimitRange); to check the live pod: kubectl get pod NAME -o yaml | pinlab explain -")
	}
	unknown := map[string]bool{}
	for i := range x.Pods {
		for _, c := range containers(x.Pods[i].Pod) {
			for name := range c.spec.Resources.Limits {
				if strings.Contains(string(name), "/") && !x.offers(string(name)) {
					unknown[string(name)] = true
				}
			}
		}
	}
	for _, name := range slices.Sorted(keysOf(unknown)) {
		r.Assumptions = append(r.Assumptions, fmt.Sprintf("where the node's %s devices are is not known, so they decide nothing here; give them with --device", name))
	}
}

func (x *explainer) offers(resource string) bool {
	return slices.ContainsFunc(x.Devices, func(d kubelet.Device) bool { return d.Resource == resource })
}

func (x *explainer) pods() []*corev1.Pod {
	pods := make([]*corev1.Pod, len(x.Pods))
	for i := range x.Pods {
		pods[i] = x.Pods[i].Pod
	}
	return pods
}

func (x *explainer) explain(ctx context.Context) error {
	r := x.report
	var err error
	if x.base, err = x.sandbox.run(ctx, trial{config: x.Config, state: x.State, pods: x.pods()}); err != nil {
		return err
	}
	r.Kubelet = Kubelet{Starts: x.base.startErr == nil, Config: x.base.config.Observed()}
	if x.State != nil {
		r.State = newState(x.StateFile, x.State, x.names())
		if r.Kubelet.Config.MemoryManagerPolicy == "Static" {
			r.Assumptions = append(r.Assumptions, "cpu_manager_state says nothing of memory: all memory counts as free")
		}
	}
	if !r.Kubelet.Starts {
		if err := x.refused(ctx); err != nil {
			return err
		}
	}
	r.Kubelet.Config.Reserved = x.base.last.Reserved
	// All of it first, while the gates of the configuration are in force.
	for i := range x.Pods {
		r.Pods = append(r.Pods, x.pod(i))
	}
	r.Node = x.observation()
	return x.suggest(ctx)
}

// names are the manifest's pods by their UIDs.
func (x *explainer) names() map[string]string {
	names := map[string]string{}
	for i := range x.Pods {
		names[string(x.Pods[i].Pod.UID)] = x.Pods[i].Pod.Name
	}
	return names
}

// pod tells the answer for one pod, without suggestions.
func (x *explainer) pod(i int) Pod {
	m := &x.Pods[i]
	p := Pod{
		Pod: m.Pod.Name, Namespace: m.Pod.Namespace, Workload: m.Kind + "/" + m.Name,
		File: m.File, Line: m.Line(""), QoS: qosOf(x.base.config, m.Pod, m.SpecPath), Containers: []Container{},
		Warnings: warnings(x.base.config, m),
	}
	var o *podOutcome
	if i < len(x.base.pods) {
		o = &x.base.pods[i]
	}
	for _, c := range containers(m.Pod) {
		p.Containers = append(p.Containers, x.container(m.Pod, c, o))
	}
	if o == nil {
		p.Verdict = NotPlaced
		p.Admission.Because = "the kubelet does not start"
		return p
	}
	a := asked{profile: x.Profile, config: x.base.config, pod: m.Pod, outcome: o}
	p.Topology = a.topology()
	p.Allocatable = a.allocatable()
	p.Admission = Admission{Admitted: o.Admitted, Reason: o.Reason, Message: o.Message, Because: a.because(p.Allocatable)}
	p.Verdict = verdictOf(m.Pod, &p)
	return p
}

func verdictOf(pod *corev1.Pod, p *Pod) Verdict {
	if !p.Admission.Admitted {
		return Rejected
	}
	want := intended(pod)
	got := 0
	for _, c := range p.Containers {
		if c.Exclusive && slices.ContainsFunc(want, func(w ctr) bool { return w.spec.Name == c.Name }) {
			got++
		}
	}
	switch got {
	case 0:
		return Shared
	case len(want):
		return Pinned
	}
	return PartlyPinned
}

func (x *explainer) container(pod *corev1.Pod, c ctr, o *podOutcome) Container {
	out := Container{
		Name: c.spec.Name, Kind: c.kind, QoS: classOf(c.spec.Resources),
		Requests: amounts(c.spec.Resources.Requests), Limits: amounts(c.spec.Resources.Limits),
	}
	_, detail := shortfall(&c.spec.Resources)
	out.QoSDetail = detail
	out.Promised, out.Reason = kubelet.Pinning(x.base.config, pod, c.spec)
	if o == nil || !o.Admitted {
		return out
	}
	// As it is in the end: the shared pool shrinks under a container when later
	// pods come.
	last := x.base.last
	out.Exclusive, out.CPUs = assigned(last, pod, c, out.Promised)
	if out.Exclusive || out.CPUs != last.SharedPool {
		out.NUMANodes = nodesOf(x.Profile, out.CPUs.Set().List())
	}
	if out.CPUs == "" {
		out.CPUs = observe.FromSet(x.Profile.OnlineCPUs()) // the none policy keeps no sets
	}
	out.Devices = o.devices[c.spec.Name]
	if !out.Exclusive && hasPodLevel(pod) && out.CPUs != last.SharedPool && last.SharedPool != "" {
		out.Reason += podPool
	}
	return out
}

// podPool ends the reason of a container that runs on its pod's own CPUs.
const podPool = "; shares the pod's own CPUs"

// assigned is what a container runs on, and whether it is its own.
func assigned(s kubelet.Snapshot, pod *corev1.Pod, c ctr, promised int) (exclusive bool, cpus observe.CPUs) {
	cpus, has := s.Entries[kubelet.ContainerKey{PodUID: string(pod.UID), Name: c.spec.Name}]
	if !has {
		return false, s.SharedPool
	}
	_, podLevel := s.PodCPUs[string(pod.UID)]
	return !podLevel || promised > 0, cpus
}

func hasPodLevel(pod *corev1.Pod) bool { return resourcehelper.IsPodLevelResourcesSet(pod) }
