package explore

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/invariant"
)

//go:embed known.yaml
var embeddedKnown []byte

// Known is a cause that somebody has written down already. Every field that is set
// must fit.
type Known struct {
	// Name is a scenario of the corpus where there is one.
	Name string `json:"name"`
	// Issue is the upstream issue, or what else is known of it.
	Issue string `json:"issue,omitempty"`
	// Why says in a sentence what happens.
	Why string `json:"why"`
	// ByDesign marks what upstream or the invariants mean to be so: it is listed
	// and is no bug.
	ByDesign bool `json:"byDesign,omitempty"`
	// Broken lists invariants; any of them fits.
	Broken []string `json:"broken,omitempty"`
	// Needs must all be among the finding's, Without none.
	Needs   []string `json:"needs,omitempty"`
	Without []string `json:"without,omitempty"`
	// NeedsAny has one that must be among them.
	NeedsAny []string `json:"needsAny,omitempty"`
	// Path are functions that must all be in the cause's path.
	Path []string `json:"path,omitempty"`
	// Detail is a regular expression that fits the cause's detail, errors or path.
	Detail string `json:"detail,omitempty"`

	detail *regexp.Regexp
}

// KnownList is a file of known causes. The first that fits counts.
type KnownList []Known

// EmbeddedKnown are the known causes that pinlab comes with.
func EmbeddedKnown() (KnownList, error) { return ParseKnown(embeddedKnown, "known.yaml") }

// ParseKnown reads a file of known causes; file is its name in messages.
func ParseKnown(data []byte, file string) (KnownList, error) {
	var doc struct {
		Known KnownList `json:"known"`
	}
	if err := yaml.UnmarshalStrict(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	at := placesOf(data, file)
	for i := range doc.Known {
		k := &doc.Known[i]
		for n, name := range k.Broken {
			if slices.Contains(brokenNames(), name) {
				continue
			}
			hint := ""
			if near := scenarios.Nearest(name, brokenNames()); near != "" {
				hint = fmt.Sprintf("; did you mean %q?", near)
			}
			return nil, fmt.Errorf("%s: known[%d] (%s): broken: unknown invariant %q%s", at(i, n), i, k.Name, name, hint)
		}
		if k.Name == "" || k.Why == "" {
			return nil, fmt.Errorf("%s: known[%d]: name and why must be set", file, i)
		}
		if len(k.Broken) == 0 && len(k.Needs) == 0 && len(k.NeedsAny) == 0 && len(k.Path) == 0 && k.Detail == "" {
			return nil, fmt.Errorf("%s: known[%d] (%s): would fit everything; want broken, needs, path or detail", file, i, k.Name)
		}
		if _, scenario := scenarios.CorpusFile(k.Name); k.Issue == "" && !k.ByDesign && !scenario {
			return nil, fmt.Errorf("%s: known[%d] (%s): nothing shows that it is known; want issue, byDesign, or the name of a scenario of the corpus", at(i, -1), i, k.Name)
		}
		var err error
		if k.detail, err = regexp.Compile(k.Detail); err != nil {
			return nil, fmt.Errorf("%s: known[%d] (%s): detail: %w", file, i, k.Name, err)
		}
	}
	return doc.Known, nil
}

// brokenNames are what can be broken.
func brokenNames() []string {
	return append(invariant.Names(), BrokenHang, BrokenPanic, BrokenCrash)
}

// placesOf says on which line of a file an entry is, or a name of its broken list when
// that is not -1.
func placesOf(data []byte, file string) func(entry, broken int) string {
	var doc struct {
		Known []yamlv3.Node `yaml:"known"`
	}
	_ = yamlv3.Unmarshal(data, &doc) // it was read before; without lines the file alone is named
	return func(entry, broken int) string {
		if entry >= len(doc.Known) {
			return file
		}
		line := doc.Known[entry].Line
		var lists struct {
			Broken []yamlv3.Node `yaml:"broken"`
		}
		if doc.Known[entry].Decode(&lists) == nil && broken >= 0 && broken < len(lists.Broken) {
			line = lists.Broken[broken].Line
		}
		return fmt.Sprintf("%s:%d", file, line)
	}
}

// Find returns the first entry that fits a cause and what it needs, or nil.
func (l KnownList) Find(c Cause, needs []string) *Known {
	for i := range l {
		if l[i].fits(c, needs) {
			return &l[i]
		}
	}
	return nil
}

// of returns the entry of a finding: that of its cause, or that of its root, which
// explains what follows from it. What is meant to be so explains nothing that does more
// harm than itself.
func (l KnownList) of(cause, root Cause, needs []string) *Known {
	if k := l.Find(cause, needs); k != nil || root.Key() == cause.Key() {
		return k
	}
	k := l.Find(root, needs)
	harm, _ := Harm(cause.Broken)
	rootHarm, _ := Harm(root.Broken)
	if k != nil && harm < rootHarm && (k.ByDesign || harm == 1) {
		return nil
	}
	return k
}

func (k *Known) fits(c Cause, needs []string) bool {
	if len(k.Broken) > 0 && !slices.Contains(k.Broken, c.Broken) {
		return false
	}
	for _, n := range k.Needs {
		if !slices.Contains(needs, n) {
			return false
		}
	}
	needed := func(n string) bool { return slices.Contains(needs, n) }
	if len(k.NeedsAny) > 0 && !slices.ContainsFunc(k.NeedsAny, needed) || slices.ContainsFunc(k.Without, needed) {
		return false
	}
	for _, f := range k.Path {
		if !slices.Contains(c.Path, f) {
			return false
		}
	}
	return k.Detail == "" || k.detail.MatchString(strings.Join(slices.Concat([]string{c.Detail}, c.Errors, c.Path), " | "))
}
