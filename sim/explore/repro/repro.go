// Package repro writes a scenario as a Go test that needs nothing but upstream's own
// packages, for a bug report: it plays the node in a few hundred lines of its own.
package repro

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/format"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/invariant"
)

//go:embed head.go.txt
var head string

//go:embed harness.go.txt
var harness string

//go:embed checks.go.txt
var checks string

//go:embed intercept.go.txt
var intercept string

//go:embed resize.go.txt
var resize string

// resizeImports are what a resize needs beyond the rest.
const resizeImports = `	"k8s.io/kubernetes/pkg/kubelet/allocation"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	kubetypes "k8s.io/kubernetes/pkg/kubelet/types"
`

// ErrCannot marks a scenario that cannot be written as such a test.
var ErrCannot = errors.New("cannot be written as a test of upstream alone")

// Params is what a test is made of.
type Params struct {
	Scenario *scenarios.Scenario
	// Resolve finds machines by reference.
	Resolve func(ref string) (*hwprofiles.Profile, error)
	// Broken is the invariant that the test checks at its end, or another name for
	// what a test shows by itself: a panic, a hang.
	Broken string
	// Text is the violation as it was found; it becomes a comment.
	Text string
}

// Test writes the test. It fails as long as upstream has the bug.
func Test(p Params) ([]byte, error) {
	w := &writer{p: p, config: p.Scenario.Kubelet}
	if len(w.config) == 0 {
		w.config = []byte("{}")
	}
	if len(p.Scenario.Devices) > 0 {
		return nil, fmt.Errorf("%w: it has devices", ErrCannot)
	}
	var err error
	if w.machine, err = p.Resolve(p.Scenario.Profile); err != nil {
		return nil, err
	}
	last := 0
	for i := range p.Scenario.Steps {
		if p.Scenario.Steps[i].Event != nil {
			last = i
		}
	}
	for i := range p.Scenario.Steps {
		if e := p.Scenario.Steps[i].Event; e != nil {
			w.last = i == last
			if err := w.event(e); err != nil {
				return nil, fmt.Errorf("step %d, %s: %w", i+1, e, err)
			}
		}
	}
	check, err := w.check()
	if err != nil {
		return nil, err
	}
	w.line("%s", check)
	var b strings.Builder
	top, tail := head, ""
	if w.resizes {
		const last = "\tschedulerframework "
		top, tail = strings.Replace(head, last, resizeImports+last, 1), "\n"+resize
	}
	b.WriteString(top)
	b.WriteString("\n// TestRepro fails as long as this can happen:\n//\n")
	for line := range strings.Lines(p.Broken + ": " + p.Text) {
		b.WriteString("//\t" + strings.TrimRight(line, "\n") + "\n")
	}
	b.WriteString("func TestRepro(t *testing.T) {\n")
	if p.Broken == "hang" {
		b.WriteString("hangs(t)\n")
	}
	b.WriteString("n := newNode(t)\n")
	b.WriteString(w.body.String())
	b.WriteString("}\n\n" + harness + "\n" + checks + "\n" + intercept + tail)
	src, err := format.Source([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("format the test: %w", err)
	}
	return src, nil
}

// GoMod is a go.mod for the test with the versions of another.
func GoMod(of []byte) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(of)) {
		if strings.HasPrefix(line, "module ") {
			line = "module repro\n"
		}
		b.WriteString(line)
	}
	return []byte(b.String())
}

// writer writes the events.
type writer struct {
	p         Params
	body      strings.Builder
	machine   *hwprofiles.Profile
	config    json.RawMessage
	last      bool // the scenario's last event
	resizes   bool
	vars      int
	bootPages hwprofiles.BootPages
	same      map[string]string // variables by their text
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.body, format+"\n", args...) }

// variable declares a value that is parsed from JSON, once.
func (w *writer) variable(prefix, goType string, value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	if name := w.same[goType+string(data)]; name != "" {
		return name, nil
	}
	w.vars++
	name := fmt.Sprintf("%s%d", prefix, w.vars)
	w.line("%s := parse[%s](t, %s)", name, goType, quote(string(data)))
	if w.same == nil {
		w.same = map[string]string{}
	}
	w.same[goType+string(data)] = name
	return name, nil
}

func quote(text string) string {
	if strings.Contains(text, "`") {
		return fmt.Sprintf("%q", text)
	}
	return "`" + text + "`"
}

func (w *writer) patch(patch json.RawMessage) error {
	if len(patch) == 0 {
		return nil
	}
	merged, err := jsonpatch.MergePatch(w.config, patch)
	if err != nil {
		return fmt.Errorf("config patch: %w", err)
	}
	w.config = merged
	return nil
}

