package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// StartAnswer is what the kubelet's code says to a start.
type StartAnswer struct {
	// Refusal is the kubelet's error, empty when it starts.
	Refusal string
	// Reserved are the CPUs that this configuration reserves on this machine.
	Reserved observe.CPUs
	// Version is that of the kubelet whose code answered.
	Version string
}

// StartCheck starts the kubelet's managers on copies of the state files (nil
// for none). An error says that there was no answer.
type StartCheck func(ctx context.Context, config, cpuState, memoryState []byte, p *hwprofiles.Profile) (StartAnswer, error)

// Options of an audit.
type Options struct {
	// Root is where the machine's file system is: "/" or a mount of it.
	Root string
	// Config is the KubeletConfiguration given by the user, as JSON, and
	// ConfigName its file; nil for none. It is a proposal where the node has
	// one of its own, and taken for the node's where that is not found.
	Config     []byte
	ConfigName string
	// Start may be nil: then nobody is asked whether the kubelet would start.
	Start StartCheck
	// Skip are checks to leave out.
	Skip []string
	// NoRuntime leaves the container runtime's socket alone.
	NoRuntime bool
	// Now is the time; zero for the clock's.
	Now time.Time
}

// ErrNothing says that there is nothing to audit, or that nothing can be read.
var ErrNothing = errors.New("nothing to audit")

// InputError is an error of what was asked for.
type InputError struct{ err error }

func (e *InputError) Error() string { return e.err.Error() }

// Unwrap returns what is wrong.
func (e *InputError) Unwrap() error { return e.err }

// audit is one run.
type audit struct {
	opts    Options
	root    files
	reader  cgroup.Reader
	version int    // of cgroups; 0 without
	mount   string // of the cpuset hierarchy, below root
	report  *Report
	profile *hwprofiles.Profile // nil when it cannot be detected

	process *kubeletProcess // nil when none runs
	config  *config         // nil when it is not known
	kc      observe.Config
	// cpuData and memoryData are the state files; nil for none.
	cpuData, memoryData []byte
	state               *cpuState
	memory              *memoryState
	settling            bool // the state file is younger than a reconcile

	groups []cgroup.Group
	online cpuset.CPUSet
	boot   bootCPUs
}

func (a *audit) unread(what string, err error) {
	u := Unread{What: what, Why: err.Error()}
	if !slices.Contains(a.report.Unread, u) {
		a.report.Unread = append(a.report.Unread, u)
	}
}

// kubeletRoot is the file system as the kubelet sees it.
func (a *audit) kubeletRoot() files {
	if a.process != nil {
		return a.process.root
	}
	return a.root
}

