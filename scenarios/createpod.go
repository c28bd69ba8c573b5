package scenarios

import (
	"crypto/sha1"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Limits of one createPod.
const (
	maxReplicas   = 1000
	maxContainers = 1000 // of a pod
)

// podSource is a pod as it was found, before its replicas are counted out.
type podSource struct {
	pod *corev1.Pod
	// file and node are where the pod, or its template, was read.
	file string
	node *node
	// numbered marks a pod made from a template: its pods are NAME-0, NAME-1
	// and so on, beginning with first. A Pod keeps its name.
	numbered     bool
	first, count int
	// sizes are those in units of the machine.
	sizes []Size
}

// createPod reads one createPod step, which may be several events:
//
//	createPod: {name: a, containers: [...]}      # the shorthand
//	createPod: {manifest: {kind: Deployment, …}} # or the manifest itself
//	createPod: {file: deployment.yaml}           # every pod of the file
func (l *loading) createPod(n *node) []Event {
	before := l.problems.count()
	var sources []podSource
	var hold holdInit
	switch {
	case n.kind != mapping:
		l.wrong(n, &place{name: "createPod"}, "a pod")
	case n.get("manifest") != nil:
		var v struct {
			Manifest rawNode `json:"manifest"`
			HoldInit rawNode `json:"holdInit"`
		}
		l.into(n, &v, "createPod")
		hold = l.holdInit(v.HoldInit.node)
		if v.Manifest.node != nil {
			sources = l.manifest(v.Manifest.node, l.file, true)
		} else {
			l.need(n, "createPod", "manifest")
		}
	case n.get("file") != nil:
		var v struct {
			File     string  `json:"file"`
			HoldInit rawNode `json:"holdInit"`
		}
		ok := l.read(n, &v, "createPod")
		hold = l.holdInit(v.HoldInit.node)
		if ok && v.File == "" {
			l.errorf(n.lineOf("file"), "createPod.file is missing")
		} else if ok {
			sources = l.podFile(v.File, n.lineOf("file"))
		}
	case n.get("kind") != nil || n.get("apiVersion") != nil:
		sources = l.manifest(n, l.file, true)
	default:
		var source podSource
		source, hold = l.shorthand(n)
		sources = []podSource{source}
	}
	var events []Event
	for _, source := range sources {
		events = append(events, l.pods(source, hold, n.line, l.problems.count() == before)...)
	}
	if len(events) == 0 && l.problems.count() > before {
		l.scope.vague = true
	}
	return events
}

// holdInit is what a createPod says of its init containers.
type holdInit struct {
	line  int
	given bool
	all   bool
	names []string
}

// holdInit reads true, false or the names of init containers.
func (l *loading) holdInit(n *node) holdInit {
	h := holdInit{}
	if n == nil {
		return h
	}
	h.line, h.given = n.line, true
	if b, ok := n.boolean(); ok {
		h.all = b
		return h
	}
	l.into(n, &h.names, "createPod.holdInit")
	return h
}

// of picks the init containers of a pod that are held. Sidecars never end by
// themselves and need no holding.
func (h holdInit) of(l *loading, pod *corev1.Pod) []string {
	var names []string
	for i := range pod.Spec.InitContainers {
		if c := &pod.Spec.InitContainers[i]; !isSidecar(c) {
			names = append(names, c.Name)
		}
	}
	if !h.given {
		h.all = l.scope.holdInit
	}
	if h.all {
		return names
	}
	for _, name := range h.names {
		if !slices.Contains(names, name) {
			l.errorf(h.line, "createPod.holdInit: %s", unknown("init container", name, names))
		}
	}
	return h.names
}

func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// pods turns one source into the events that create its pods.
func (l *loading) pods(source podSource, hold holdInit, line int, ok bool) []Event {
	before := l.problems.count()
	base := source.pod.Name
	if source.numbered {
		source.pod.Name = base + "-" + strconv.Itoa(source.first)
	}
	// What could not be read is missing here; complaining about it would only
	// repeat that.
	if ok {
		l.sane(source)
	}
	held := hold.of(l, source.pod)
	if ok && l.problems.count() == before && l.Loader.Pod != nil {
		l.judgePod(source)
	}
	vague := !ok || l.problems.count() > before
	events := make([]Event, 0, source.count)
	for i := range source.count {
		pod := source.pod
		if source.count > 1 {
			pod = pod.DeepCopy()
			pod.Name = base + "-" + strconv.Itoa(source.first+i)
		}
		if pod.Name == "" {
			l.scope.vague = true
			continue
		}
		l.register(pod, line, vague)
		events = append(events, CreatePod{Pod: pod, HoldInit: held, Sizes: source.sizes})
	}
	return events
}

// sane checks what the steps rely on; the rest is for upstream's validation.
func (l *loading) sane(source podSource) {
	pod, n := source.pod, source.node
	problem := func(line int, format string, args ...any) {
		l.problems.add(source.file, line, format, args...)
	}
	switch {
	case pod.Name == "" && pod.GenerateName != "":
		problem(n.line, "pod with generateName %s has no name; give it one, so that steps can refer to it", quote(pod.GenerateName))
	case pod.Name == "":
		problem(n.line, "pod has no name")
	default:
		for _, trouble := range validation.IsDNS1123Subdomain(pod.Name) {
			problem(n.line, "pod name %s: %s", quote(pod.Name), brief(trouble))
		}
	}
	if len(pod.Spec.Containers)+len(pod.Spec.InitContainers) > maxContainers {
		problem(n.line, "pod %s has more than %d containers", quote(pod.Name), maxContainers)
		return
	}
	if len(pod.Spec.Containers) == 0 {
		problem(n.line, "pod %s has no containers", quote(pod.Name))
	}
	seen := map[string]bool{}
	for i, name := range containerNames(pod) {
		switch {
		case name == "":
			problem(n.line, "container %d of pod %s has no name", i, quote(pod.Name))
		case seen[name]:
			problem(n.line, "pod %s has two containers %s", quote(pod.Name), quote(name))
		default:
			for _, trouble := range validation.IsDNS1123Label(name) {
				problem(n.line, "container name %s: %s", quote(name), brief(trouble))
			}
		}
		seen[name] = true
	}
}

// brief drops the example and the pattern from a complaint about a name.
func brief(trouble string) string {
	trouble, _, _ = strings.Cut(trouble, " (e.g.")
	return trouble
}

// judgePod asks upstream to default and validate a pod.
func (l *loading) judgePod(source podSource) {
	err := l.Loader.Pod(source.pod)
	if err == nil {
		return
	}
	for _, err := range flatten(err) {
		text := oneLine(err.Error())
		l.problems.add(source.file, source.node.linePath(text), "pod %s: %s", quote(source.pod.Name), text)
	}
}

// register fills in what the API server would, and makes the pod known to the
// steps that follow.
func (l *loading) register(pod *corev1.Pod, line int, vague bool) {
	if pod.Namespace == "" {
		pod.Namespace = metav1.NamespaceDefault
	}
	// A dump of a running pod says what became of it elsewhere; here it is new.
	pod.Status = corev1.PodStatus{}
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = nil, nil
	key := pod.Namespace + "/" + pod.Name
	ordinal := l.scope.ordinal(key)
	if pod.UID == "" || l.scope.uids[pod.UID] {
		pod.UID = podUID(key, ordinal)
	}
	l.scope.uid(pod.UID)
	l.scope.add(l, line, pod.Name, newPodScope(pod, line, vague))
}

// containerNames lists the init containers, then the others.
func containerNames(pod *corev1.Pod) []string {
	names := make([]string, 0, len(pod.Spec.InitContainers)+len(pod.Spec.Containers))
	for i := range pod.Spec.InitContainers {
		names = append(names, pod.Spec.InitContainers[i].Name)
	}
	for i := range pod.Spec.Containers {
		names = append(names, pod.Spec.Containers[i].Name)
	}
	return names
}

// podUID derives a UID, so that a replay gives the same one each time and a
// pod created again under its name another. It has the form of a name-based
// UUID (RFC 9562, version 5).
func podUID(key string, ordinal int) types.UID {
	h := sha1.Sum(fmt.Appendf(nil, "pinlab pod %s #%d", key, ordinal))
	h[6] = h[6]&0x0f | 0x50
	h[8] = h[8]&0x3f | 0x80
	return types.UID(fmt.Sprintf("%x-%x-%x-%x-%x", h[0:4], h[4:6], h[6:8], h[8:10], h[10:16]))
}
