package scenarios

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// scope is what the steps read so far have made: the pods, their containers,
// the names of the steps.
type scope struct {
	holdInit bool
	pods     map[string]*podScope
	// created counts the pods of one namespace and name, for their UIDs.
	created map[string]int
	// uids are those given: a pasted one serves for one pod only.
	uids  map[types.UID]bool
	steps map[string]stepName
	// vague says that a createPod could not be read at all: a pod that is not
	// known may be that one, so do not complain about it.
	vague bool
}

// podScope is the last pod of a name.
type podScope struct {
	// line is where the pod was created, deleted where it was deleted.
	line, deleted int
	namespace     string
	containers    []string
	ephemeral     []string // those of them that came while it ran
	has           map[string]bool
	// vague says that its containers are not known.
	vague bool
}

type stepName struct {
	line  int
	event string
}

// nameStep remembers a step's name.
func (s *scope) nameStep(l *loading, n *node, name, event string) {
	if name == "" {
		return
	}
	if first, ok := s.steps[name]; ok {
		l.errorf(n.lineOf("name"), "step name %s is used twice, first in line %d", quote(name), first.line)
		return
	}
	if s.steps == nil {
		s.steps = map[string]stepName{}
	}
	s.steps[name] = stepName{n.line, event}
}

// checkStep checks a step that a violates entry names.
func (s *scope) checkStep(l *loading, line int, at, name string) {
	step, ok := s.steps[name]
	switch {
	case !ok:
		l.errorf(line, "%s.steps: %s", at, unknown("step", name, keys(s.steps)))
	case step.event == keyExpect:
		l.errorf(line, "%s.steps: %s is an expectation; an invariant breaks in an event", at, quote(name))
	}
}

// newPodScope is what the steps know of a pod.
func newPodScope(pod *corev1.Pod, line int, vague bool) *podScope {
	p := &podScope{line: line, namespace: pod.Namespace, containers: containerNames(pod), vague: vague}
	p.has = make(map[string]bool, len(p.containers))
	for _, name := range p.containers {
		p.has[name] = true
	}
	return p
}

// add records a created pod.
func (s *scope) add(l *loading, line int, name string, pod *podScope) {
	if old := s.pods[name]; old != nil && old.deleted == 0 {
		where := ""
		if old.namespace != pod.namespace {
			where = " in namespace " + old.namespace + "; steps tell pods apart by their names alone"
		}
		l.errorf(line, "createPod: pod %s is there already, created in line %d%s", quote(name), old.line, where)
		return
	}
	if s.pods == nil {
		s.pods = map[string]*podScope{}
	}
	s.pods[name] = pod
}

// ordinal counts the pods of a namespace and name, from 1.
func (s *scope) ordinal(key string) int {
	if s.created == nil {
		s.created = map[string]int{}
	}
	s.created[key]++
	return s.created[key]
}

func (s *scope) uid(uid types.UID) {
	if s.uids == nil {
		s.uids = map[types.UID]bool{}
	}
	s.uids[uid] = true
}

// delete records a deleted pod.
func (s *scope) delete(l *loading, line int, name string) {
	if pod := s.use(l, line, "deletePod", name); pod != nil {
		pod.deleted = line
	}
}

// use finds a pod that an event is about: it must be there at this step.
func (s *scope) use(l *loading, line int, at, name string) *podScope {
	pod := s.pods[name]
	switch {
	case name == "":
		l.errorf(line, "%s: want the name of a pod", at)
	case pod == nil && s.vague:
	case pod == nil:
		l.errorf(line, "%s: %s", at, s.unknownPod(l, name))
	case pod.deleted != 0:
		l.errorf(line, "%s: pod %s is gone, deleted in line %d", at, quote(name), pod.deleted)
		return nil
	}
	return pod
}

func (s *scope) unknownPod(l *loading, name string) string {
	if l.problems.full() {
		return "" // nobody will read it
	}
	return "no earlier step creates a pod " + quote(name) + didYouMean(name, keys(s.pods))
}

// useContainer finds a container that an event is about.
func (s *scope) useContainer(l *loading, line int, at, ref string) {
	pod, container, ok := strings.Cut(ref, "/")
	if !ok {
		s.badRef(l, line, at, ref)
		return
	}
	if p := s.use(l, line, at, pod); p != nil {
		s.container(l, line, at, ref, p, container)
	}
}

// addContainer records a container that a pod is given while it runs.
func (s *scope) addContainer(l *loading, n *node, at string, e AddEphemeralContainer) {
	pod := s.use(l, n.lineOf("pod"), at, e.Pod)
	line := n.lineOf("name")
	if e.Name == "" {
		l.errorf(line, "%s: want the name of the new container, like %s", at, quote("debug"))
		return
	}
	for _, trouble := range validation.IsDNS1123Label(e.Name) {
		l.errorf(line, "%s: container name %s: %s", at, quote(e.Name), brief(trouble))
	}
	if pod == nil {
		return
	}
	if pod.has[e.Name] {
		l.errorf(line, "%s: pod %s has a container %s already", at, quote(e.Pod), quote(e.Name))
		return
	}
	pod.has[e.Name] = true
	pod.containers = append(pod.containers, e.Name)
	pod.ephemeral = append(pod.ephemeral, e.Name)
}

// ephemeral says that a container is one that its pod was given while it ran.
func (s *scope) ephemeral(ref string) bool {
	name, container, _ := strings.Cut(ref, "/")
	pod := s.pods[name]
	return pod != nil && slices.Contains(pod.ephemeral, container)
}

// badRef says how containers are named.
func (s *scope) badRef(l *loading, line int, at, ref string) {
	example := "a/app"
	if pod := s.pods[ref]; pod != nil && len(pod.containers) > 0 {
		example = ref + "/" + pod.containers[len(pod.containers)-1]
	}
	l.errorf(line, "%s: %s is no container; want pod/container, like %s", at, quote(ref), example)
}

func (s *scope) container(l *loading, line int, at, ref string, pod *podScope, container string) {
	if pod.vague || pod.has[container] || l.problems.full() {
		return
	}
	name, _, _ := strings.Cut(ref, "/")
	refs := make([]string, len(pod.containers))
	for i, c := range pod.containers {
		refs[i] = name + "/" + c
	}
	l.errorf(line, "%s: %s", at, unknown("container", ref, refs))
}

// seen finds a pod that an expectation is about: it may be gone.
func (s *scope) seen(l *loading, line int, at, name string) *podScope {
	pod := s.pods[name]
	if pod == nil && !s.vague {
		l.errorf(line, "%s: %s", at, s.unknownPod(l, name))
	}
	return pod
}

// seenContainer finds a container that an expectation is about.
func (s *scope) seenContainer(l *loading, line int, at, ref string) {
	pod, container, ok := strings.Cut(ref, "/")
	if !ok {
		s.badRef(l, line, at, ref)
		return
	}
	if p := s.seen(l, line, at, pod); p != nil {
		s.container(l, line, at, ref, p, container)
	}
}

// keys returns the names in a map, as many as are worth comparing.
func keys[V any](m map[string]V) []string {
	const most = 1000
	names := make([]string, 0, min(len(m), most))
	if len(m) > most {
		return nil // an arbitrary part would give an arbitrary answer
	}
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