// Run audits the node. What is wrong with the node is in the report; an error
// is an InputError, ErrNothing, or the context's.
func Run(ctx context.Context, o Options) (*Report, error) {
	st, err := os.Stat(o.Root)
	if err != nil {
		return nil, &InputError{fmt.Errorf("root %s: %w", o.Root, cause(err))}
	}
	if !st.IsDir() {
		return nil, &InputError{fmt.Errorf("root %s: not a directory; want where the node's file system is mounted", o.Root)}
	}
	for _, name := range o.Skip {
		if !slices.Contains(Checks(), name) {
			return nil, &InputError{fmt.Errorf("no check is called %q; the checks are %s", name, strings.Join(Checks(), ", "))}
		}
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	a := &audit{
		opts: o, root: files{o.Root}, reader: cgroup.Reader{Root: o.Root},
		report: &Report{
			APIVersion: APIVersion, Kind: Kind, Containers: []Container{}, Findings: []Finding{}, Starts: []Start{}, Unread: []Unread{},
			Skipped: o.Skip,
		},
	}
	if err := a.readKubelet(); err != nil {
		return nil, err
	}
	a.readMachine()
	a.readState()
	a.readGroups()
	if a.process == nil && a.cpuData == nil && len(a.groups) == 0 {
		return nil, a.nothing()
	}
	a.readContainers(ctx)
	a.askStarts(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.check()
	a.report.sort()
	return a.report, nil
}

// nothing says what was looked for in vain.
func (a *audit) nothing() error {
	why := []string{"no kubelet runs", "no containers of pods have cgroups"}
	switch a.report.Kubelet.CPUState {
	case stateMissing:
		why = append(why, "there is no "+a.statePath(observe.CPUStateFile))
	default:
		why = append(why, a.statePath(observe.CPUStateFile)+" cannot be read")
	}
	for _, u := range a.report.Unread {
		why = append(why, u.What+": "+u.Why)
	}
	return fmt.Errorf("%w below %s: %s", ErrNothing, a.opts.Root, strings.Join(why, "; "))
}

// readKubelet finds the kubelet and its configuration.
func (a *audit) readKubelet() error {
	k := &a.report.Kubelet
	process, inside, err := findKubelet(a.root)
	a.process = process
	k.State, k.RootDir = "stopped", observe.KubeletRoot
	switch {
	case errors.Is(err, errSeveral):
		return &InputError{errors.New("several kubelets run here; choose one node with --root /proc/PID/root")}
	case process != nil:
		k.State, k.PID = "running", process.pid
		if dir := process.flags["root-dir"]; dir != "" {
			k.RootDir = process.abs(dir)
		}
	case inside != "":
		k.State = stateUnread
		a.unread("kubelet", fmt.Errorf("%s runs it inside of itself, so that its command line does not tell its flags", inside))
	case err != nil:
		k.State = stateUnread
		a.unread("kubelet", err)
	}
	c, err := nodeConfig(a.root, process)
	switch {
	case err == nil:
		a.config = c
	case errors.Is(err, errMalformed):
		a.unread("kubelet configuration", err)
	case a.opts.Config != nil && missing(err):
		// The user gives it instead.
	default:
		a.unread("kubelet configuration", err)
	}
	if a.config == nil && a.opts.Config != nil {
		if a.config, err = newConfig(a.opts.Config, a.opts.ConfigName); err != nil {
			return &InputError{fmt.Errorf("%s: %w", a.opts.ConfigName, err)}
		}
	}
	if a.config != nil {
		k.ConfigFrom, a.kc = a.config.from, a.config.observed()
	}
	return nil
}

// readMachine detects the topology. It must be known before anything is said of
// single CPUs.
func (a *audit) readMachine() {
	fsys, closer, err := hwprofiles.OpenSysroot(a.root.root)
	if err == nil {
		defer closer.Close()
		a.profile, err = hwprofiles.Detect(fsys)
	}
	if err != nil {
		a.unread("topology", err)
		a.profile = nil
	}
	n := &a.report.Node
	if a.profile != nil {
		a.online = a.profile.OnlineCPUs()
		n.NUMANodes = len(a.profile.NUMANodes)
	}
	a.boot = a.readBoot()
	n.Online, n.Isolated, n.NoHzFull = observe.FromSet(a.online), observe.FromSet(a.boot.isolated), observe.FromSet(a.boot.nohzFull)
}

func (a *audit) statePath(name string) string { return path.Join(a.report.Kubelet.RootDir, name) }

// readState reads the state files.
func (a *audit) readState() {
	k := &a.report.Kubelet
	read := func(name string, parse func([]byte) error) (data []byte, result string) {
		data, err := a.kubeletRoot().read(a.statePath(name))
		switch {
		case missing(err):
			return nil, stateMissing
		case err != nil:
			a.unread(a.statePath(name), err)
			return nil, stateUnread
		}
		if err := parse(data); err != nil {
			a.unread(a.statePath(name), err)
			return data, stateMalformed
		}
		return data, stateRead
	}
	a.cpuData, k.CPUState = read(observe.CPUStateFile, func(data []byte) (err error) {
		a.state, err = parseCPUState(data)
		return err
	})
	a.memoryData, k.MemoryState = read(observe.MemoryStateFile, func(data []byte) (err error) {
		a.memory, err = parseMemoryState(data)
		return err
	})
	if a.config == nil && a.state != nil {
		// Who wrote the file ran this policy.
		a.kc.CPUManagerPolicy = a.state.policy
	}
	if a.state == nil {
		return
	}
	k.SharedPool = &a.state.shared
	period := defaultPeriod
	if a.config != nil {
		period = a.config.period()
	}
	if a.process == nil {
		return // nobody will repair anything
	}
	if full, err := a.kubeletRoot().resolve(a.statePath(observe.CPUStateFile)); err == nil {
		if st, err := os.Stat(full); err == nil {
			age := a.opts.Now.Sub(st.ModTime())
			a.settling = age >= 0 && age < period+time.Second
		}
	}
}

// askStarts asks the kubelet's code about a start with the node's configuration
// and with the proposed one.
func (a *audit) askStarts(ctx context.Context) {
	own := a.config
	if own != nil {
		s, answer := a.askStart(ctx, strings.Join(own.from, " "), own.json)
		if s.Result != Unchecked {
			a.kc.Reserved = answer.Reserved
		}
		a.report.Starts = append(a.report.Starts, s)
	}
	a.report.Kubelet.Config = a.kc
	if a.opts.Config != nil && (own == nil || !slices.Equal(own.from, []string{a.opts.ConfigName})) {
		s, _ := a.askStart(ctx, a.opts.ConfigName, a.opts.Config)
		a.report.Starts = append(a.report.Starts, s)
	}
}

func (a *audit) askStart(ctx context.Context, name string, config []byte) (Start, StartAnswer) {
	s := Start{Config: name, Result: Unchecked}
	switch k := &a.report.Kubelet; {
	case a.opts.Start == nil:
		s.Unchecked = "nobody to ask"
	case a.profile == nil:
		s.Unchecked = "the topology is unread"
	case k.CPUState == stateUnread || k.MemoryState == stateUnread:
		s.Unchecked = "a state file is unread"
	}
	if s.Unchecked != "" {
		return s, StartAnswer{}
	}
	answer, err := a.opts.Start(ctx, config, a.cpuData, a.memoryData, a.profile)
	if err != nil {
		s.Unchecked = err.Error()
		return s, answer
	}
	s.KubeletVersion = answer.Version
	switch {
	case answer.Refusal != "":
		s.Result, s.Refusal = Refused, answer.Refusal
	default:
		s.Result = Starts
	}
	return s, answer
}
