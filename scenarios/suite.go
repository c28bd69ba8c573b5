package scenarios

import (
	"embed"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"
)

// KindSuite is the kind of a suite file.
const KindSuite = "Suite"

// Suite is what is replayed together: scenarios, on machines, under
// configurations.
type Suite struct {
	// File is where the suite was read from; Story is the comment at its head.
	File  string
	Story string
	Name  string
	// Matrix holds the parts, in the order of the file. A run that several of
	// them give is one run.
	Matrix []Matrix
}

// Matrix is every combination of its scenarios, profiles and variants.
type Matrix struct {
	// Scenarios are names of the corpus and patterns of them (path.Match), and
	// files or directories beside the suite, which have a slash in them. Empty
	// means the whole corpus.
	Scenarios []string `json:"scenarios"`
	// Selector keeps those with these labels, as kubectl writes it.
	Selector string `json:"selector"`
	// Profiles are names and patterns of the library, shapes and files. Empty
	// means each scenario's own.
	Profiles []string `json:"profiles"`
	// Kubelet are the axes of configuration: by axis, then by the variant's
	// name, a merge patch (RFC 7386) on the scenario's kubelet configuration.
	Kubelet map[string]map[string]json.RawMessage `json:"kubelet"`
	// Exclude takes combinations out again.
	Exclude []Exclusion `json:"exclude"`
	Line    int         `json:"-"`
}

// Exclusion takes out the runs that match all that it names. Within a list one
// match is enough.
type Exclusion struct {
	Scenarios []string            `json:"scenarios"`
	Profiles  []string            `json:"profiles"`
	Kubelet   map[string][]string `json:"kubelet"`
	Line      int                 `json:"-"`
}

//go:embed suites
var suites embed.FS

// SuiteNames lists the embedded suites, sorted.
func SuiteNames() []string {
	files, err := fs.Glob(suites, "suites/*.yaml")
	if err != nil {
		return nil // a constant pattern is always valid
	}
	names := make([]string, 0, len(files))
	for _, file := range files {
		names = append(names, corpusName(file))
	}
	return names // Glob sorts
}

// LoadSuite reads an embedded suite by its name, or a suite file.
func (l Loader) LoadSuite(ref string) (*Suite, error) {
	if !strings.ContainsAny(ref, "/.") {
		data, err := suites.ReadFile("suites/" + ref + ".yaml")
		if err == nil {
			return l.ParseSuite(data, "suites/"+ref+".yaml")
		}
		if _, err := os.Stat(ref); err != nil {
			return nil, &Error{File: ref, Message: unknown("suite", ref, SuiteNames()) + "; or a file"}
		}
	}
	data, err := readFile(ref)
	if err != nil {
		return nil, err
	}
	return l.ParseSuite(data, ref)
}

// suiteHead is a suite file.
type suiteHead struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Matrix []Matrix `json:"matrix"`
}

