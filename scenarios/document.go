package scenarios

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// head is a scenario file without its steps.
type head struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name    string            `json:"name"`
		Labels  map[string]string `json:"labels"`
		Sources []string          `json:"sources"`
	} `json:"metadata"`
	Requires    *requires       `json:"requires"`
	Profile     string          `json:"profile"`
	Kubelet     json.RawMessage `json:"kubelet"`
	KubeletFile string          `json:"kubeletFile"`
	Reconcile   ReconcileMode   `json:"reconcile"`
	HoldInit    bool            `json:"holdInit"`
	Devices     []Device        `json:"devices"`
	Violates    []Violates      `json:"violates"`
	Affects     *Affects        `json:"affects"`
	Steps       rawNode         `json:"steps"`
}

// requires is Requires with its keys.
type requires struct {
	CPUs      int `json:"cpus"`
	NUMANodes int `json:"numaNodes"`
	SMT       int `json:"smt"`

	Config []CELExpr `json:"config"`
}

// rawNode keeps a part of the file for later.
type rawNode struct{ *node }

// loading is one file being read.
type loading struct {
	Loader
	*decoder
	beside *folder
	scope  scope
	cel    *celEnv
	// config is the kubelet's configuration as the patches so far make it;
	// configBroken says that it is known to be wrong.
	config       json.RawMessage
	configBroken bool
	judged       map[[sha256.Size]byte]bool
	// manifests are the files read, by name: many steps may name the same.
	manifests map[string]manifestFile
}

