// Package fidelity says how far a simulated node and a real one agree on the
// same scenario: observation by observation, CPU by CPU. A simulator is
// believed only as far as it has been compared.
package fidelity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// Comparison is one scenario on both targets.
type Comparison struct {
	Scenario string `json:"scenario"`
	Profile  string `json:"profile"`
	// Skipped is why the two were not compared, or not to the end.
	Skipped string `json:"skipped,omitempty"`
	// Failed is why the harness could not replay the scenario on the real node.
	Failed string `json:"failed,omitempty"`
	// Steps counts the observations that were compared; Facts the single facts
	// in them.
	Steps int `json:"steps"`
	Facts int `json:"facts"`
	// Unread counts what could not be read on the real node; facts that depend
	// on it are not compared.
	Unread      int          `json:"unread,omitempty"`
	Differences []Difference `json:"differences,omitempty"`
	// SimSeconds and RealSeconds are how long the two replays took.
	SimSeconds  float64 `json:"simSeconds"`
	RealSeconds float64 `json:"realSeconds"`
}

// Difference is one fact on which the two targets differ.
type Difference struct {
	Step  int    `json:"step"`
	Line  int    `json:"line,omitempty"`
	Event string `json:"event"`
	// What is the fact: "shared pool", "a/app actual".
	What string `json:"what"`
	Sim  string `json:"sim"`
	Real string `json:"real"`
}

// Compare compares two results of one scenario: what was observed, and what
// became of the invariants and expectations. A scenario may be about other
// hardware, so an expectation that holds on neither is no difference; one that
// holds on one of the two alone is.
func Compare(sim, real *scenarios.Result) Comparison {
	c := Comparison{Scenario: real.Scenario, Profile: real.Profile, SimSeconds: sim.DurationSeconds, RealSeconds: real.DurationSeconds}
	if real.Verdict == scenarios.Errored && !real.Misuse || real.Verdict == scenarios.Hang {
		c.Failed = real.Reason
	}
	for i := range min(len(sim.Steps), len(real.Steps)) {
		s, r := &sim.Steps[i], &real.Steps[i]
		if why := cmp.Or(s.Skipped, r.Skipped); why != "" {
			c.Skipped = fmt.Sprintf("step %d: %s", r.Index, why)
			return c
		}
		if c.Failed != "" && r.Error != "" {
			return c
		}
		if s.Error != "" || r.Error != "" {
			c.fact(r, "error", s.Error, r.Error)
			return c
		}
		if r.Event == "expect" {
			c.held(r, "expectations", beyondLogCounts(s), beyondLogCounts(r))
			continue
		}
		c.Steps++
		c.observations(r, s.Observation, r.Observation)
		if len(r.Observation.Unread) == 0 {
			c.fact(r, "broken invariants", broken(s), broken(r))
		}
	}
	if c.Failed != "" {
		return c
	}
	c.Skipped = unequal(sim, real)
	if n := len(real.Steps); c.Skipped == "" && n > 0 {
		// Declared violations that were not seen, of the scenario as a whole.
		end := observe.Step{Index: n, Line: real.Steps[n-1].Line, Event: "end"}
		c.held(&end, "declarations", sim.Failures, real.Failures)
	}
	return c
}

// beyondLogCounts leaves out what was expected of how many lines were logged.
func beyondLogCounts(s *observe.Step) []string {
	return slices.DeleteFunc(slices.Clone(s.Failures), func(f string) bool { return slices.Contains(s.LogCounts, f) })
}

// held compares whether something held; what was wrong on both may differ.
func (c *Comparison) held(step *observe.Step, what string, sim, real []string) {
	if len(sim) > 0 && len(real) > 0 {
		c.Facts++
		return
	}
	said := func(failures []string) string {
		if len(failures) == 0 {
			return "held"
		}
		return strings.Join(failures, "; ")
	}
	c.fact(step, what, said(sim), said(real))
}

