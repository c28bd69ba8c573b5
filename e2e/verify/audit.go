package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
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
	// Invalid says that the configuration alone is why.
	Invalid bool
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

	sight   sight
	process *kubeletProcess // nil when none runs
	launch  launch          // how it was, or would be, started
	config  *config         // nil when it is not known
	// proposed says that config is the user's, for want of the node's own.
	proposed bool
	// malformed is what is wrong with the node's own, and invalid are those, by
	// their sources, that the kubelet refuses by themselves.
	malformed error
	invalid   map[string]bool
	kc        observe.Config
	// cpuData and memoryData are the state files; nil for none.
	cpuData, memoryData []byte
	state               *cpuState
	memory              *memoryState
	settling            bool // the state file is younger than a reconcile

	groups []cgroup.Group
	told   map[string]*told // findings by check
	online cpuset.CPUSet
	boot   bootCPUs
}

func (a *audit) unread(what string, err error) { a.tell(Unread{What: what, Why: err.Error()}) }

// lacks says that something could not be read without which an audit is none.
func (a *audit) lacks(what string, err error) {
	a.tell(Unread{What: what, Why: err.Error(), Essential: true})
}

func (a *audit) tell(u Unread) {
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
// is an InputError, ErrNothing, or the context's. It comes back when the context
// ends, whatever the audit waits for.
func Run(ctx context.Context, o Options) (*Report, error) {
	type outcome struct {
		report *Report
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		r, err := run(ctx, o)
		done <- outcome{r, err}
	}()
	select {
	case r := <-done:
		return r.report, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func run(ctx context.Context, o Options) (*Report, error) {
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
		opts: o, root: files{Root: o.Root}, reader: cgroup.Reader{Root: o.Root},
		told: map[string]*told{}, invalid: map[string]bool{},
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
	for _, step := range []func(context.Context){a.readContainers, a.askStarts, a.check} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		step(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.report.sort()
	return a.report, nil
}

// nothing says what was looked for in vain.
func (a *audit) nothing() error {
	why := []string{"no kubelet is seen", "no cgroups of pods are seen"}
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
	a.sight = look(a.root)
	process, inside, err := findKubelet(a.root)
	a.process = process
	if process == nil && inside == "" && err == nil && a.sight.narrow {
		err = errNarrow
	}
	k.State, k.RootDir = "stopped", observe.KubeletRoot
	unknown := launch{root: a.root, cwd: "/", flags: map[string]string{}}
	switch {
	case errors.Is(err, errSeveral):
		return &InputError{errors.New("several kubelets run here; choose one node with --root /proc/PID/root")}
	case process != nil:
		k.State, k.PID = "running", process.pid
		a.launch = process.launch
	case inside != "":
		k.State = stateUnread
		unknown.unread = fmt.Errorf("%s runs it inside of itself, so that its command line does not tell its flags", inside)
		a.launch = unknown
		a.unread("kubelet", unknown.unread)
	case err != nil:
		k.State = stateUnread
		unknown.unread = err
		a.launch = unknown
		a.lacks("kubelet", err)
	default:
		a.launch = stopped(a.root)
		if err := a.launch.unread; err != nil && !errors.Is(err, errNoFlags) {
			a.unread("the kubelet's flags", err)
		}
	}
	if dir := a.launch.flags["root-dir"]; dir != "" {
		k.RootDir = a.launch.abs(dir)
	}
	c, err := nodeConfig(a.launch)
	switch {
	case err == nil:
		a.config = c
	case errors.Is(err, errMalformed):
		a.malformed = err
	case a.opts.Config != nil && missing(err):
		a.proposed = true
		if a.config, err = a.launch.config(&document{a.opts.ConfigName, a.opts.Config}); err != nil {
			return &InputError{err}
		}
	default:
		a.lacks("kubelet configuration", err)
	}
	if a.config != nil {
		k.ConfigFrom, a.kc = a.config.from, a.config.observed()
	}
	return nil
}

// readMachine detects the topology. It must be known before anything is said of
// single CPUs.
func (a *audit) readMachine() {
	fsys, closer, err := hwprofiles.OpenSysroot(a.root.Root)
	if err == nil {
		defer closer.Close()
		a.profile, err = hwprofiles.Detect(fsys)
	}
	if err == nil && !a.showsCPUs() {
		err = errors.New("/sys/devices/system/cpu shows no CPU")
	}
	if err != nil {
		a.lacks("topology", err)
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

// showsCPUs says that the topology was not put together from other places alone:
// the kubelet reads it here.
func (a *audit) showsCPUs() bool {
	entries, err := a.root.List("sys/devices/system/cpu")
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		_, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "cpu"))
		return err == nil
	})
}

func (a *audit) statePath(name string) string { return path.Join(a.report.Kubelet.RootDir, name) }

// readState reads the state files.
func (a *audit) readState() {
	k := &a.report.Kubelet
	read := func(name string, parse func([]byte) error) (data []byte, result string) {
		data, err := a.kubeletRoot().Read(a.statePath(name))
		switch {
		case missing(err):
			return nil, stateMissing
		case err != nil:
			a.lacks(a.statePath(name), err)
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
	if full, err := a.kubeletRoot().Resolve(a.statePath(observe.CPUStateFile)); err == nil {
		if st, err := os.Stat(full); err == nil {
			age := a.opts.Now.Sub(st.ModTime())
			a.settling = age >= 0 && age < period+time.Second
		}
	}
}

// askStarts asks the kubelet's code about a start with the node's configuration
// and with the proposed one.
func (a *audit) askStarts(ctx context.Context) {
	if end, ok := ctx.Deadline(); ok {
		// That nobody answers must not take the rest of the report away.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	own := a.config
	if own != nil {
		s, answer := a.askStart(ctx, strings.Join(own.from, " "), own.json)
		if s.Result != Unchecked {
			a.kc.Reserved = answer.Reserved
		}
		a.report.Starts = append(a.report.Starts, s)
	}
	a.report.Kubelet.Config = a.kc
	if a.opts.Config == nil || a.proposed {
		return
	}
	// The node's drop-ins and flags stay when its file is changed.
	proposal, err := a.launch.config(&document{a.opts.ConfigName, a.opts.Config})
	var s Start
	switch {
	case err != nil:
		s = Start{Config: a.opts.ConfigName, Result: Unchecked, Unchecked: err.Error()}
	case own != nil && bytes.Equal(own.json, proposal.json):
		s = a.report.Starts[0]
		s.Config = strings.Join(proposal.from, " ")
	default:
		s, _ = a.askStart(ctx, strings.Join(proposal.from, " "), proposal.json)
	}
	s.Proposed = true
	a.report.Starts = append(a.report.Starts, s)
}

func (a *audit) askStart(ctx context.Context, name string, config []byte) (Start, StartAnswer) {
	s := Start{Config: name, Result: Unchecked}
	switch k := &a.report.Kubelet; {
	case a.opts.Start == nil:
		s.Unchecked = "nobody to ask"
	case a.launch.unread != nil:
		s.Unchecked = "the kubelet's flags are not known: " + a.launch.unread.Error()
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
		a.invalid[name] = answer.Invalid
	default:
		s.Result = Starts
	}
	return s, answer
}
