package explore

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// What is broken when it is no invariant.
const (
	// BrokenHang is a replay that was not done in time.
	BrokenHang = "hang"
	// BrokenPanic is a panic in upstream's code.
	BrokenPanic = "panic"
	// BrokenCrash is a process that ended in a way that Go cannot recover from.
	BrokenCrash = "crash"
)

// Cause tells findings apart before they are shrunk: what broke, in which event, and
// how upstream put it. Names and numbers are left out.
type Cause struct {
	// Broken is an invariant's name, BrokenHang, BrokenPanic or BrokenCrash.
	Broken string `json:"broken"`
	// Event is the key of the event after which it was first seen.
	Event string `json:"event"`
	// Detail is the violation's text, or the panic's.
	Detail string `json:"detail"`
	// Path are the functions of upstream that broke it: those of the write, the
	// innermost first, or that which raised the error. It says in parentheses when there
	// was none.
	Path []string `json:"path,omitempty"`
	// Errors are the texts of the errors that led to it.
	Errors []string `json:"errors,omitempty"`
}

// Key is the cause as one string.
func (c Cause) Key() string {
	return strings.Join(slices.Concat([]string{c.Broken, c.Event, c.Detail}, c.Errors, c.Path), " | ")
}

// Harm ranks what is broken, 1 for the worst.
func Harm(broken string) (rank int, what string) {
	switch broken {
	case invariant.RestartStarts, BrokenHang, BrokenPanic, BrokenCrash:
		return 1, "the kubelet does not start or stops working"
	case invariant.ExclusiveDisjoint, invariant.ExclusiveIsolated, invariant.ReservedNotExclusive:
		return 2, "CPUs are shared that were promised exclusive"
	case invariant.RestartKeepsPods:
		return 3, "a running pod is rejected"
	case invariant.PoolAccounted, invariant.NoLeak, invariant.ExclusiveCount, invariant.CheckpointInSync, invariant.MemoryAccounted, invariant.RoomAdmits:
		return 4, "CPUs or memory are lost"
	}
	return 5, "misaligned" // aligned, room-aligns
}

// Hit is a cause where it was first seen in a replay.
type Hit struct {
	Cause Cause `json:"cause"`
	// Step counts the scenario's steps from 1.
	Step int `json:"step"`
	// Text is the violation, or the error, in full.
	Text string `json:"text"`
	// Stack is where a panic came from, or where a hang is.
	Stack string `json:"stack,omitempty"`
	// Log are the last lines before a hang; other findings can be replayed for theirs.
	Log []string `json:"log,omitempty"`
}

var (
	numbers = regexp.MustCompile(`[0-9]+([-,][0-9]+)*`)
	// uids are those of pods that were read from a file, and of pods that the search made.
	uids  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\buid-[a-z0-9]+\b`)
	parts = regexp.MustCompile(`holds part of a core: .*`)
	// ofOne is how upstream names the container that it met first, in the order of a map.
	ofOne   = regexp.MustCompile(`\bcontainer: \S+`)
	plurals = regexp.MustCompile(`\b(CPU|node)s? N( are| is)?\b`)
)

// template leaves names and numbers out of a text. Containers become their kind, so
// that what is lost by an init container is not what is lost by an app container.
func template(text string, o *observe.Observation) string {
	text = ofOne.ReplaceAllString(uids.ReplaceAllString(text, "UID"), "container: C")
	refs := make([][2]string, 0, 2*len(o.Containers))
	for _, c := range o.Containers {
		kind := string(c.Kind)
		if c.PodShared {
			kind = "pod-shared " + kind
		}
		refs = append(refs, [2]string{c.Ref(), kind})
	}
	for _, s := range o.Stale {
		refs = append(refs, [2]string{s.Pod + "/" + s.Container, "stale"})
	}
	// The longest first: a name may begin with another.
	slices.SortStableFunc(refs, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	for _, r := range refs {
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	for _, c := range o.Containers {
		text = strings.ReplaceAll(text, "pod "+c.Pod, "pod P")
	}
	text = parts.ReplaceAllString(text, "holds part of a core")
	text = numbers.ReplaceAllString(text, "N")
	return plurals.ReplaceAllString(text, "$1 N is")
}

// causeOf makes the cause of a violation.
func causeOf(v observe.Violation, event string, o *observe.Observation, t *tracker) Cause {
	switch event {
	case "restartKubelet", "sourcesReady":
		event = "startKubelet" // what matters is that one starts
	}
	c := Cause{Broken: v.Invariant, Event: event, Detail: template(v.Detail, o)}
	c.Path, c.Errors = t.pathOf(v, event, o)
	return c
}

func (c Cause) String() string { return fmt.Sprintf("%s after %s: %s", c.Broken, c.Event, c.Detail) }
