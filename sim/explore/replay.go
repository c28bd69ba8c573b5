package explore

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// Outcome is what one replay showed.
type Outcome struct {
	// Hits are the distinct causes in the order in which they were first seen.
	Hits []Hit `json:"hits,omitempty"`
	// Applied are the indices of the steps that made sense; the others were left
	// out of the replay.
	Applied []int `json:"applied,omitempty"`
	// Down are the applied steps after which the kubelet did not run.
	Down []int `json:"down,omitempty"`
	// Failed are the kubelet's errors by the steps after which it had failed.
	Failed map[int]string `json:"failed,omitempty"`
	// Features are hashes of what the replay reached, see Runner.Features.
	Features []uint32 `json:"features,omitempty"`
	// State identifies the last state: state file, pods and configuration.
	State uint64 `json:"state,omitempty"`
}

// Has says whether a cause was seen, and where.
func (o *Outcome) Has(key string) (Hit, bool) {
	for _, h := range o.Hits {
		if h.Cause.Key() == key {
			return h, true
		}
	}
	return Hit{}, false
}

// Runner replays scenarios in this process, one at a time.
type Runner struct {
	Setup Setup
	// Resolve finds a machine by its reference.
	Resolve func(ref string) (*hwprofiles.Profile, error)
	// Features asks for what was reached: which log statement of upstream ran in
	// which kind of event, and which outcomes there were. Upstream
	// logs in every branch that matters, so that this serves as coverage without
	// a binary that is built for it.
	Features bool
	// State asks for Outcome.State.
	State bool
	// At is told of each step before it is applied; nil is allowed.
	At func(step int)

	// current is the node of the replay that runs, for whoever looks at one that hangs.
	current atomic.Value

	codec   *codec
	checker *invariant.Checker
	// counts are the distinct log statements of one event.
	counts map[statement]bool
}

type statement struct {
	message string
	isError bool
}

// Replay implements Replayer. An event that makes no sense in the state reached is
// left out; one that cannot be simulated is the end.
func (r *Runner) Replay(ctx context.Context, s *scenarios.Scenario) (Outcome, error) {
	if r.codec == nil {
		r.codec, r.checker, r.counts = newCodec(), invariant.NewChecker(), map[statement]bool{}
	}
	var out Outcome
	p, err := r.Resolve(s.Profile)
	if err != nil {
		return out, fmt.Errorf("profile %s: %w", s.Profile, err)
	}
	node, err := r.Setup(s, p)
	if err != nil {
		if errors.Is(err, scenarios.ErrMisuse) {
			return out, nil // a configuration that upstream refuses shows nothing
		}
		return out, err
	}
	r.current.Store(nodeBox{node})
	run := replay{Runner: r, node: node, out: &out, seen: map[string]bool{}, features: map[uint32]bool{}}
	err = run.steps(ctx, s)
	return out, errors.Join(err, node.Close())
}

// nodeBox lets nodes of several types be the current one.
type nodeBox struct{ Node }

type replay struct {
	*Runner
	node     Node
	out      *Outcome
	seen     map[string]bool // texts of violations, and keys of causes
	features map[uint32]bool
	tracker  tracker
}

func (r *replay) steps(ctx context.Context, s *scenarios.Scenario) error {
	for i := range s.Steps {
		e := s.Steps[i].Event
		if e == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.At != nil {
			r.At(i)
		}
		goOn, err := r.step(ctx, i, e)
		if err != nil || !goOn {
			return err
		}
	}
	return nil
}

// step applies one event and looks at what it did. A panic ends the replay.
func (r *replay) step(ctx context.Context, i int, e scenarios.Event) (goOn bool, err error) {
	key := r.codec.key(e)
	stack, err := guarded(func() error { return r.node.Apply(ctx, e) })
	switch {
	case stack != "":
		text := err.Error()
		r.out.Applied = append(r.out.Applied, i)
		r.hit(Hit{Cause: Cause{Broken: BrokenPanic, Event: key, Detail: numbers.ReplaceAllString(text, "N"), Path: panicPath(stack)}, Step: i + 1, Text: text, Stack: stack})
		return false, nil
	case errors.Is(err, scenarios.ErrMisuse):
		return true, nil
	case errors.Is(err, scenarios.ErrUnsupported):
		return false, nil // half of it may have been done
	case err != nil:
		return false, fmt.Errorf("event %d, %s: %w", i+1, e, err)
	}
	r.out.Applied = append(r.out.Applied, i)
	o, err := r.node.Observe(ctx)
	if err != nil {
		return false, fmt.Errorf("event %d, %s: observe: %w", i+1, e, err)
	}
	if o.Kubelet != observe.KubeletRunning {
		r.out.Down = append(r.out.Down, i)
		if o.Kubelet == observe.KubeletFailed && o.Started {
			if r.out.Failed == nil {
				r.out.Failed = map[int]string{}
			}
			r.out.Failed[i] = o.KubeletError
		}
	}
	violations := r.checker.Check(o, r.node.Profile())
	r.statements()
	for _, v := range violations {
		if r.seen[v.Invariant+v.Detail] || strings.HasPrefix(v.Detail, "and ") {
			continue // more of the same, or since an earlier step
		}
		r.seen[v.Invariant+v.Detail] = true
		r.hit(Hit{Cause: causeOf(v, key, &o, &r.tracker), Step: i + 1, Text: v.Detail})
	}
	if r.Features {
		r.note(key, &o, violations)
	}
	if r.State {
		r.out.State = stateOf(&o)
	}
	return true, nil
}

