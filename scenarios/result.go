package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// KindRunReport is the kind of a RunReport.
const KindRunReport = "RunReport"

// RunReport is what a run prints as JSON or YAML.
type RunReport struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Suite is set for the runs of a suite.
	Suite   *SuiteInfo `json:"suite,omitempty"`
	Results []Result   `json:"results"`
}

// SuiteInfo says which runs a report is about.
type SuiteInfo struct {
	Name string `json:"name"`
	// Runs counts those of the whole suite, skipped ones too.
	Runs int `json:"runs"`
	// Digest is a fingerprint of the suite's runs and of what they are run with, Keys
	// one of which runs there are.
	Digest string `json:"digest"`
	Keys   string `json:"keys"`
	// Shard is "2/8" when the report is of a part.
	Shard string `json:"shard,omitempty"`
}

// NewRunReport heads the results of a run.
func NewRunReport(results []Result) RunReport {
	if results == nil {
		results = []Result{} // an empty list, not null
	}
	return RunReport{APIVersion: APIVersion, Kind: KindRunReport, Results: results}
}

// Verdict is how one replay ended.
type Verdict string

// The verdicts, from good to bad.
const (
	// Pass means that everything held.
	Pass Verdict = "pass"
	// Skip means that the target could not do an event and that everything
	// before it held.
	Skip Verdict = "skip"
	// Fail means that an expectation or an invariant did not hold.
	Fail Verdict = "fail"
	// Errored means that the scenario is wrong, or that the harness could not
	// do its work.
	Errored Verdict = "error"
	// Hang means that the time was up.
	Hang Verdict = "hang"
)

// Valid says whether it is one of the above.
func (v Verdict) Valid() bool {
	switch v {
	case Pass, Skip, Fail, Errored, Hang:
		return true
	}
	return false
}

// Result is one scenario replayed on one machine by one target.
type Result struct {
	Scenario string `json:"scenario"`
	// Title is the first sentence of the scenario's story.
	Title string `json:"title,omitempty"`
	// File is where the scenario was read from.
	File string `json:"file,omitempty"`
	// Corpus says that File lies in the corpus that pinlab comes with.
	Corpus  bool   `json:"corpus,omitempty"`
	Profile string `json:"profile"`
	// Variant names the kubelet configuration that a suite put in place of the
	// scenario's own.
	Variant        string  `json:"variant,omitempty"`
	KubeletVersion string  `json:"kubeletVersion"`
	Target         string  `json:"target"`
	Verdict        Verdict `json:"verdict"`
	// Reason says in a sentence why the verdict is not pass.
	Reason string `json:"reason,omitempty"`
	// Failures are those of the scenario as a whole; the steps have their own.
	Failures []string `json:"failures,omitempty"`
	// Hint is what the failure may mean.
	Hint string `json:"hint,omitempty"`
	// Misuse says that an error is the scenario's, not the harness's.
	Misuse bool `json:"misuse,omitempty"`
	// Stack is where the harness or upstream panicked.
	Stack string `json:"stack,omitempty"`
	// Reproducer is a command that shows what did not hold again. Who runs the
	// scenario fills it in.
	Reproducer string `json:"reproducer,omitempty"`
	// Known says that the baseline lists this failure.
	Known bool `json:"known,omitempty"`
	// Flaky says that the replay was repeated and did not go the same way.
	Flaky bool `json:"flaky,omitempty"`
	// DurationSeconds is left out of the report of a suite, so that the same
	// runs give the same report.
	DurationSeconds float64 `json:"durationSeconds,omitempty"`
	observe.Trace
}

func newResult(s *Scenario, p *hwprofiles.Profile) Result {
	r := Result{Scenario: s.Name, Title: s.Title(), File: s.File, Profile: s.Profile, Verdict: Pass}
	if p != nil && p.Name != "" {
		r.Profile = p.Name
	}
	r.Steps = []observe.Step{}
	return r
}

// end records what ended the replay early.
func (r *Result) end(ctx context.Context, err error, where string) {
	r.Reason = fmt.Sprintf("%s: %v", where, err)
	var p *panicError
	switch {
	case errors.As(err, &p):
		r.Verdict, r.Stack = Errored, p.stack
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		r.Verdict, r.Reason = Hang, where+": not done when the time was up"
	case ctx.Err() != nil:
		r.Verdict, r.Reason = Errored, where+": interrupted"
	case errors.Is(err, ErrUnsupported):
		r.Verdict = Skip
	default:
		r.Verdict, r.Misuse = Errored, errors.Is(err, ErrMisuse)
	}
}

// where names a step for a person.
func where(s *observe.Step) string {
	line := ""
	if s.Line > 0 {
		line = fmt.Sprintf(" (line %d)", s.Line)
	}
	return fmt.Sprintf("step %d%s, %s", s.Index, line, s.Event)
}

// Closing is what is said of the scenario as a whole: its failures and what they
// may mean.
func (r *Result) Closing() []string {
	if r.Hint == "" {
		return r.Failures
	}
	return append(slices.Clone(r.Failures), r.Hint)
}

// conclude gives the verdict. Declarations that were not needed count only
// when the replay came to its end.
func (r *Result) conclude(unseen []string) {
	if r.Verdict == Pass {
		r.Failures = append(r.Failures, unseen...)
	}
	if r.Verdict != Pass && r.Verdict != Skip {
		return
	}
	first, count := "", len(r.Failures)
	for i := range r.Steps {
		s := &r.Steps[i]
		if first == "" && len(s.Failures) > 0 {
			first = where(s) + ": " + s.Failures[0]
		}
		count += len(s.Failures)
	}
	if count == 0 {
		return
	}
	if first == "" {
		first = r.Failures[0]
	}
	if count > 1 {
		first += fmt.Sprintf(" (and %d more)", count-1)
	}
	r.Verdict, r.Reason = Fail, first
}