// step writes one call, in a frame that a kill may leave, and the tick after it.
func (w *writer) step(tick bool, format string, args ...any) {
	call := fmt.Sprintf(format, args...)
	if tick && w.p.Scenario.Reconcile != scenarios.ReconcileManual {
		call += "\nn.tick()"
	}
	w.line("n.until(func() {\n%s\n})", call)
}

func (w *writer) event(e scenarios.Event) error {
	switch e := e.(type) {
	case scenarios.StartKubelet:
		return w.start(e.Config, e.SourcesNotReady)
	case scenarios.RestartKubelet:
		w.line("n.end()")
		return w.start(e.Config, e.SourcesNotReady)
	case scenarios.StopKubelet, scenarios.KillKubelet:
		w.line("n.end()")
	case scenarios.SourcesReady:
		w.step(true, "n.sourcesReady()")
	case scenarios.CreatePod:
		spec := e.Pod.DeepCopy()
		spec.Spec.NodeName = "" // there is only one
		pod, err := w.variable("pod", "*v1.Pod", spec)
		if err != nil {
			return err
		}
		held := ""
		names := e.HoldInit
		if w.p.Scenario.HoldInit {
			names = nil
			for i := range e.Pod.Spec.InitContainers {
				names = append(names, e.Pod.Spec.InitContainers[i].Name)
			}
		}
		for _, name := range names {
			held += fmt.Sprintf(", %q", name)
		}
		w.step(true, "n.create(%s%s)", pod, held)
	case scenarios.DeletePod:
		w.step(true, "n.delete(%q)", e.Pod)
	case scenarios.ExitContainer:
		pod, container, _ := strings.Cut(e.Container, "/")
		w.step(true, "n.exit(%q, %q, %d)", pod, container, e.ExitCode)
	case scenarios.ResizePod:
		pod, container, _ := strings.Cut(e.Container, "/")
		amount := func(q *resource.Quantity) string {
			if q == nil {
				return ""
			}
			return q.String()
		}
		w.resizes = true
		w.step(true, "n.resize(%q, %q, %q, %q)", pod, container, amount(e.CPU), amount(e.Memory))
	case scenarios.AddEphemeralContainer:
		w.step(true, "n.debug(%q, %q)", e.Pod, e.Name)
	case scenarios.Reboot:
		w.line("n.reboot()")
		w.machine = w.bootPages.Boot(w.machine)
	case scenarios.Reconcile:
		for range max(1, e.Times) {
			w.step(false, "n.tick()")
		}
	case scenarios.KillAtCheckpointWrite:
		w.line("n.killAt(%q, %d, %q)", e.File, e.Nth, e.When)
	case scenarios.FailCheckpointWrite:
		w.line("n.failWrites(%q, %d)", e.File, e.Times)
	case scenarios.FailRuntimeUpdate:
		times := e.Times
		if times == 0 {
			times = -1
		}
		w.line("n.failUpdate = %d", times)
	case scenarios.ClearFaults:
		w.line("n.failUpdate, n.write = 0, write{}")
	case scenarios.DeleteStateFile:
		w.line("if err := os.Remove(filepath.Join(n.dir, %q)); err != nil && !os.IsNotExist(err) {\nt.Fatal(err)\n}", e.File)
	case scenarios.OfflineCPUs:
		return w.online(e.CPUs.Set().List(), false)
	case scenarios.OnlineCPUs:
		if w.last {
			return errComes()
		}
		return w.online(e.CPUs.Set().List(), true)
	default:
		return w.hardware(e)
	}
	return nil
}

func errComes() error {
	return fmt.Errorf("%w: a running kubelet is not told of a CPU that comes, and its managers know of none", ErrCannot)
}

// hardware writes a change of the machine: the next start is told of it.
func (w *writer) hardware(e scenarios.Event) (err error) {
	switch e := e.(type) {
	case scenarios.AddCPUs:
		if w.last {
			return errComes()
		}
		for _, id := range e.CPUs.Set().List() {
			if w.machine, err = w.machine.WithCPUAdded(id, e.Like); err != nil {
				return err
			}
		}
	case scenarios.SwapProfile:
		w.line("n.reboot()")
		w.bootPages = hwprofiles.BootPages{}
		w.machine, err = w.p.Resolve(e.Profile)
	case scenarios.MoveMemory:
		w.machine, err = w.machine.WithMemoryMoved(e.From, e.To, e.Bytes)
	case scenarios.SetHugePages:
		w.machine, err = w.bootPages.Change(w.machine, e.NUMANode, uint64(e.Size.Value()), e.Count)
	default:
		return ErrCannot
	}
	if err == nil {
		w.line("// %s; a running kubelet is not told", e)
	}
	return err
}

