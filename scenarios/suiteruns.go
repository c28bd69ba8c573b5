package scenarios

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/pinlab/pinlab/hwprofiles"
)

// SuiteRun is one scenario on one machine under one configuration.
type SuiteRun struct {
	// Scenario has the variant's configuration.
	Scenario *Scenario
	// Corpus says that Scenario.File lies in the embedded corpus.
	Corpus     bool
	Profile    *hwprofiles.Profile
	ProfileRef string
	// Variant names the configuration by the variants of all axes, empty for
	// the scenario's own; Patch is what makes it.
	Variant string
	Patch   json.RawMessage
	// Skip says why the scenario does not apply; empty when it does.
	Skip string
}

// Key identifies a run among those of its suite.
type Key struct {
	Scenario string `json:"scenario"`
	Profile  string `json:"profile"`
	Variant  string `json:"variant,omitempty"`
}

// String writes the key for people.
func (k Key) String() string {
	text := k.Scenario + " on " + k.Profile
	if k.Variant != "" {
		text += ", " + k.Variant
	}
	return text
}

// Compare orders keys: by scenario, machine and variant.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Scenario, o.Scenario), cmp.Compare(k.Profile, o.Profile), cmp.Compare(k.Variant, o.Variant))
}

// Shard is the one of n, from 0, that the run belongs to. It depends on the key
// alone: runs that are added move no other.
func (k Key) Shard(n int) int {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s\x00%s", k.Scenario, k.Profile, k.Variant) // a hash takes everything
	// The low bits of FNV follow the last bytes; fold the high ones in.
	sum := h.Sum64()
	return int((sum ^ sum>>32) % uint64(n))
}

// Key is the run's.
func (r *SuiteRun) Key() Key { return Key{r.Scenario.Name, r.Profile.Name, r.Variant} }

// Key is that of the run that the result is of.
func (r *Result) Key() Key { return Key{r.Scenario, r.Profile, r.Variant} }

