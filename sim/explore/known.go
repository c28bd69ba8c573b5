package explore

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
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
	// Detail is a regular expression that fits the cause's detail or path.
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
	for i := range doc.Known {
		k := &doc.Known[i]
		if k.Name == "" || k.Why == "" {
			return nil, fmt.Errorf("%s: known[%d]: name and why must be set", file, i)
		}
		if len(k.Broken) == 0 && len(k.Needs) == 0 && k.Detail == "" {
			return nil, fmt.Errorf("%s: known[%d] (%s): would fit everything; want broken, needs or detail", file, i, k.Name)
		}
		var err error
		if k.detail, err = regexp.Compile(k.Detail); err != nil {
			return nil, fmt.Errorf("%s: known[%d] (%s): detail: %w", file, i, k.Name, err)
		}
	}
	return doc.Known, nil
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

func (k *Known) fits(c Cause, needs []string) bool {
	if len(k.Broken) > 0 && !slices.Contains(k.Broken, c.Broken) {
		return false
	}
	for _, n := range k.Needs {
		if !slices.Contains(needs, n) {
			return false
		}
	}
	for _, n := range k.Without {
		if slices.Contains(needs, n) {
			return false
		}
	}
	return k.Detail == "" || k.detail.MatchString(c.Detail+" | "+strings.Join(c.Path, " | "))
}
