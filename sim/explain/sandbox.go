package explain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	cadvisor "github.com/google/cadvisor/lib/model"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// sandbox starts kubelets in directories of their own and asks them to admit
// pods. Nothing of one lifetime reaches the next.
type sandbox struct {
	decoder *kubelet.ConfigDecoder
	machine *cadvisor.MachineInfo
	devices []kubelet.Device
	tempDir string
}

// trial is one question: these pods, one after another, on a fresh node with
// this configuration and state file.
type trial struct {
	config []byte
	state  []byte // nil for none
	pods   []*corev1.Pod
	// stop, when set, is asked after each pod whether that was enough.
	stop func(*outcome) bool
}

// outcome is the answer to a trial.
type outcome struct {
	// startErr is why the kubelet does not start; the rest is empty then.
	startErr error
	config   *kubelet.Config
	pods     []podOutcome
	// last is what the managers hold in the end.
	last kubelet.Snapshot
}

// podOutcome is what became of one pod.
type podOutcome struct {
	kubelet.AdmitResult
	rounds []kubelet.HintRound
	// before and after are what the managers held around the admission;
	// rejected pods have given everything back in after.
	before, after kubelet.Snapshot
	// capacity and allocatable are the node's, others the pods there already.
	capacity, allocatable corev1.ResourceList
	others                []*corev1.Pod
	devices               map[string][]string // by container
}

// startError is the kubelet's own error at its start.
type startError struct{ text string }

func (e *startError) Error() string { return e.text }

// run asks. The error is the harness's own.
func (s *sandbox) run(ctx context.Context, t trial) (*outcome, error) {
	cfg, err := s.decoder.Decode(t.config)
	if err != nil {
		return nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	base := s.tempDir
	if base == "" {
		base = sim.StateBase()
	}
	dir, err := os.MkdirTemp(base, "pinlab-explain-")
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	defer os.RemoveAll(dir)
	n := &node{}
	if t.state != nil {
		if err := os.WriteFile(filepath.Join(dir, observe.CPUStateFile), t.state, 0o600); err != nil {
			return nil, fmt.Errorf("state directory: %w", err)
		}
		n.pods, n.bound = inState(t.state, t.pods)
	}
	o := &outcome{config: cfg}
	l := kubelet.New(kubelet.Params{
		Config: cfg, Machine: s.machine, StateDir: dir, Node: n, Devices: s.devices, SourcesReady: true,
	})
	defer l.Stop()
	if err := l.Start(); err != nil {
		var panicked *kubelet.PanicError
		if errors.As(err, &panicked) {
			return nil, fmt.Errorf("starting the kubelet: %w", err)
		}
		o.startErr = &startError{strings.ReplaceAll(err.Error(), dir, observe.KubeletRoot)}
		return o, nil
	}
	for _, pod := range t.pods {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p, err := s.admit(l, n, pod)
		if err != nil {
			return nil, fmt.Errorf("admission of pod %s: %w", pod.Name, err)
		}
		o.pods = append(o.pods, *p)
		if t.stop != nil && t.stop(o) {
			break
		}
	}
	o.last = l.Snapshot()
	return o, nil
}

func (s *sandbox) admit(l *kubelet.Lifetime, n *node, pod *corev1.Pod) (*podOutcome, error) {
	pod = pod.DeepCopy()
	p := &podOutcome{before: l.Snapshot(), others: slices.Clone(n.pods), devices: map[string][]string{}}
	p.capacity, p.allocatable = l.Allocatable()
	pod.Status.QOSClass = kubelet.QoS(pod)
	n.bound = slices.DeleteFunc(n.bound, func(b *corev1.Pod) bool { return b.UID == pod.UID })
	n.pods = append(n.pods, pod)
	var err error
	if p.AdmitResult, p.rounds, err = l.AdmitExplained(pod, p.others); err != nil {
		return nil, err
	}
	if !p.Admitted {
		n.pods = n.pods[:len(n.pods)-1]
	} else {
		for _, c := range containers(pod) {
			p.devices[c.spec.Name] = l.DevicesOf(kubelet.ContainerKey{PodUID: string(pod.UID), Name: c.spec.Name})
		}
	}
	// A tick collects what a rejected pod got before the answer was no.
	if err := l.Reconcile(); err != nil {
		return nil, err
	}
	l.Log()
	p.after = l.Snapshot()
	return p, nil
}

// node is the node around the kubelet: pods that are admitted and run, of
// which nothing else is known, and pods that hold CPUs by the state file and
// have not been admitted again yet.
type node struct {
	pods, bound []*corev1.Pod
}

var _ kubelet.Node = &node{}

func (n *node) ActivePods() []*corev1.Pod { return slices.Concat(n.pods, n.bound) }

func (n *node) PodStatus(types.UID) (corev1.PodStatus, bool) { return corev1.PodStatus{}, false }

func (n *node) UpdateContainer(string, string) error { return nil }

func (n *node) Containers() []kubelet.ContainerRef { return nil }
