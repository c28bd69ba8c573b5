package explore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/scenarios"
)

// Exhaustive is what a search through all sequences is given.
type Exhaustive struct {
	// Depth bounds the events after the kubelet's first start.
	Depth int
	// Starts are scenarios without events: machines and configurations.
	Starts []*scenarios.Scenario
	// Enough says that the time is up.
	Enough func() bool
}

// SmallStarts are small machines under every topology manager policy and the options
// that change what is allocated.
func SmallStarts() []*scenarios.Scenario {
	var out []*scenarios.Scenario
	for _, machine := range []string{"cores=2", "cores=2 threads=2", "sockets=2 cores=2"} {
		for _, config := range []string{
			`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`,
			`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","cpuManagerPolicyOptions":{"strict-cpu-reservation":"true"}}`,
			`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","cpuManagerPolicyOptions":{"full-pcpus-only":"true"}}`,
			`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","topologyManagerPolicy":"restricted"}`,
			`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","topologyManagerPolicy":"single-numa-node","topologyManagerScope":"pod"}`,
			`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","topologyManagerScope":"pod","topologyManagerPolicy":"best-effort","featureGates":{"PodLevelResourceManagers":true}}`,
		} {
			out = append(out, &scenarios.Scenario{Name: "exhaustive", Profile: machine, Kubelet: json.RawMessage(config), Reconcile: scenarios.ReconcileAuto})
		}
	}
	return out
}

// stateBytes is about what a visited state takes: its hash in the map, and the
// sequence that leads to it while it is in the frontier.
const stateBytes = 200

// chunkRuns are as many sequences as are replayed before their outcomes are looked at:
// outcomes are large, and a level of sequences is longer than any memory.
const chunkRuns = 512

// leaf is a state to go on from: the sequence that leads to it, and its start.
type leaf struct {
	start int
	moves []byte
}

// Exhaustive goes through all sequences of events up to a depth, breadth first and all
// starts together, so that what it has done when the time is up is the same for all. A
// sequence that leads to a state visited before is cut off: the state is
// what the state file, the pods with their cgroups and the configuration say. What
// the managers only have in memory (which CPUs may be used again, what was written
// last) is not part of it. Pods are told apart by the order of their creation and by
// nothing else, so that it does not matter what they are called; CPUs are not
// interchangeable, for upstream prefers the lower ones.
func (x *Explorer) Exhaustive(ctx context.Context, o Exhaustive) error {
	x.enough = o.Enough
	moves, err := x.moves()
	if err != nil {
		return err
	}
	e := &exhausting{Explorer: x, Exhaustive: o, moves: moves, visited: map[uint64]bool{}, most: int(x.memory() / stateBytes)}
	frontier := make([]leaf, len(o.Starts))
	for k := range o.Starts {
		frontier[k].start = k
	}
	for depth := 1; depth <= o.Depth && len(frontier) > 0; depth++ {
		whole := x.stats.Dropped == 0
		next, done, err := e.level(ctx, frontier)
		x.stats.Left = len(frontier) - done
		if whole && x.stats.Left == 0 {
			x.stats.Depth = depth
		}
		x.tell()
		if err != nil || x.stats.Left > 0 {
			return err
		}
		frontier = next
	}
	return nil
}

// exhausting is one search through all sequences.
type exhausting struct {
	*Explorer
	Exhaustive

	moves   []move
	visited map[uint64]bool
	most    int
}

// level replays every sequence of the frontier with every move after it, and returns
// those that lead to a new state, and how many of the frontier were gone on from before
// the time was up.
func (e *exhausting) level(ctx context.Context, frontier []leaf) (next []leaf, done int, err error) {
	var chunk []leaf
	for i, from := range frontier {
		for m := range e.moves {
			seq := append(slices.Clone(from.moves), byte(m))
			if possible(e.moves, seq) {
				chunk = append(chunk, leaf{from.start, seq})
			}
		}
		if len(chunk) < chunkRuns && i < len(frontier)-1 {
			continue
		}
		if e.Enough != nil && e.Enough() {
			return next, done, nil
		}
		if next, err = e.replay(ctx, chunk, next); err != nil {
			return next, done, err
		}
		chunk, done = chunk[:0], i+1
		e.tell()
	}
	return next, done, nil
}

// replay replays sequences, looks at what they show, and appends those that lead to a
// new state to next.
func (e *exhausting) replay(ctx context.Context, chunk, next []leaf) ([]leaf, error) {
	c := newCrew(ctx, e.Workers)
	defer c.dismiss()
	outcomes, wait := c.replay(len(chunk), func(i int) job { return job{Scenario: e.sequence(chunk[i])} })
	failed := wait()
	var todo []pending
	for i, n := range chunk {
		if failed != nil && outcomes[i].Applied == nil {
			continue // interrupted before it
		}
		e.stats.Runs++
		e.stats.Events += len(outcomes[i].Applied)
		for _, h := range outcomes[i].Hits {
			if e.worthShrinking(h.Cause.Key()) {
				from := fmt.Sprintf("sequence %d on %s", e.stats.Runs, e.Starts[n.start].Profile)
				todo = append(todo, pending{scenario: e.sequence(n), hit: h, run: e.stats.Runs, from: from})
			}
		}
		state := outcomes[i].State ^ uint64(n.start)<<56
		switch {
		case e.visited[state]:
			e.stats.Cut++
		case len(e.visited) < e.most:
			e.visited[state] = true
			next = append(next, n)
		default:
			e.stats.Dropped++
		}
	}
	e.stats.States = len(e.visited)
	if failed != nil {
		e.unshrunk(todo)
		return next, failed
	}
	return next, e.shrinkAll(ctx, todo)
}