// ParseSuite reads a suite. Like Parse it says everything that is wrong at once;
// whether scenarios and profiles exist is for Runs.
func (l Loader) ParseSuite(data []byte, filename string) (*Suite, error) {
	p := &problems{file: filename}
	ld := &loading{Loader: l, decoder: &decoder{file: filename, problems: p, own: true}, judged: map[[32]byte]bool{}}
	var s *Suite
	if root := ld.only(parseTree(data, filename, p)); root != nil {
		s = ld.suite(root)
		s.File, s.Story = filename, story(data)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (l *loading) suite(root *node) *Suite {
	s := &Suite{}
	if root.kind != mapping {
		l.wrong(root, nil, "a suite")
		return s
	}
	var h suiteHead
	l.into(root, &h, "")
	l.must(root, h.APIVersion, APIVersion, "apiVersion")
	l.must(root, h.Kind, KindSuite, "kind")
	if h.Metadata.Name == "" {
		l.errorf(root.lineOf("metadata"), "metadata.name is missing; want the suite's name")
	}
	s.Name, s.Matrix = h.Metadata.Name, h.Matrix
	list := root.get("matrix")
	if len(s.Matrix) == 0 {
		l.errorf(root.lineOf("matrix"), "matrix is missing; want a list of scenarios, profiles and kubelet configurations to combine")
		return s
	}
	for i := range s.Matrix {
		n := list
		if list.kind == sequence {
			n = list.items[i]
		}
		if n.kind == mapping {
			l.matrix(n, &s.Matrix[i])
		}
	}
	return s
}

func (l *loading) matrix(n *node, m *Matrix) {
	if _, err := labels.Parse(m.Selector); err != nil {
		l.errorf(n.lineOf("selector"), "selector %s: %s; want labels as in kubectl: class=topology, '!portable'", quote(m.Selector), oneLine(err.Error()))
	}
	l.patterns(n, "scenarios", m.Scenarios)
	l.patterns(n, "profiles", m.Profiles)
	for _, axis := range n.get("kubelet").members() {
		if len(axis.value.fields) == 0 {
			l.errorf(axis.line, "kubelet.%s: want variants by name, each a part of a KubeletConfiguration", axis.key)
		}
		for _, variant := range axis.value.members() {
			l.variant(axis.key, variant)
			if variant.value.isNull() {
				m.Kubelet[axis.key][variant.key] = json.RawMessage("{}")
			}
		}
	}
	for i := range m.Exclude {
		x := n.get("exclude")
		if x.kind == sequence {
			x = x.items[i]
		}
		l.exclusion(x, m, &m.Exclude[i])
	}
}

// variant checks one configuration. Alone it need not be one that a kubelet
// takes; that is judged with a scenario's own.
func (l *loading) variant(axis string, f member) {
	at := "kubelet." + axis + "." + f.key
	if strings.ContainsAny(f.key, " ,/=\n") || f.key == "" {
		l.errorf(f.line, "%s: a variant's name has no spaces, commas, slashes or equals signs", at)
	}
	if f.value.isNull() {
		return
	}
	if f.value.kind != mapping {
		l.errorf(f.line, "%s: want a part of a KubeletConfiguration, got %s", at, f.value.says())
		return
	}
	l.typed(f.value, l.file, at)
	l.policies(f.value, at)
}

// policies checks the names of policies and scopes: upstream refuses others only when
// the kubelet starts, and runs under them might all be skipped.
func (l *loading) policies(n *node, at string) {
	known := map[string][]string{
		"cpuManagerPolicy":      {"none", "static"},
		"memoryManagerPolicy":   {"None", "Static"},
		"topologyManagerPolicy": {"best-effort", "none", "restricted", "single-numa-node"},
		"topologyManagerScope":  {"container", "pod"},
	}
	for _, m := range n.members() {
		names := known[m.key]
		if text := n.text(m.key); len(names) > 0 && text != "" && !slices.Contains(names, text) {
			l.errorf(m.line, "%s.%s: %s", at, m.key, unknown("value", text, names))
		}
	}
}

func (l *loading) exclusion(n *node, m *Matrix, x *Exclusion) {
	if n.kind != mapping {
		return // said already
	}
	x.Line = n.line
	if len(x.Scenarios)+len(x.Profiles)+len(x.Kubelet) == 0 {
		l.errorf(n.line, "exclude is empty; want scenarios, profiles or kubelet")
	}
	l.patterns(n, "scenarios", x.Scenarios)
	l.patterns(n, "profiles", x.Profiles)
	for _, axis := range n.get("kubelet").members() {
		variants, ok := m.Kubelet[axis.key]
		if !ok {
			l.errorf(axis.line, "exclude.kubelet: %s", unknown("axis", axis.key, keys(m.Kubelet)))
			continue
		}
		for _, name := range x.Kubelet[axis.key] {
			if _, ok := variants[name]; !ok {
				l.errorf(axis.line, "exclude.kubelet.%s: %s", axis.key, unknown("variant", name, keys(variants)))
			}
		}
	}
}

func (l *loading) patterns(n *node, field string, list []string) {
	for _, pattern := range list {
		if _, err := path.Match(pattern, ""); err != nil {
			l.errorf(n.lineOf(field), "%s: bad pattern %s; want a name, or one with * and ?", field, quote(pattern))
		}
	}
}

// matchAny says that one of the patterns, or no pattern at all, matches.
func matchAny(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return err == nil && ok
	})
}
