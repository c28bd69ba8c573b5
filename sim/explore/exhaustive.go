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

// Exhaustive goes through all sequences of events up to a depth, each start breadth
// first. A sequence that leads to a state visited before is cut off: the state is
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
	visited := map[uint64]bool{}
	most := int(x.memory() / stateBytes)
	for k, start := range o.Starts {
		frontier := [][]byte{nil}
		for depth := 1; depth <= o.Depth && len(frontier) > 0; depth++ {
			if o.Enough != nil && o.Enough() {
				return nil
			}
			next, err := x.level(ctx, start, uint64(k), moves, frontier, visited, most)
			if err != nil {
				return err
			}
			frontier, x.stats.Depth = next, max(x.stats.Depth, depth)
			x.stats.States = len(visited)
			x.tell()
		}
	}
	return nil
}

// level replays every sequence of the frontier with every move after it, and returns
// those that lead to a new state.
func (x *Explorer) level(ctx context.Context, start *scenarios.Scenario, salt uint64, moves []move, frontier [][]byte, visited map[uint64]bool, most int) ([][]byte, error) {
	var sequences [][]byte
	for _, seq := range frontier {
		for m := range moves {
			next := append(slices.Clone(seq), byte(m))
			if possible(moves, next) {
				sequences = append(sequences, next)
			}
		}
	}
	outcomes := make([]Outcome, len(sequences))
	err := x.each(ctx, (len(sequences)+batchRuns-1)/batchRuns, func(w Worker, batch int) error {
		first, last := batch*batchRuns, min(len(sequences), (batch+1)*batchRuns)
		var jobs []job
		for _, seq := range sequences[first:last] {
			jobs = append(jobs, job{Scenario: sequence(start, moves, seq)})
		}
		out, err := w.Many(ctx, jobs)
		copy(outcomes[first:], out)
		return err
	})
	if err != nil {
		return nil, err
	}
	var next [][]byte
	var todo []pending
	for i := range outcomes {
		x.stats.Runs++
		x.stats.Events += len(outcomes[i].Applied)
		for _, h := range outcomes[i].Hits {
			if x.worthShrinking(h.Cause.Key()) {
				s := sequence(start, moves, sequences[i])
				todo = append(todo, pending{scenario: s, hit: h, run: x.stats.Runs, from: fmt.Sprintf("sequence %d on %s", x.stats.Runs, start.Profile)})
			}
		}
		state := outcomes[i].State ^ salt<<56
		if visited[state] {
			x.stats.Cut++
			continue
		}
		if len(visited) < most {
			visited[state] = true
			next = append(next, sequences[i])
		}
	}
	return next, x.shrinkAll(ctx, todo)
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