func (l Loader) parse(data []byte, filename string, beside *folder) (*Scenario, error) {
	p := &problems{file: filename}
	ld := &loading{
		Loader:  l,
		decoder: &decoder{file: filename, problems: p, own: true},
		beside:  beside,
		judged:  map[[sha256.Size]byte]bool{},
	}
	ld.tables = map[reflect.Type]map[string][]int{}
	var s *Scenario
	if root := ld.only(parseTree(data, filename, p)); root != nil {
		s = ld.scenario(root)
		s.File = filename
		s.Story = story(data)
		s.sum = sha256.Sum256(data)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// only returns the one document a scenario file holds.
func (l *loading) only(docs []*node) *node {
	var root *node
	for _, doc := range docs {
		switch {
		case doc == nil:
		case root != nil:
			l.errorf(doc.line, "a second document begins here; one file holds one scenario")
			return nil
		default:
			root = doc
		}
	}
	if root == nil && len(l.problems.list) == 0 {
		l.errorf(0, "the file is empty; want a scenario")
	}
	return root
}

// story is the comment at the head of a file.
func story(data []byte) string {
	var lines []string
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line = strings.TrimRight(line, " \t\r\n")
		if !strings.HasPrefix(line, "#") {
			break
		}
		lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(line, "#"), " "))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func (l *loading) scenario(root *node) *Scenario {
	s := &Scenario{}
	if root.kind != mapping {
		l.wrong(root, nil, "a scenario")
		return s
	}
	var h head
	l.into(root, &h, "")
	l.must(root, h.APIVersion, APIVersion, "apiVersion")
	l.must(root, h.Kind, Kind, "kind")
	if h.Metadata.Name == "" {
		l.errorf(root.lineOf("metadata"), "metadata.name is missing; want the scenario's name")
	}
	s.Name, s.Labels, s.Sources = h.Metadata.Name, h.Metadata.Labels, h.Metadata.Sources
	s.Requires = l.requires(root, h.Requires)
	s.Profile, s.HoldInit = l.profile(root, "profile", h.Profile), h.HoldInit
	s.Reconcile = h.Reconcile
	if s.Reconcile == "" {
		s.Reconcile = ReconcileAuto
	}
	l.oneOf(root, "", "reconcile", string(s.Reconcile), string(ReconcileAuto), string(ReconcileManual))
	s.Devices = l.devices(root, h.Devices)
	s.Kubelet, s.KubeletLine = l.kubelet(root, h)
	if h.Steps.node == nil {
		l.errorf(root.lineOf("steps"), "steps are missing; want a list of events and expectations")
	} else {
		s.Steps = l.steps(h.Steps.node, h.HoldInit)
	}
	s.Violates = h.Violates
	l.violates(root.get("violates"), s.Violates)
	s.Affects = h.Affects
	if n := root.get("affects"); s.Affects != nil && n != nil && n.kind == mapping {
		s.Affects.Line = n.line
		l.versions(n, "affects", &Violates{Since: s.Affects.Since, Until: s.Affects.Until})
	}
	return s
}

// read decodes a node and says whether nothing was wrong with it: checks of the
// values read would only repeat what was said.
func (l *loading) read(n *node, v any, at string) bool {
	before := l.problems.count()
	l.into(n, v, at)
	return l.problems.count() == before
}

// must checks a field that has one valid value.
func (l *loading) must(n *node, got, want, field string) {
	switch got {
	case want:
	case "":
		l.errorf(n.lineOf(field), "%s is missing; want %q", field, want)
	default:
		l.errorf(n.lineOf(field), "%s %s is not known; want %q", field, quote(got), want)
	}
}

// oneOf checks a field of n, which is at a place, that has a few valid values.
func (l *loading) oneOf(n *node, at, field, got string, valid ...string) {
	if at != "" {
		at += "."
	}
	switch {
	case slices.Contains(valid, got):
	case got == "":
		l.errorf(n.lineOf(field), "%s%s is missing; want %s", at, field, orList(valid))
	default:
		l.errorf(n.lineOf(field), "%s%s: %s", at, field, unknown("value", got, valid))
	}
}

// profile asks whether the machine exists and returns what it is to be called:
// a file is named from the scenario's directory, its reader starts elsewhere.
func (l *loading) profile(n *node, at, name string) string {
	line := n.lineOf("profile")
	switch f := n.get("profile"); {
	case f != nil && f.kind != scalar:
		// Said already: the decoder wanted a text.
	case name == "":
		l.errorf(line, "%s is missing; want the name of a machine, a profile file or a shape", at)
	case hwprofiles.NamesFile(name):
		data, shown, ok := l.readFile(name, line, at)
		if !ok {
			return name
		}
		if !strings.Contains(shown, "/") {
			shown = "./" + shown // a path, whatever it looks like
		}
		if l.beside.embedded {
			l.errorf(line, "%s: %s: an embedded scenario cannot have a profile file; want the name of a machine or a shape", at, quote(name))
		}
		if _, err := hwprofiles.Parse(data, shown); err != nil {
			l.errorf(line, "%s: %s", at, oneLine(err.Error()))
		}
		return shown
	case l.Profile != nil:
		if err := l.Profile(name); err != nil {
			l.errorf(line, "%s: %s", at, oneLine(err.Error()))
		}
	}
	return name
}

func (l *loading) requires(root *node, r *requires) *Requires {
	if r == nil {
		return nil
	}
	n := root.get("requires")
	if n.kind == mapping && len(n.fields) == 0 {
		l.errorf(n.line, "requires is empty; want cpus, numaNodes, smt or config")
	}
	l.between(n, "requires", "cpus", r.CPUs, 0, observe.MaxCPUID+1)
	l.between(n, "requires", "numaNodes", r.NUMANodes, 0, observe.MaxCPUID+1)
	l.between(n, "requires", "smt", r.SMT, 0, observe.MaxCPUID+1)
	for i := range r.Config {
		l.expression(&r.Config[i], n.lineOf("config"), "requires.config", i)
	}
	return &Requires{CPUs: r.CPUs, NUMANodes: r.NUMANodes, SMT: r.SMT, Config: r.Config}
}

// devices checks the devices and fills in the node of those that give none.
func (l *loading) devices(root *node, devices []Device) []Device {
	list := root.get("devices")
	seen := map[[2]string]bool{}
	for i := range devices {
		d := &devices[i]
		n := list
		if list.kind == sequence {
			n = list.items[i]
		}
		if n.get("numaNode") == nil {
			d.NUMANode = hwprofiles.None
		} else if d.NUMANode < hwprofiles.None {
			l.errorf(n.lineOf("numaNode"), "devices[%d].numaNode: %d is no NUMA node", i, d.NUMANode)
		}
		switch key := [2]string{d.Resource, d.ID}; {
		case n.kind != mapping:
		case !strings.Contains(d.Resource, "/"):
			l.errorf(n.lineOf("resource"), "devices[%d].resource: %s is no extended resource; want one like vendor.com/nic", i, quote(d.Resource))
		case d.ID == "":
			l.errorf(n.line, "devices[%d].id is missing", i)
		case seen[key]:
			l.errorf(n.lineOf("id"), "devices[%d]: %s has a device %s already", i, d.Resource, quote(d.ID))
		default:
			seen[key] = true
		}
	}
	return devices
}

// readFile reads another file that the scenario names, from the scenario's
// directory or below. It gives the file's name for messages.
func (l *loading) readFile(name string, line int, what string) (data []byte, shown string, ok bool) {
	clean := path.Clean(name)
	switch {
	case l.beside == nil:
		l.errorf(line, "%s: %s cannot be read: the scenario itself is not in a directory", what, quote(name))
		return nil, "", false
	case path.IsAbs(name) || clean == ".." || strings.HasPrefix(clean, "../"):
		l.errorf(line, "%s: %s is outside of the scenario's directory", what, quote(name))
		return nil, "", false
	}
	data, err := l.beside.read(clean)
	if err != nil {
		l.errorf(line, "%s: %s: %s", what, quote(name), cause(err))
		return nil, "", false
	}
	return data, path.Join(l.beside.shown, clean), true
}

// readYAML reads another file and takes it apart into documents.
func (l *loading) readYAML(name string, line int, what string) (docs []*node, shown string) {
	clean := path.Clean(name)
	if known, ok := l.manifests[clean]; ok {
		return known.docs, known.shown
	}
	data, shown, ok := l.readFile(name, line, what)
	if !ok {
		return nil, ""
	}
	before := len(l.problems.list)
	docs = parseTree(data, shown, l.problems)
	if len(docs) == 0 && len(l.problems.list) == before {
		l.errorf(line, "%s: %s is empty", what, quote(name))
	}
	if l.manifests == nil {
		l.manifests = map[string]manifestFile{}
	}
	l.manifests[clean] = manifestFile{docs, shown}
	return docs, shown
}

// manifestFile is another file that was read.
type manifestFile struct {
	docs  []*node
	shown string
}

// violates checks the declared violations, once the steps are known.
func (l *loading) violates(list *node, declared []Violates) {
	for i := range declared {
		v := &declared[i]
		n := list
		if list.kind == sequence {
			n = list.items[i]
		}
		if n.kind != mapping {
			continue // said already
		}
		at := fmt.Sprintf("violates[%d]", i)
		if v.Invariant == "" {
			l.errorf(n.line, "%s.invariant is missing", at)
		} else {
			l.invariant(n.lineOf("invariant"), at+".invariant", v.Invariant)
		}
		for _, name := range v.Steps {
			l.scope.checkStep(l, n.lineOf("steps"), at, name)
		}
		l.versions(n, at, v)
	}
}

// versions checks a range of kubelet versions.
func (l *loading) versions(n *node, at string, v *Violates) {
	l.versionBound(n, at, "since", v.Since)
	l.versionBound(n, at, "until", v.Until)
	if v.empty() {
		l.errorf(n.lineOf("until"), "%s: until %s is not after since %s", at, v.Until, v.Since)
	}
}

func (l *loading) versionBound(n *node, at, field, text string) {
	if text == "" {
		return
	}
	if _, err := version.ParseGeneric(text); err != nil {
		l.errorf(n.lineOf(field), "%s.%s: %s is no kubelet version; want one like 1.37 or v1.37.2", at, field, quote(text))
	}
}

// invariant checks an invariant's name.
func (l *loading) invariant(line int, at, name string) {
	names := invariant.Names()
	for _, n := range names {
		if n == name {
			return
		}
	}
	l.errorf(line, "%s: %s", at, unknown("invariant", name, names))
}
