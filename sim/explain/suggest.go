package explain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// suggest looks for the smallest changes of every pod that is not pinned, once
// for each workload and answer.
//
// The answers are there by now. So that they are not lost when the time is up,
// the search ends before it.
func (x *explainer) suggest(ctx context.Context) error {
	soft := ctx
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		soft, cancel = context.WithTimeout(ctx, time.Until(end)*3/4)
		defer cancel()
	}
	x.seen = map[string]string{}
	for i := range x.report.Pods {
		p := &x.report.Pods[i]
		if p.Verdict == Pinned {
			continue
		}
		key := strings.Join([]string{p.Namespace, p.Workload, string(p.Verdict), p.Admission.Reason}, "|")
		if first, ok := x.seen[key]; ok {
			p.SameAs = first
			continue
		}
		x.seen[key] = p.Pod
		err := x.suggestFor(soft, i, p)
		if err != nil && errors.Is(err, soft.Err()) && ctx.Err() == nil {
			p.Notes = append(p.Notes, "the time was up before all changes were tried; see --timeout")
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// search looks for changes of one pod.
type search struct {
	*explainer
	index int
	m     *scenarios.ManifestPod
	p     *Pod
	found []Suggestion
	// best is the first candidate, admitted or not: what the pod would have to
	// look like if there were room for it.
	best *corev1.Pod
}

// most is the number of suggestions for one pod: more are no help.
const most = 3

func (x *explainer) suggestFor(ctx context.Context, i int, p *Pod) error {
	s := &search{explainer: x, index: i, m: &x.Pods[i], p: p, best: x.Pods[i].Pod}
	steps := []func(context.Context) error{s.manifest, s.smaller, s.config}
	if x.report.Kubelet.Config.CPUManagerPolicy != "static" {
		steps = []func(context.Context) error{s.config} // no pod can help itself
	}
	defer func() { p.Suggestions = s.found }()
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if len(s.found) == 0 && p.Verdict != NotPlaced {
		p.Notes = append(p.Notes, "no change to this pod alone was found that gets it pinned on this node")
	}
	p.Notes = append(p.Notes, s.notes()...)
	return nil
}

// notes are hints that go beyond the fields.
func (s *search) notes() []string {
	notes := injectedNotes(s.m.Pod)
	if s.p.Verdict == Rejected && s.m.Replica > 0 {
		notes = append(notes, fmt.Sprintf("%d pods of %s fit on this node; a scheduler may find other nodes for the rest", s.m.Replica, s.p.Workload))
	}
	return notes
}

// group is the number in whose multiples CPUs are given out.
func (s *search) group(o *kubelet.Config) int {
	if o.Observed().CPUManagerPolicyOptions["full-pcpus-only"] == "true" {
		return max(s.Profile.SMTLevel(), 1)
	}
	return 1
}

// add keeps a suggestion that holds.
func (s *search) add(g Suggestion) bool {
	if len(s.found) < most {
		s.found = append(s.found, g)
	}
	return len(s.found) >= most
}

// manifest tries changes of the pod: the one with the fewest fields, and one
// alternative.
func (s *search) manifest(ctx context.Context) error {
	return s.manifestUnder(ctx, s.Config, nil, 2)
}

// manifestUnder tries changes of the pod under a configuration.
func (s *search) manifestUnder(ctx context.Context, config []byte, configEdits []Edit, enough int) error {
	cfg, err := s.Decoder.Decode(config)
	if err != nil {
		return err
	}
	list := candidates(s.m.Pod, s.group(cfg))
	slices.SortStableFunc(list, func(a, b candidate) int { return cmp.Compare(len(edits(s.m, a.pod)), len(edits(s.m, b.pod))) })
	for i := range list {
		c := &list[i]
		if i == 0 && s.best == s.m.Pod {
			s.best = c.pod
		}
		outcome, notes, err := s.try(ctx, config, c.pod)
		if err != nil {
			return err
		}
		if outcome == nil {
			continue
		}
		g := Suggestion{Manifest: edits(s.m, c.pod), Config: configEdits, Notes: slices.Concat(c.notes, notes), Outcome: outcome}
		g.Title = title(&g)
		if s.add(g) {
			return nil
		}
		if enough--; enough == 0 {
			return nil
		}
	}
	return nil
}

// title names a suggestion in a few words.
func title(g *Suggestion) string {
	var phrases []string
	names := map[string][]string{}
	for _, group := range byContainer(g.Manifest) {
		phrase := phraseOf(group)
		if names[phrase] == nil {
			phrases = append(phrases, phrase)
		}
		names[phrase] = append(names[phrase], cmp.Or(group[0].Container, "the pod"))
	}
	for i, phrase := range phrases {
		phrases[i] = fmt.Sprintf(phrase, listWords(names[phrase]))
	}
	if len(g.Config) > 0 {
		phrases = append(phrases, "change the kubelet's configuration")
	}
	return listWords(phrases)
}

// byContainer parts edits, which come container by container.
func byContainer(list []Edit) [][]Edit {
	var groups [][]Edit
	for i, e := range list {
		if i == 0 || e.Container != list[i-1].Container {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], e)
	}
	return groups
}

// phraseOf says what the edits of one container do, with a verb for its name.
func phraseOf(list []Edit) string {
	requests, limits, fresh := false, false, true
	for _, e := range list {
		requests = requests || strings.Contains(e.Path, ".requests.")
		limits = limits || strings.Contains(e.Path, ".limits.")
		fresh = fresh && e.From == ""
	}
	switch {
	case !requests && !limits:
		return "remove %s's own resources"
	case len(list) == 2 && requests && limits && list[0].To == list[1].To:
		name := list[0].Path[strings.LastIndex(list[0].Path, ".")+1:]
		return "set " + name + " to " + list[0].To + " in %s"
	case requests && limits && fresh:
		return "give %s requests and limits"
	case requests && limits:
		return "change requests and limits of %s"
	case requests && fresh:
		return "give %s requests"
	case requests:
		return "raise the requests of %s to the limits"
	case fresh:
		return "give %s limits like its requests"
	}
	return "lower the limits of %s to the requests"
}

// try asks the managers about a changed pod; its replicas change with it. The
// outcome is nil when the containers to be pinned are not.
func (s *search) try(ctx context.Context, config []byte, changed *corev1.Pod) (found []Outcome, notes []string, err error) {
	// The API server judges a changed manifest with its own gates.
	if err := kubelet.ResetFeatureGates(); err != nil {
		return nil, nil, err
	}
	if kubelet.PreparePod(changed.DeepCopy()) != nil {
		return nil, nil, nil
	}
	t := trial{config: config, state: s.usableState(), pods: s.changedPods(changed)}
	// One that is not pinned up to this pod is enough to know; else the pods
	// after it are asked for, too.
	t.stop = func(o *outcome) bool {
		i := len(o.pods) - 1
		return i <= s.index && s.replica(i) && pinned(s.explainer, o, i, t.pods[i]) == nil
	}
	o, err := s.sandbox.run(ctx, t)
	var panicked *kubelet.PanicError
	if errors.As(err, &panicked) {
		return nil, nil, nil // no change to recommend
	}
	if err != nil {
		return nil, nil, err
	}
	if o.startErr != nil && t.state != nil {
		// What the file says does not go with the new configuration.
		t.state = nil
		if o, err = s.sandbox.run(ctx, t); err != nil {
			return nil, nil, err
		}
		notes = append(notes, "the kubelet refuses the state file under this configuration: drain the node, stop the kubelet, delete "+statePath+", change the configuration, start the kubelet")
	}
	if o.startErr != nil {
		return nil, nil, nil
	}
	for i := range s.index + 1 {
		if !s.replica(i) {
			continue
		}
		if found = pinned(s.explainer, o, i, t.pods[i]); found == nil {
			return nil, nil, nil
		}
	}
	return found, append(notes, s.others(o, t.pods)...), nil
}

// changedPods are the pods, those of the workload changed.
func (s *search) changedPods(changed *corev1.Pod) []*corev1.Pod {
	pods := s.pods()
	for i := range pods {
		if s.replica(i) {
			pods[i] = withSpec(pods[i], changed)
		}
	}
	return pods
}

// others says what a change that holds for a pod means for the pods after it:
// CPUs of its own are taken from somewhere.
func (s *search) others(o *outcome, pods []*corev1.Pod) []string {
	var notes []string
	replicas, holds := 0, 0
	var lost []string
	for i := range pods {
		switch {
		case s.replica(i):
			replicas++
			if pinned(s.explainer, o, i, pods[i]) != nil {
				holds++
			}
		case i > s.index && !o.pods[i].Admitted && (s.base.pods == nil || s.base.pods[i].Admitted):
			lost = append(lost, pods[i].Name)
		}
	}
	if holds < replicas {
		notes = append(notes, fmt.Sprintf("on this node there is room for %d of the %d pods of %s then", holds, replicas, s.p.Workload))
	}
	if len(lost) > 0 {
		const shown = 3
		if len(lost) > shown {
			lost = append(lost[:shown], fmt.Sprintf("%d more", len(lost)-shown))
		}
		notes = append(notes, "the node has no room then for "+listWords(lost))
	}
	return notes
}

// usableState is the state file, unless the kubelet refuses it anyway.
func (x *explainer) usableState() []byte {
	if x.stateRefused {
		return nil
	}
	return x.State
}

// replica says that a pod is of the same workload as the one searched for.
func (s *search) replica(i int) bool {
	a, b := &s.Pods[i], s.m
	return a == b || (a.Kind == b.Kind && a.Name == b.Name && a.Pod.Namespace == b.Pod.Namespace && a.Kind != "Pod")
}

// pinned lists where a pod's containers are pinned; nil unless all that are to
// be pinned are.
func pinned(x *explainer, o *outcome, i int, pod *corev1.Pod) []Outcome {
	if !o.pods[i].Admitted {
		return nil
	}
	own := map[string]bool{}
	var found []Outcome
	for _, c := range containers(pod) {
		promised, _ := kubelet.Pinning(o.config, pod, c.spec)
		exclusive, cpus := assigned(o.pods[i].after, pod, c, promised)
		if exclusive && cpus != "" {
			own[c.spec.Name] = true
			found = append(found, Outcome{Container: pod.Name + "/" + c.spec.Name, CPUs: cpus, NUMANodes: nodesOf(x.Profile, cpus.Set().List())})
		}
	}
	for _, w := range intended(pod) {
		if !own[w.spec.Name] {
			return nil
		}
	}
	return found
}