func (e *exhausting) sequence(n leaf) *scenarios.Scenario {
	return sequence(e.Starts[n.start], e.moves, n.moves)
}

// move is one letter of the alphabet.
type move struct {
	events func(w *smallWorld) []scenarios.Event
	// fits says whether the move makes sense.
	fits func(w *smallWorld) bool
}

// smallWorld is what a sequence has made of the node.
type smallWorld struct {
	pods    []string // by age
	running bool
	made    int
}

// maxPods bounds the pods at a time; more do not fit on the small machines.
const maxPods = 3

func (x *Explorer) moves() ([]move, error) {
	running := func(w *smallWorld) bool { return w.running }
	var out []move
	shapes, err := x.shapes()
	if err != nil {
		return nil, err
	}
	for _, shape := range shapes {
		create := func(w *smallWorld) scenarios.Event {
			pod := *shape
			pod.Name = fmt.Sprintf("p%d", w.made)
			pod.UID = types.UID("uid-" + pod.Name)
			w.made++
			w.pods = append(w.pods, pod.Name)
			return scenarios.CreatePod{Pod: &pod}
		}
		out = append(out, move{
			fits:   func(w *smallWorld) bool { return len(w.pods) < maxPods },
			events: func(w *smallWorld) []scenarios.Event { return []scenarios.Event{create(w)} },
		})
		for nth := 1; nth <= 2; nth++ {
			out = append(out, move{
				fits: func(w *smallWorld) bool { return w.running && len(w.pods) < maxPods },
				events: func(w *smallWorld) []scenarios.Event {
					return []scenarios.Event{
						scenarios.KillAtCheckpointWrite{File: scenarios.CPUState, Nth: nth, When: "after"},
						create(w),
						scenarios.ClearFaults{},
						scenarios.RestartKubelet{},
					}
				},
			})
		}
	}
	for k := range maxPods {
		out = append(out, move{
			fits: func(w *smallWorld) bool { return k < len(w.pods) },
			events: func(w *smallWorld) []scenarios.Event {
				name := w.pods[k]
				w.pods = slices.Delete(w.pods, k, k+1)
				return []scenarios.Event{scenarios.DeletePod{Pod: name}}
			},
		})
	}
	return append(
		out,
		move{fits: running, events: func(*smallWorld) []scenarios.Event { return []scenarios.Event{scenarios.RestartKubelet{}} }},
		move{fits: running, events: func(w *smallWorld) []scenarios.Event {
			w.running = false
			return []scenarios.Event{scenarios.StopKubelet{}}
		}},
		move{fits: func(w *smallWorld) bool { return !w.running }, events: func(w *smallWorld) []scenarios.Event {
			w.running = true
			return []scenarios.Event{scenarios.StartKubelet{}}
		}},
		move{fits: running, events: func(*smallWorld) []scenarios.Event {
			return []scenarios.Event{scenarios.Reboot{}, scenarios.StartKubelet{}}
		}},
	), nil
}

// shapes are the pods of the alphabet.
func (x *Explorer) shapes() ([]*v1.Pod, error) {
	container := func(name, cpu string) v1.Container {
		c := v1.Container{Name: name, Image: "pause"}
		if cpu != "" {
			list := v1.ResourceList{v1.ResourceCPU: resource.MustParse(cpu), v1.ResourceMemory: resource.MustParse(smallMemory)}
			c.Resources = v1.ResourceRequirements{Requests: list, Limits: list}
		}
		return c
	}
	of := func(containers ...v1.Container) *v1.Pod {
		return &v1.Pod{Spec: v1.PodSpec{Containers: containers}}
	}
	withInit := of(container("app", "1"))
	withInit.Spec.InitContainers = []v1.Container{container("init", "1")}
	podLevel := of(container("app", "1"), container("more", ""))
	podLevel.Spec.Resources = &v1.ResourceRequirements{
		Requests: v1.ResourceList{v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("128Mi")},
		Limits:   v1.ResourceList{v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("128Mi")},
	}
	list := []*v1.Pod{of(container("app", "1")), of(container("app", "2")), of(container("app", "")), withInit, podLevel}
	for _, p := range list {
		p.Name, p.UID = "x", "x"
		if err := x.Prepare(p); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// possible says whether every move of a sequence makes sense where it stands.
func possible(moves []move, seq []byte) bool {
	w := &smallWorld{running: true}
	for _, m := range seq {
		if !moves[m].fits(w) {
			return false
		}
		moves[m].events(w)
	}
	return true
}

// sequence is a start with the events of its moves.
func sequence(start *scenarios.Scenario, moves []move, seq []byte) *scenarios.Scenario {
	s := *start
	w := &smallWorld{running: true}
	s.Steps = []scenarios.Step{{Event: scenarios.StartKubelet{}}}
	for _, m := range seq {
		for _, e := range moves[m].events(w) {
			s.Steps = append(s.Steps, scenarios.Step{Event: e})
		}
	}
	return &s
}
