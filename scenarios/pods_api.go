package scenarios

import (
	"encoding/json"
	"reflect"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ManifestPod is one pod of a manifest file, and where it comes from.
type ManifestPod struct {
	Pod *corev1.Pod
	// Kind and Name are those of the object that the pod is made from, a Pod
	// or a workload.
	Kind, Name string
	// Replica counts the pods of the object from 0.
	Replica int
	// SpecPath is where the pod's spec stands in the object: "spec" of a Pod,
	// "spec.template.spec" of a Deployment.
	SpecPath string
	File     string

	source podSource
}

// Line finds the line of a field of the pod's spec, as in
// "containers[0].resources", or of the nearest field above it that the file
// has.
func (p *ManifestPod) Line(field string) int { return p.source.node.linePath("spec." + field) }

// ManifestPods reads every pod of a file of manifests, which may hold several
// documents, Lists, and other objects beside the workloads. Every pod has a
// name, a namespace and a UID; a workload's pods are NAME-0, NAME-1 and so on.
// The hook Pod is asked about each. The error says everything that is wrong, as
// that of a Loader does.
func (l Loader) ManifestPods(data []byte, filename string) ([]ManifestPod, error) {
	ld := newReading(l, filename)
	var pods []ManifestPod
	for _, doc := range parseTree(data, filename, ld.problems) {
		if doc != nil {
			pods = append(pods, ld.podsOf(doc)...)
		}
	}
	ld.unique(pods)
	if err := ld.problems.err(); err != nil {
		return nil, err
	}
	if len(pods) == 0 {
		return nil, &Error{File: filename, Message: "no pods in this file; want " + orList(keys(workloads())) + ", or a List of them"}
	}
	return pods, nil
}

// KubeletConfig reads a file with a KubeletConfiguration, or with what a
// kubelet answers at /configz, and returns it as JSON. The hooks KubeletType
// and Kubelet are asked about it.
func (l Loader) KubeletConfig(data []byte, filename string) (json.RawMessage, error) {
	ld := newReading(l, filename)
	var config json.RawMessage
	if root := ld.oneConfig(parseTree(data, filename, ld.problems)); root != nil {
		ld.typed(root, filename, "")
		config = ld.json(root, &place{})
		if l.Kubelet != nil && ld.problems.count() == 0 {
			if err := l.Kubelet(config); err != nil {
				for _, err := range flatten(err) {
					text := oneLine(err.Error())
					ld.errorf(root.lineNamed(text), "%s", text)
				}
			}
		}
	}
	if err := ld.problems.err(); err != nil {
		return nil, err
	}
	return config, nil
}

func newReading(l Loader, filename string) *loading {
	return &loading{
		Loader:  l,
		decoder: &decoder{file: filename, problems: &problems{file: filename}, tables: map[reflect.Type]map[string][]int{}},
	}
}

// oneConfig returns the mapping that a configuration file holds.
func (l *loading) oneConfig(docs []*node) *node {
	var root *node
	for _, doc := range docs {
		switch {
		case doc == nil:
		case root != nil:
			l.errorf(doc.line, "a second document begins here; want one KubeletConfiguration")
			return nil
		default:
			root = doc
		}
	}
	switch {
	case root == nil:
		if l.problems.count() == 0 {
			l.errorf(0, "the file is empty; want a KubeletConfiguration")
		}
		return nil
	case root.kind != mapping:
		l.wrong(root, nil, "a KubeletConfiguration")
		return nil
	}
	if inner := root.get("kubeletconfig"); inner != nil && len(root.fields) == 1 && inner.kind == mapping {
		return inner // what /configz answers
	}
	return root
}

// Nearest returns the valid name that was probably meant, or "" when none is
// close or several are equally so.
func Nearest(name string, valid []string) string {
	near, alone := nearest(name, valid)
	if !alone {
		return ""
	}
	return near
}

// podsOf reads the pods of one document.
func (l *loading) podsOf(n *node) []ManifestPod {
	var pods []ManifestPod
	if kind := n.text("kind"); kind == "List" || kind == "PodList" {
		items := n.get("items")
		if items == nil || items.kind != sequence {
			l.errorf(n.line, "%s has no items", kind)
			return nil
		}
		for _, item := range items.items {
			pods = append(pods, l.podsOf(item)...)
		}
		return pods
	}
	before := l.problems.count()
	for _, source := range l.manifest(n, l.file, false) {
		if l.problems.count() > before {
			break // what could not be read is missing; more complaints would repeat that
		}
		pods = append(pods, l.replicas(n, source)...)
	}
	return pods
}

// specPath is where the pod's spec stands in an object of a kind.
func specPath(kind string) string {
	switch kind {
	case "Pod":
		return "spec"
	case "PodTemplate":
		return "template.spec"
	case "CronJob":
		return "spec.jobTemplate.spec.template.spec"
	}
	return "spec.template.spec"
}

// replicas counts out the pods of a source.
func (l *loading) replicas(n *node, source podSource) []ManifestPod {
	before := l.problems.count()
	kind, base := n.text("kind"), source.pod.Name
	if source.numbered {
		source.pod.Name = base + "-" + strconv.Itoa(source.first)
	}
	l.sane(source)
	if l.problems.count() == before && l.Pod != nil {
		l.judgePod(source)
	}
	if l.problems.count() > before {
		return nil
	}
	pods := make([]ManifestPod, 0, source.count)
	for i := range source.count {
		pod := source.pod.DeepCopy()
		if source.numbered {
			pod.Name = base + "-" + strconv.Itoa(source.first+i)
		}
		if pod.Namespace == "" {
			pod.Namespace = metav1.NamespaceDefault
		}
		pod.Status = corev1.PodStatus{}
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = nil, nil
		pods = append(pods, ManifestPod{
			Pod: pod, Kind: kind, Name: base, Replica: i, SpecPath: specPath(kind), File: source.file, source: source,
		})
	}
	return pods
}

// unique gives UIDs and says which pods there are twice.
func (l *loading) unique(pods []ManifestPod) {
	lines := map[string]int{}
	for i := range pods {
		p := &pods[i]
		key, line := p.Pod.Namespace+"/"+p.Pod.Name, p.source.node.line
		if first, ok := lines[key]; ok {
			l.errorf(line, "pod %s is there twice, first in line %d", quote(p.Pod.Name), first)
			continue
		}
		lines[key] = line
		if p.Pod.UID == "" || l.scope.uids[p.Pod.UID] {
			p.Pod.UID = podUID(key, 1)
		}
		l.scope.uid(p.Pod.UID)
	}
}
