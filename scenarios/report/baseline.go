package report

import (
	"fmt"
	"regexp"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
)

// KindBaseline is the kind of a baseline file.
const KindBaseline = "Baseline"

// Baseline is what is known not to hold, so that only new trouble fails a run.
type Baseline struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Failures   []KnownFailure `json:"failures"`
}

// KnownFailure is one run that does not hold.
type KnownFailure struct {
	scenarios.Key `json:",inline"`

	Verdict scenarios.Verdict `json:"verdict"`
	// Reason is the result's, without line numbers: another reason is a new
	// failure, a comment in the scenario is none.
	Reason string `json:"reason"`
}

// NewBaseline makes a baseline of what did not hold.
func NewBaseline(results []scenarios.Result) Baseline {
	b := Baseline{APIVersion: scenarios.APIVersion, Kind: KindBaseline, Failures: []KnownFailure{}}
	for i := range results {
		if r := &results[i]; bad(r.Verdict) {
			b.Failures = append(b.Failures, known(r))
		}
	}
	slices.SortFunc(b.Failures, func(x, y KnownFailure) int { return x.Key.Compare(y.Key) })
	return b
}

// MarshalBaseline writes a baseline file.
func MarshalBaseline(b Baseline) ([]byte, error) { return yaml.Marshal(b) }

// ParseBaseline reads one, strictly. The name is for messages.
func ParseBaseline(data []byte, name string) (Baseline, error) {
	var b Baseline
	if len(data) > scenarios.MaxFileBytes {
		return b, fmt.Errorf("%s: %d bytes; at most %d", name, len(data), scenarios.MaxFileBytes)
	}
	if err := yaml.UnmarshalStrict(data, &b); err != nil {
		return b, fmt.Errorf("%s: not a baseline: %w", name, err)
	}
	if b.APIVersion != scenarios.APIVersion || b.Kind != KindBaseline {
		return b, fmt.Errorf("%s: apiVersion %q and kind %q; want %q and %q", name, b.APIVersion, b.Kind, scenarios.APIVersion, KindBaseline)
	}
	for i, f := range b.Failures {
		if f.Scenario == "" || f.Profile == "" || !bad(f.Verdict) {
			return b, fmt.Errorf("%s: failures[%d]: want scenario, profile and verdict (fail, error or hang)", name, i)
		}
	}
	return b, nil
}

// Apply marks the results that the baseline knows, and returns the failures of
// the baseline that were run and are gone.
func (b Baseline) Apply(results []scenarios.Result) (gone []KnownFailure) {
	listed := make(map[scenarios.Key]KnownFailure, len(b.Failures))
	for _, f := range b.Failures {
		listed[f.Key] = f
	}
	for i := range results {
		r := &results[i]
		f, ok := listed[r.Key()]
		if !ok {
			continue
		}
		if !bad(r.Verdict) {
			gone = append(gone, f)
			continue
		}
		r.Known = known(r) == f
	}
	return gone
}

// Absent are the failures listed for runs that there are none of.
func (b Baseline) Absent(has func(scenarios.Key) bool) []scenarios.Key {
	var out []scenarios.Key
	for _, f := range b.Failures {
		if !has(f.Key) {
			out = append(out, f.Key)
		}
	}
	return out
}

func bad(v scenarios.Verdict) bool {
	return v == scenarios.Fail || v == scenarios.Errored || v == scenarios.Hang
}

func known(r *scenarios.Result) KnownFailure {
	return KnownFailure{Key: r.Key(), Verdict: r.Verdict, Reason: regexp.MustCompile(` \(line \d+\)`).ReplaceAllString(r.Reason, "")}
}