func (w *writer) online(ids []int, on bool) error {
	for _, id := range ids {
		p, err := w.machine.WithOnline(setOf(id), on)
		if err != nil {
			return err
		}
		w.machine = p
		change := "Difference"
		if !on {
			change = "Union"
		}
		w.line("n.offline = n.offline.%s(cpuset.New(%d)) // a running kubelet is not told", change, id)
	}
	w.step(true, "")
	return nil
}

func (w *writer) start(patch json.RawMessage, notReady bool) error {
	if err := w.patch(patch); err != nil {
		return err
	}
	machine, err := machineInfo(w.machine)
	if err != nil {
		return err
	}
	config, err := configOf(w.config)
	if err != nil {
		return err
	}
	m, err := w.variable("machine", "*cadvisor.MachineInfo", machine)
	if err != nil {
		return err
	}
	c, err := w.variable("config", "config", config)
	if err != nil {
		return err
	}
	call := "start"
	if notReady {
		call = "begin"
	}
	what, want := "the kubelet does not start", ""
	if w.last && w.p.Broken == invariant.RestartStarts {
		what, want = "nothing has changed, and the kubelet does not start again", errorOf(w.p.Text)
	}
	check := ""
	if want != "" {
		check = fmt.Sprintf("if !strings.Contains(err.Error(), %q) {\nt.Skipf(\"the kubelet does not start for another reason than the one found: %%v\", err)\n}\n", want)
	}
	w.step(true, "if err := n.%s(%s, %s); err != nil {\n%st.Fatalf(\"%s: %%v\", err)\n}", call, m, c, check, what)
	return nil
}

// errorOf is the part of a start's error without names and numbers.
func errorOf(text string) string {
	_, text, _ = strings.Cut(text, "does not start again: ")
	if at := strings.IndexAny(text, "\"0123456789"); at >= 0 {
		text = text[:at]
	}
	return strings.TrimSpace(text)
}

// check is the call that looks for what is broken.
func (w *writer) check() (string, error) {
	switch w.p.Broken {
	case invariant.ExclusiveDisjoint:
		return "n.checkDisjoint()", nil
	case invariant.ExclusiveIsolated:
		return "n.checkIsolated()", nil
	case invariant.ReservedNotExclusive:
		return "n.checkReserved()", nil
	case invariant.PoolAccounted:
		return "n.checkAccounted()", nil
	case invariant.ExclusiveCount:
		return "n.checkCount()", nil
	case invariant.CgroupInSync:
		return "n.checkCgroups()", nil
	case invariant.NoLeak:
		return "n.checkLeak()", nil
	case invariant.MemoryAccounted:
		return "n.checkMemory()", nil
	case invariant.RestartKeepsPods:
		return "n.checkRejected()", nil
	case invariant.RoomAdmits:
		var pod string
		if _, err := fmt.Sscanf(w.p.Text, "pod %s asks for ", &pod); err != nil {
			return "", fmt.Errorf("%w: %q", ErrCannot, w.p.Text)
		}
		return fmt.Sprintf("n.checkAdmitted(%q, %q)", pod, w.p.Text), nil
	case invariant.RoomAligns:
		ref, rest, _ := strings.Cut(w.p.Text, " holds ")
		_, rest, _ = strings.Cut(rest, " ") // "CPU 1" or "CPUs 1-2"
		cpus := strings.TrimRight(strings.SplitN(rest, " ", 2)[0], ",")
		if ref == "" || cpus == "" {
			return "", fmt.Errorf("%w: %q", ErrCannot, w.p.Text)
		}
		return fmt.Sprintf("n.checkPlaced(%q, %q, %q)", ref, cpus, w.p.Text), nil
	case invariant.Aligned:
		if strings.Contains(w.p.Text, " has its memory on ") {
			return "", fmt.Errorf("%w: where memory is", ErrCannot)
		}
		var nodes int
		if _, rest, ok := strings.Cut(w.p.Text, "restricted allows "); ok {
			if _, err := fmt.Sscan(rest, &nodes); err != nil {
				return "", fmt.Errorf("%w: %q", ErrCannot, w.p.Text)
			}
		} else if strings.Contains(w.p.Text, "single-numa-node allows one") {
			nodes = 1
		}
		return fmt.Sprintf("n.checkAligned(%t, %d)", nodes == 0, nodes), nil
	case invariant.RestartStarts, "panic", "hang", "crash":
		return "", nil // shown by itself
	}
	return "", fmt.Errorf("%w: %s", ErrCannot, w.p.Broken)
}