// broken names the invariants that a step broke, each once.
func broken(step *observe.Step) string {
	var names []string
	for _, v := range step.Violations {
		names = append(names, v.Invariant)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

// unequal says why the two were not compared to the end, though no step says
// so: one replay is longer than the other, or there is none.
func unequal(sim, real *scenarios.Result) string {
	short, name := real, "the real node's"
	if len(sim.Steps) < len(real.Steps) {
		short, name = sim, "the simulator's"
	}
	switch {
	case len(short.Steps) == 0:
		return cmp.Or(real.Reason, sim.Reason, "no step was replayed")
	case len(sim.Steps) != len(real.Steps):
		why := fmt.Sprintf("%s replay ended after step %d of %d", name, len(short.Steps), max(len(sim.Steps), len(real.Steps)))
		if short.Reason != "" {
			why += ": " + short.Reason
		}
		return why
	}
	return ""
}

func (c *Comparison) fact(step *observe.Step, what, sim, real string) {
	c.Facts++
	if sim != real {
		c.Differences = append(c.Differences, Difference{Step: step.Index, Line: step.Line, Event: step.Event, What: what, Sim: sim, Real: real})
	}
}

func (c *Comparison) observations(step *observe.Step, sim, real observe.Observation) {
	c.fact(step, "kubelet", string(sim.Kubelet), string(real.Kubelet))
	c.fact(step, "kubelet error", sim.KubeletError, real.KubeletError)
	// What the kubelet has in memory is not known when it does not answer.
	known := len(real.Unread) == 0
	c.Unread += len(real.Unread)
	if known {
		c.fact(step, "shared pool", string(sim.SharedPool), string(real.SharedPool))
		c.fact(step, "reserved", string(sim.Config.Reserved), string(real.Config.Reserved))
		c.fact(step, "CPUs of pods", assignments(sim.PodCPUs), assignments(real.PodCPUs))
		pairs(memoryOf(sim), memoryOf(real), func(node int, s, r string) { c.fact(step, fmt.Sprintf("memory of node %d", node), s, r) })
	}
	c.fact(step, "online", string(sim.Online), string(real.Online))
	c.fact(step, "state file", checkpoint(sim), checkpoint(real))
	c.fact(step, "stale entries", assignments(sim.Stale), assignments(real.Stale))
	pairs(answers(sim.Admissions), answers(real.Admissions), func(pod string, s, r string) { c.fact(step, "admission of "+pod, s, r) })
	pairs(answers(sim.Resizes), answers(real.Resizes), func(pod string, s, r string) { c.fact(step, "resize of "+pod, s, r) })
	pairs(containersOf(sim), containersOf(real), func(name string, s, r containerFacts) {
		c.fact(step, name+" state", s.state, r.state)
		if known {
			c.fact(step, name+" assigned", s.assigned, r.assigned)
		}
		c.fact(step, name+" actual", s.actual, r.actual)
		c.fact(step, name+" memory nodes", s.mems, r.mems)
		if r.threads != "" {
			c.fact(step, name+" threads", "as the cgroup", r.threads)
		}
	})
	// The simulator has no sandboxes. Nobody assigns CPUs to them, so their
	// threads can only be where their cgroup lets them.
	for _, b := range real.Sandboxes {
		text := "as the cgroup"
		if len(b.Threads) > 0 {
			text = fmt.Sprint(b.Threads)
		}
		c.fact(step, b.Pod+" sandbox threads", "as the cgroup", text)
	}
}

type containerFacts struct{ state, assigned, actual, mems, threads string }

func containersOf(o observe.Observation) map[string]containerFacts {
	out := map[string]containerFacts{}
	for _, c := range o.Containers {
		f := containerFacts{state: string(c.State), actual: string(c.Actual), mems: string(c.Mems), assigned: "shared pool"}
		if c.Exclusive || c.PodShared {
			f.assigned = string(c.Assigned)
		}
		if c.State != observe.StateRunning {
			f.actual, f.mems = "", ""
		}
		var sets []string
		for _, t := range c.Threads {
			sets = append(sets, string(t))
		}
		f.threads = strings.Join(sets, " and ")
		out[c.Pod+"/"+c.Container] = f
	}
	return out
}

// memoryOf is the memory manager's account of each NUMA node.
func memoryOf(o observe.Observation) map[int]string {
	out := map[int]string{}
	for _, n := range o.NUMAMemory {
		text := fmt.Sprintf("%d allocatable, %d reserved, %d free", n.Allocatable, n.Reserved, n.Free)
		if len(n.Group) > 0 {
			text += fmt.Sprintf(", handed out with %v", n.Group)
		}
		out[n.Node] = text
	}
	return out
}

func answers(list []observe.Admission) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		out[a.Pod] = "admitted"
		if !a.Admitted {
			out[a.Pod] = fmt.Sprintf("rejected: %s: %s", a.Reason, a.Message)
		}
	}
	return out
}

func checkpoint(o observe.Observation) string {
	switch {
	case o.CheckpointError != "":
		return "unreadable" // whose parser says so does not matter
	case o.Checkpoint == nil:
		return "none"
	}
	return fmt.Sprintf("%s %s %s", o.Checkpoint.Policy, o.Checkpoint.SharedPool, assignments(o.Checkpoint.Entries))
}

func assignments(list []observe.Assignment) string {
	var out []string
	for _, a := range list {
		name := a.Pod
		if a.Container != "" {
			name += "/" + a.Container
		}
		out = append(out, fmt.Sprintf("%s=%s", name, a.CPUs))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// pairs calls f for every key of either map, in order.
func pairs[K cmp.Ordered, V any](a, b map[K]V, f func(key K, a, b V)) {
	var keys []K
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		f(k, a[k], b[k])
	}
}