func (r *replay) hit(h Hit) {
	if key := h.Cause.Key(); !r.seen[key] {
		r.seen[key] = true
		r.out.Hits = append(r.out.Hits, h)
	}
}

// statements takes the log statements of the event in.
func (r *replay) statements() {
	clear(r.counts)
	r.tracker.begin()
	r.node.Statements(func(s observe.Statement) {
		r.counts[statement{s.Message, s.Error}] = true
		r.tracker.note(s)
	})
}

// note adds what an event reached to the features.
func (r *replay) note(event string, o *observe.Observation, violations []observe.Violation) {
	add := func(parts ...string) {
		h := fnv.New32a()
		for _, p := range parts {
			_, _ = io.WriteString(h, p)
			_, _ = h.Write([]byte{0})
		}
		if f := h.Sum32(); !r.features[f] {
			r.features[f] = true
			r.out.Features = append(r.out.Features, f)
		}
	}
	config := o.Config.CPUManagerPolicy + o.Config.TopologyManagerPolicy + o.Config.TopologyManagerScope + o.Config.MemoryManagerPolicy
	for s := range r.counts { // not how often: upstream walks maps in random order
		add("log", event, s.message)
	}
	for _, a := range o.Admissions {
		add("admission", event, config, a.Reason, template(a.Message, o))
	}
	for _, v := range violations {
		add("broken", event, v.Invariant, template(v.Detail, o))
	}
	add("kubelet", event, string(o.Kubelet), template(o.KubeletError, o))
	for _, c := range o.Containers {
		if c.Exclusive {
			add("shape", config, string(c.Kind), string(c.State), bucket(c.Requested), bucket(len(c.NUMANodes)))
		}
	}
	add("pool", config, bucket(len(o.Containers)), bucket(strings.Count(string(o.SharedPool), ",")))
}

// bucket is the size of a number: 0, 1, 2-3, 4-7 and so on.
func bucket(n int) string { return string(rune('0' + bits.Len(uint(n)))) }

// stateOf identifies a state. Pods are called by the order of their creation.
// Admissions and the like are told once and belong to the way there.
func stateOf(o *observe.Observation) uint64 {
	h := fnv.New64a()
	order := map[string]string{}
	name := func(pod string) string {
		if order[pod] == "" {
			order[pod] = fmt.Sprint("#", len(order))
		}
		return order[pod]
	}
	assignments := func(list []observe.Assignment) {
		for _, a := range list {
			a.Pod = name(a.Pod)
			fmt.Fprintf(h, "%+v", a)
		}
	}
	for _, c := range o.Containers {
		c.Pod = name(c.Pod)
		fmt.Fprintf(h, "%+v", c)
	}
	fmt.Fprintf(h, "%v %q %+v %v %v %v %v %v", o.Kubelet, template(o.KubeletError, o), o.Config, o.Online, o.SharedPool, o.NUMAMemory, o.SourcesNotReady, o.Reconciled)
	assignments(o.Stale)
	assignments(o.PodCPUs)
	if c := o.Checkpoint; c != nil {
		fmt.Fprint(h, c.Policy, c.SharedPool)
		assignments(c.Entries)
	}
	return h.Sum64()
}

// guarded runs upstream's code; stack is set when it panicked.
func guarded(f func() error) (stack string, err error) {
	defer func() {
		if p := recover(); p != nil {
			stack, err = string(debug.Stack()), fmt.Errorf("panic: %v", p)
		}
	}()
	if err = f(); err != nil {
		var p interface{ PanicStack() string }
		if errors.As(err, &p) {
			stack = p.PanicStack()
		}
	}
	return stack, err
}

// panicPath is the upstream function that panicked.
func panicPath(stack string) []string {
	_, after, _ := strings.Cut(stack, "panic(")
	for line := range strings.Lines(after) {
		if rest, ok := strings.CutPrefix(line, "k8s.io/kubernetes/pkg/kubelet/"); ok {
			if end := strings.LastIndex(rest, "("); end > 0 {
				return []string{strings.TrimPrefix(rest[:end], "cm/")}
			}
		}
	}
	return nil
}
