// Package invariant knows what must hold on a node whatever happens to it. An
// invariant is a pure function of what was seen of the node and of the machine,
// so that a simulated node, a virtual machine and a real server are judged by
// the same rules.
//
// The invariants judge the managers of a running kubelet with the static CPU
// manager policy, and the cgroups of running containers. A stopped kubelet
// promises nothing: what its state file says is then only the input of the
// next start.
package invariant

import (
	"fmt"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// Check returns the invariants that do not hold, in the order of Names and
// then of the containers. Whoever checks many observations uses a Checker.
func Check(o observe.Observation, p *hwprofiles.Profile) []observe.Violation {
	return NewChecker().Check(o, p)
}

// Names lists the invariants in the order in which they are checked.
func Names() []string {
	all := invariants()
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].name
	}
	return names
}

// Doc says in a paragraph what an invariant is about, why it matters and who
// promises it. It is empty for a name that is none.
func Doc(name string) string {
	for _, inv := range invariants() {
		if inv.name == name {
			return inv.doc
		}
	}
	return ""
}

// Checker checks many observations and remembers what it has parsed: the
// tables of the machine and each distinct CPU list. It must not be used by two
// goroutines at a time.
type Checker struct {
	invariants []invariant
	machine    machine
	sets       map[observe.CPUs]set
	view       view

	// Scratch memory of the checks.
	union, other set
	nodes        []int32
	entries      map[entry]observe.CPUs

	current  string
	count    int
	compared int
	stopped  bool // count is not all of them
	found    []observe.Violation
}

// entry names one entry of the CPU manager's state.
type entry struct{ pod, container string }

// invariant is one rule.
type invariant struct {
	name  string
	doc   string
	check func(*Checker)
}

const (
	// maxSets bounds the lists remembered; a long replay sees ever new ones.
	maxSets = 4096
	// maxReported bounds the violations of one invariant in one observation.
	maxReported = 32
	// maxCompared bounds the comparisons made only to count the others, where
	// there are very many containers.
	maxCompared = 1 << 20
)

// NewChecker returns a Checker.
func NewChecker() *Checker {
	return &Checker{
		invariants: invariants(),
		sets:       map[observe.CPUs]set{},
		view:       view{pods: map[string]int{}},
		entries:    map[entry]observe.CPUs{},
	}
}

// Check does what the function of this name does.
func (k *Checker) Check(o observe.Observation, p *hwprofiles.Profile) []observe.Violation {
	if len(k.sets) > maxSets {
		clear(k.sets)
	}
	k.machine.load(p)
	k.view.load(&o, k.parse)
	if len(o.Online) == 0 {
		k.view.online = k.machine.online
	}
	k.found = nil
	for i := range k.invariants {
		k.current, k.count, k.compared, k.stopped = k.invariants[i].name, 0, 0, false
		k.invariants[i].check(k)
		if more := k.count - maxReported; more > 0 {
			text := fmt.Sprintf("and %d more", more)
			if k.stopped {
				text = fmt.Sprintf("and at least %d more", more)
			}
			k.found = append(k.found, observe.Violation{Invariant: k.current, Detail: text})
		}
	}
	// The observation is the caller's; only what was parsed of it may stay.
	k.view.o = nil
	clear(k.view.containers)
	clear(k.view.stale)
	return k.found
}

// parse returns the set of a list, parsed once.
func (k *Checker) parse(list observe.CPUs) set {
	if list == "" {
		return nil
	}
	s, ok := k.sets[list]
	if !ok {
		s = parseSet(list)
		k.sets[list] = s
	}
	return s
}

// enough is asked before every comparison, and says that no more of the current
// invariant is to be looked for.
func (k *Checker) enough() bool {
	k.compared++
	k.stopped = k.compared > maxCompared && k.count > maxReported
	return k.stopped
}

// violated records that the current invariant does not hold.
func (k *Checker) violated(format string, args ...any) {
	if k.count++; k.count <= maxReported {
		k.found = append(k.found, observe.Violation{Invariant: k.current, Detail: fmt.Sprintf(format, args...)})
	}
}