// Digest is a fingerprint of the runs, of the files of their scenarios and their
// machines, of the kubelet and of how often each is replayed: results with the same
// digest can be put together.
func Digest(runs []SuiteRun, kubeletVersion string, repeat int) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%d\x00", kubeletVersion, max(repeat, 1)) // a hash takes everything
	machines := map[*hwprofiles.Profile][sha256.Size]byte{}
	for i := range runs {
		r := &runs[i]
		machine, known := machines[r.Profile]
		if !known {
			data, _ := json.Marshal(r.Profile) // plain data always has a text
			machine = sha256.Sum256(data)
			machines[r.Profile] = machine
		}
		fmt.Fprintf(h, "%s\x00%x\x00%x\x00%s\x00%s\x00", r.Key(), r.Scenario.sum, machine, r.Patch, r.Skip)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// KeysDigest is a fingerprint of which runs there are, in any order.
func KeysDigest(keys []Key) string {
	h := sha256.New()
	for _, k := range slices.SortedFunc(slices.Values(keys), Key.Compare) {
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00", k.Scenario, k.Profile, k.Variant)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Runs makes the list of what a suite replays, in the order of the keys. What
// does not apply is in it, with the reason. resolve finds machines.
func (l Loader) Runs(s *Suite, resolve func(ref string) (*hwprofiles.Profile, error)) ([]SuiteRun, error) {
	e := &expansion{Loader: l, suite: s, resolve: resolve, loaded: map[string]*suiteScenario{}, profiles: map[string]*hwprofiles.Profile{}, runs: map[Key]SuiteRun{}, small: map[[2]string]string{}, used: map[*Exclusion]bool{}}
	for i := range s.Matrix {
		if err := e.matrix(&s.Matrix[i]); err != nil {
			return nil, err
		}
	}
	for i := range s.Matrix {
		for k := range s.Matrix[i].Exclude {
			if x := &s.Matrix[i].Exclude[k]; !e.used[x] {
				return nil, e.needless(x)
			}
		}
	}
	if len(e.runs) == 0 {
		return nil, &Error{File: s.File, Message: "the suite selects no scenario"}
	}
	runs := slices.Collect(maps.Values(e.runs))
	slices.SortFunc(runs, func(a, b SuiteRun) int { return a.Key().Compare(b.Key()) })
	return runs, nil
}

// expansion is one suite being counted out.
type expansion struct {
	Loader
	suite    *Suite
	resolve  func(string) (*hwprofiles.Profile, error)
	loaded   map[string]*suiteScenario // by file
	profiles map[string]*hwprofiles.Profile
	runs     map[Key]SuiteRun
	small    map[[2]string]string // by scenario file and profile
	used     map[*Exclusion]bool  // those that took something out
}

type suiteScenario struct {
	*Scenario
	corpus bool
}

func (e *expansion) errorf(line int, format string, args ...any) error {
	return &Error{File: e.suite.File, Line: line, Message: fmt.Sprintf(format, args...)}
}

func (e *expansion) matrix(m *Matrix) error {
	found, err := e.scenarios(m)
	if err != nil {
		return err
	}
	refs, err := e.refs(m)
	if err != nil {
		return err
	}
	selector, err := labels.Parse(m.Selector)
	if err != nil {
		return e.errorf(m.Line, "selector: %v", err) // only in a suite that was not parsed
	}
	variants, err := variants(m.Kubelet)
	if err != nil {
		return e.errorf(m.Line, "%v", err)
	}
	for _, s := range found {
		if !selector.Matches(labels.Set(s.Labels)) {
			continue
		}
		where := refs
		if len(m.Profiles) == 0 {
			where = []string{s.Profile}
		}
		for _, ref := range where {
			for i := range variants {
				if e.excludes(m, s.Name, ref, &variants[i]) {
					continue
				}
				if err := e.add(s, ref, &variants[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (e *expansion) add(s *suiteScenario, ref string, v *variant) error {
	p := e.profiles[ref]
	if p == nil {
		var err error
		if p, err = e.resolve(ref); err != nil {
			return e.errorf(0, "profile %s: %v", ref, err)
		}
		e.profiles[ref] = p
	}
	changed, err := s.With(v.patch)
	if err != nil {
		return e.errorf(0, "%s, %s: %v", s.Name, v.name, err)
	}
	run := SuiteRun{Scenario: changed, Corpus: s.corpus, Profile: p, ProfileRef: ref, Variant: v.name, Patch: v.patch}
	switch {
	case ref != s.Profile && s.Requires == nil:
		run.Skip = "is about " + s.Profile + ", and names its CPUs"
	case ref != s.Profile:
		run.Skip = e.tooSmall(s, ref, p)
	}
	if run.Skip == "" && (v.name != "" || ref != s.Profile && len(s.Requires.Config) > 0) {
		run.Skip = s.Requires.UnmetConfig(changed.Kubelet, p)
	}
	if before, ok := e.runs[run.Key()]; ok && before.Scenario.File != s.File {
		return e.errorf(0, "two scenarios are called %s: %s and %s", s.Name, before.Scenario.File, s.File)
	}
	if e.runs[run.Key()] = run; len(e.runs) > maxRuns {
		return e.errorf(0, "more than %d runs", maxRuns)
	}
	return nil
}

// tooSmall says why a machine is too small for a scenario, which is the same for
// all variants.
func (e *expansion) tooSmall(s *suiteScenario, ref string, p *hwprofiles.Profile) string {
	at := [2]string{s.File, ref}
	why, known := e.small[at]
	if !known {
		why = s.Requires.Unmet(p)
		e.small[at] = why
	}
	return why
}

// scenarios loads those that a matrix names, each once.
func (e *expansion) scenarios(m *Matrix) ([]*suiteScenario, error) {
	patterns := m.Scenarios
	if len(patterns) == 0 {
		patterns = []string{"*"}
	}
	var list []*suiteScenario
	var errs []error
	for _, pattern := range patterns {
		if strings.Contains(pattern, "/") {
			beside := filepath.Join(filepath.Dir(e.suite.File), filepath.FromSlash(pattern))
			found, err := e.Load(beside)
			if err != nil {
				errs = append(errs, err)
			}
			for _, s := range found {
				list = append(list, &suiteScenario{s, false})
			}
			continue
		}
		matched := false
		for _, name := range CorpusNames() {
			if ok, _ := path.Match(pattern, name); !ok {
				continue
			}
			matched = true
			s := e.loaded[name]
			if s == nil {
				loaded, err := e.LoadCorpus(name)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				s = &suiteScenario{loaded, true}
				e.loaded[name] = s
			}
			if !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
		if !matched {
			errs = append(errs, e.errorf(m.Line, "scenarios: %s", unknown("scenario", pattern, CorpusNames())))
		}
	}
	return list, errors.Join(errs...)
}

// refs are the machines that a matrix names.
func (e *expansion) refs(m *Matrix) ([]string, error) {
	var list []string
	names := hwprofiles.Names()
	for _, pattern := range m.Profiles {
		if !strings.ContainsAny(pattern, "*?[") {
			if strings.HasPrefix(pattern, "./") {
				pattern = "./" + filepath.Join(filepath.Dir(e.suite.File), pattern)
			}
			list = append(list, pattern)
			continue
		}
		before := len(list)
		for _, name := range names {
			if matchAny([]string{pattern}, name) {
				list = append(list, name)
			}
		}
		if len(list) == before {
			return nil, e.errorf(m.Line, "profiles: no profile of the library matches %s", quote(pattern))
		}
	}
	return list, nil
}

// variant is one configuration of a matrix.
type variant struct {
	name   string
	patch  json.RawMessage
	byAxis map[string]string
}

// Limits of a suite. A file of a few lines can stand for more runs than a fleet
// has time for.
const (
	maxVariants = 1000      // of one matrix
	maxRuns     = 1_000_000 // of the suite
)

// variants are the combinations of the axes; without any, the scenarios' own
// configuration.
func variants(axes map[string]map[string]json.RawMessage) ([]variant, error) {
	list := []variant{{byAxis: map[string]string{}}}
	for _, axis := range slices.Sorted(maps.Keys(axes)) {
		if n := len(list) * len(axes[axis]); n > maxVariants {
			return nil, fmt.Errorf("kubelet: more than %d combinations", maxVariants)
		}
		var next []variant
		for _, v := range list {
			for _, name := range slices.Sorted(maps.Keys(axes[axis])) {
				merged, err := mergePatches(v.patch, axes[axis][name])
				if err != nil {
					return nil, fmt.Errorf("kubelet.%s.%s: %w", axis, name, err)
				}
				byAxis := maps.Clone(v.byAxis)
				byAxis[axis] = name
				full := name
				if v.name != "" {
					full = v.name + "," + name
				}
				next = append(next, variant{name: full, patch: merged, byAxis: byAxis})
			}
		}
		list = next
	}
	return list, nil
}

// excludes says that one of the exclusions matches a run.
func (e *expansion) excludes(m *Matrix, scenario, profile string, v *variant) bool {
	out := false
	for i := range m.Exclude {
		if x := &m.Exclude[i]; x.matches(scenario, profile, v) {
			e.used[x], out = true, true
		}
	}
	return out
}

func (x *Exclusion) matches(scenario, profile string, v *variant) bool {
	for axis, names := range x.Kubelet {
		if !slices.Contains(names, v.byAxis[axis]) {
			return false
		}
	}
	return matchAny(x.Scenarios, scenario) && matchAny(x.Profiles, profile)
}

// needless is the error of an exclusion that takes nothing out: more likely than not a
// name in it is wrong.
func (e *expansion) needless(x *Exclusion) error {
	for _, name := range x.Scenarios {
		if _, ok := CorpusFile(name); !ok && !strings.ContainsAny(name, "*?[") {
			return e.errorf(x.Line, "exclude matches no run: %s", unknown("scenario", name, CorpusNames()))
		}
	}
	return e.errorf(x.Line, "exclude matches no run; take it out, or correct its scenarios, profiles or kubelet")
}
