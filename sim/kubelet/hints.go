package kubelet

import (
	"fmt"
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
)

// Hint is a set of NUMA nodes that a manager can serve a request from. Any
// says that the manager does not care.
type Hint struct {
	Nodes     []int
	Any       bool
	Preferred bool
}

// ResourceHints is one manager's answer for one resource. No hints without
// NoPreference says that nothing fits.
type ResourceHints struct {
	// Provider is devices, cpu or memory.
	Provider     string
	Resource     string // empty when the manager has no preference at all
	NoPreference bool
	Hints        []Hint
}

// HintRound is one question of the topology manager: what the managers
// answered, and what it made of the answers.
type HintRound struct {
	// Container is empty when the whole pod was asked for (pod scope).
	Container string
	// Before is what the managers held when they were asked.
	Before Snapshot
	// FreeDevices counts the devices that nobody held then, by resource and
	// NUMA node; those without a node count under -1.
	FreeDevices map[string]map[int]int
	Answers     []ResourceHints
	// Best is the merged hint.
	Best Hint
}

// Messages of the topology manager's scopes.
const (
	msgHints = "TopologyHints"
	msgBest  = "Best TopologyHint"
)

// providers are the hint providers in the order in which start adds them.
func providers() []string { return []string{"devices", "cpu", "memory"} }

// AdmitExplained is Admit, and tells what the topology manager asked and heard.
// It reads the manager's own log, so that it shows the very hints that the
// answer came from: asking the managers again afterwards would give others,
// since an admission takes resources container by container.
func (l *Lifetime) AdmitExplained(pod *v1.Pod, others []*v1.Pod) (AdmitResult, []HintRound, error) {
	var before []HintRound
	fresh := true
	l.log.hook = func(msg string) {
		switch msg {
		case msgHints:
			if fresh {
				before = append(before, HintRound{Before: l.Snapshot(), FreeDevices: l.freeDevices()})
				fresh = false
			}
		case msgBest:
			fresh = true
		}
	}
	first := l.log.length()
	res, err := l.Admit(pod, others)
	l.log.hook = nil
	if err != nil {
		return res, nil, err
	}
	rounds, err := hintRounds(l.log.since(first), before)
	if err == nil && len(rounds) == 0 && l.aligns() {
		err = fmt.Errorf("no line %q in the topology manager's log; pinlab must be adapted to this kubelet version", msgHints)
	}
	return res, rounds, err
}

// aligns says whether the topology manager asks for hints at all.
func (l *Lifetime) aligns() bool {
	return l.params.Config.kc.TopologyManagerPolicy != topologymanager.PolicyNone
}

// length counts the lines kept.
func (r *recorder) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.lines)
}

// since returns the lines from an index on, without taking them.
func (r *recorder) since(first int) []logEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines[min(first, len(r.lines)):])
}

// value finds a value of a log line.
func (e logEntry) value(key string) (any, bool) {
	for i := 0; i+1 < len(e.kv); i += 2 {
		if e.kv[i] == key {
			return e.kv[i+1], true
		}
	}
	return nil, false
}

// hintRounds completes what was seen before each round by what was said in it.
func hintRounds(lines []logEntry, before []HintRound) ([]HintRound, error) {
	var rounds []HintRound
	var answers []map[string][]topologymanager.TopologyHint
	for _, line := range lines {
		switch line.msg {
		case msgHints:
			v, _ := line.value("hints")
			hints, ok := v.(map[string][]topologymanager.TopologyHint)
			if !ok {
				return nil, fmt.Errorf("hints are a %T in the topology manager's log; pinlab must be adapted to this kubelet version", v)
			}
			answers = append(answers, hints)
		case msgBest:
			v, _ := line.value("bestHint")
			best, ok := v.(topologymanager.TopologyHint)
			if !ok || len(answers) != len(providers()) || len(rounds) == len(before) {
				return nil, fmt.Errorf("the topology manager's log is not understood; pinlab must be adapted to this kubelet version")
			}
			name, _ := line.value("containerName")
			container, _ := name.(string)
			round := before[len(rounds)]
			round.Container, round.Best = container, newHint(best)
			for i, provider := range providers() {
				round.Answers = append(round.Answers, resourceHints(provider, answers[i])...)
			}
			rounds = append(rounds, round)
			answers = nil
		}
	}
	return rounds, nil
}

func resourceHints(provider string, hints map[string][]topologymanager.TopologyHint) []ResourceHints {
	if len(hints) == 0 {
		return []ResourceHints{{Provider: provider, NoPreference: true}}
	}
	out := make([]ResourceHints, 0, len(hints))
	for _, resource := range slices.Sorted(maps.Keys(hints)) {
		r := ResourceHints{Provider: provider, Resource: resource, NoPreference: hints[resource] == nil}
		for _, h := range hints[resource] {
			r.Hints = append(r.Hints, newHint(h))
		}
		out = append(out, r)
	}
	return out
}

func newHint(h topologymanager.TopologyHint) Hint {
	if h.NUMANodeAffinity == nil {
		return Hint{Any: true, Preferred: h.Preferred}
	}
	return Hint{Nodes: h.NUMANodeAffinity.GetBits(), Preferred: h.Preferred}
}

// Allocatable is the node's arithmetic as its status has it.
func (l *Lifetime) Allocatable() (capacity, allocatable v1.ResourceList) {
	return l.node.Status.Capacity.DeepCopy(), l.node.Status.Allocatable.DeepCopy()
}

func (l *Lifetime) freeDevices() map[string]map[int]int {
	if len(l.devices.byResource) == 0 {
		return nil
	}
	free := map[string]map[int]int{}
	for name := range l.devices.byResource {
		free[name] = map[int]int{}
		for _, d := range l.devices.free(name) {
			free[name][max(d.NUMANode, -1)]++
		}
	}
	return free
}

// GateEnabled says whether a kubelet with this configuration has a feature
// gate on; an unknown gate is off.
func (c *Config) GateEnabled(name string) bool {
	gates := utilfeature.DefaultFeatureGate.DeepCopy()
	if resetGates(gates) != nil || gates.SetFromMap(c.kc.FeatureGates) != nil {
		return false
	}
	if _, known := gates.GetAll()[featuregate.Feature(name)]; !known {
		return false
	}
	return gates.Enabled(featuregate.Feature(name))
}

// ResetFeatureGates puts the process's feature gates back to their defaults,
// which are also those of an API server of this version. A kubelet's start
// leaves its own behind.
func ResetFeatureGates() error {
	return resetGates(utilfeature.DefaultMutableFeatureGate)
}
