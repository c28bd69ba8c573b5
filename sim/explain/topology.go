package explain

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// The names under which the managers give their hints.
const (
	cpuResource    = string(corev1.ResourceCPU)
	memoryResource = string(corev1.ResourceMemory)
)

// asked is what is needed to read the topology manager's rounds.
type asked struct {
	profile *hwprofiles.Profile
	config  *kubelet.Config
	pod     *corev1.Pod
	outcome *podOutcome
}

// topology reads the rounds of one admission; nil without alignment.
func (a asked) topology() *Topology {
	c := a.config.Observed()
	if len(a.outcome.rounds) == 0 {
		return nil
	}
	t := &Topology{Policy: c.TopologyManagerPolicy, Scope: c.TopologyManagerScope}
	for i := range a.outcome.rounds {
		r := a.round(&a.outcome.rounds[i])
		// A round that says no is the last one.
		r.Admitted = i < len(a.outcome.rounds)-1 || !a.misaligned()
		t.Rounds = append(t.Rounds, r)
	}
	return t
}

// misaligned says that the topology manager itself said no.
func (a asked) misaligned() bool {
	return !a.outcome.Admitted && strings.Contains(a.outcome.Reason, "TopologyAffinityError")
}

func (a asked) round(hr *kubelet.HintRound) Round {
	r := Round{Container: hr.Container, Best: hintText(hr.Best), Requests: a.requests(hr), Answers: []Answer{}}
	for _, h := range hr.Answers {
		r.Answers = append(r.Answers, Answer{Provider: h.Provider, Resource: h.Resource, Hints: hintTexts(h)})
	}
	for _, id := range a.profile.NodeIDs() {
		fit := NodeFit{Node: id}
		for _, q := range r.Requests {
			fit.Free = append(fit.Free, Quantity{q.Resource, a.free(hr, q.Resource, id)})
			if !fitsAlone(hr, q.Resource, id) {
				fit.Lacks = append(fit.Lacks, q.Resource)
			}
		}
		r.Nodes = append(r.Nodes, fit)
	}
	return r
}

// requests are the amounts that a round is about: those that some manager has
// an opinion on.
func (a asked) requests(hr *kubelet.HintRound) []Quantity {
	list := []Quantity{}
	for _, h := range hr.Answers {
		if h.NoPreference || h.Resource == "" {
			continue
		}
		if _, isDevice := hr.FreeDevices[h.Resource]; !isDevice && h.Resource != cpuResource && h.Resource != memoryResource {
			continue // huge pages: the managers do not tell what is free
		}
		list = append(list, Quantity{h.Resource, a.amount(hr.Container, h.Resource)})
	}
	slices.SortStableFunc(list, func(x, y Quantity) int { return cmp.Compare(rank(x.Resource), rank(y.Resource)) })
	return list
}

// rank puts cpu first and memory second.
func rank(resource string) int {
	switch resource {
	case cpuResource:
		return 0
	case memoryResource:
		return 1
	}
	return 2
}

// amount is what a container asks a manager for, or the pod when name is empty.
func (a asked) amount(name, resource string) int64 {
	if name == "" && hasPodLevel(a.pod) {
		q := a.pod.Spec.Resources.Requests[corev1.ResourceName(resource)]
		return q.Value()
	}
	var sum observe.Peak
	for _, c := range containers(a.pod) {
		n := a.amountOf(c, resource)
		if name == c.spec.Name {
			return n
		}
		sum.Add(c.kind, n)
	}
	return sum.Most()
}

func (a asked) amountOf(c ctr, resource string) int64 {
	if resource == cpuResource {
		n, _ := kubelet.Pinning(a.config, a.pod, c.spec)
		return int64(n)
	}
	q := c.spec.Resources.Requests[corev1.ResourceName(resource)]
	return q.Value()
}

// free is what a NUMA node had of a resource when the round began.
func (a asked) free(hr *kubelet.HintRound, resource string, node int) int64 {
	switch resource {
	case cpuResource:
		return int64(a.freeCPUs(hr.Before).Intersection(a.profile.CPUsInNode(node)).Size())
	case memoryResource:
		for _, m := range hr.Before.NUMA {
			if m.Node == node {
				return int64(m.Free)
			}
		}
		return 0
	}
	return int64(hr.FreeDevices[resource][node])
}

// freeCPUs are those that may be given to the pod: the unassigned ones, and
// what its own ended init containers leave to the containers after them.
func (a asked) freeCPUs(s kubelet.Snapshot) cpuset.CPUSet {
	reuse, lasting := cpuset.New(), cpuset.New()
	for _, c := range containers(a.pod) {
		set := s.Entries[kubelet.ContainerKey{PodUID: string(a.pod.UID), Name: c.spec.Name}].Set()
		if c.lasting() {
			lasting = lasting.Union(set)
		} else {
			reuse = reuse.Union(set)
		}
	}
	return assignable(s).Union(reuse.Difference(lasting))
}

// assignable are the CPUs that a container can still be given.
func assignable(s kubelet.Snapshot) cpuset.CPUSet {
	return s.SharedPool.Set().Difference(s.Reserved.Set())
}

// fitsAlone says whether a manager can serve its request from one NUMA node.
func fitsAlone(hr *kubelet.HintRound, resource string, node int) bool {
	for _, h := range hr.Answers {
		if h.Resource != resource {
			continue
		}
		return h.NoPreference || slices.ContainsFunc(h.Hints, func(h kubelet.Hint) bool {
			return h.Any || (len(h.Nodes) == 1 && h.Nodes[0] == node)
		})
	}
	return true
}

// hintText writes a hint as its NUMA nodes, with a star when it is preferred.
func hintText(h kubelet.Hint) string {
	text := nodeList(h.Nodes)
	if h.Any {
		text = "any"
	}
	if h.Preferred {
		text += "*"
	}
	return text
}

func nodeList(nodes []int) string {
	words := make([]string, len(nodes))
	for i, n := range nodes {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, "+")
}

func hintTexts(r kubelet.ResourceHints) []string {
	switch {
	case r.NoPreference:
		return []string{"any"}
	case len(r.Hints) == 0:
		return []string{"none"}
	}
	texts := make([]string, len(r.Hints))
	for i, h := range r.Hints {
		texts[i] = hintText(h)
	}
	return texts
}
