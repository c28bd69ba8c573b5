package scenarios

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/version"

	"github.com/pinlab/pinlab/sim/observe"
)

// covers says whether a kubelet version is in the range: since ≤ version <
// until. Pre-releases count as their release.
func (v *Violates) covers(kubelet string) (bool, error) {
	if v.Since == "" && v.Until == "" {
		return true, nil
	}
	at, err := version.ParseGeneric(kubelet)
	if err != nil {
		return false, fmt.Errorf("kubelet version %q is none that can be compared with since and until", kubelet)
	}
	if v.Since != "" {
		since, err := version.ParseGeneric(v.Since)
		if err != nil {
			return false, fmt.Errorf("since %q is no version", v.Since)
		}
		if at.LessThan(since) {
			return false, nil
		}
	}
	if v.Until != "" {
		until, err := version.ParseGeneric(v.Until)
		if err != nil {
			return false, fmt.Errorf("until %q is no version", v.Until)
		}
		return at.LessThan(until), nil
	}
	return true, nil
}

// empty says that no version can be in the range.
func (v *Violates) empty() bool {
	if v.Since == "" || v.Until == "" {
		return false
	}
	inRange, err := v.covers(v.Since)
	return err == nil && !inRange
}

// unaffected says why a scenario about a known bug does not apply to a kubelet;
// "" when it does.
func (s *Scenario) unaffected(kubelet string) (string, error) {
	a := s.Affects
	if a == nil {
		return "", nil
	}
	inRange, err := (&Violates{Since: a.Since, Until: a.Until}).covers(kubelet)
	if err != nil || inRange {
		return "", err
	}
	why := "is about a bug of kubelets"
	if a.Since != "" {
		why += " since " + a.Since
	}
	if a.Until != "" {
		why += " until " + a.Until
	}
	return why + ", this is " + kubelet, nil
}

// maybeFixed is what a failure of a scenario about a known bug may mean; empty
// when it is about none.
func (r *replay) maybeFixed() string {
	a := r.scenario.Affects
	if a == nil {
		return ""
	}
	return fmt.Sprintf("the scenario tells a known bug as kubelet %s is said to have it: upstream may have fixed it, update affects (%s)",
		r.target.KubeletVersion(), (&Error{File: r.scenario.File, Line: a.Line}).place())
}

// declared is a violates entry that is about the version under test.
type declared struct {
	*Violates
	seen bool
}

// declarations picks the entries that are about this kubelet. The others
// excuse nothing.
func declarations(s *Scenario, kubelet string) ([]declared, error) {
	var list []declared
	for i := range s.Violates {
		inRange, err := s.Violates[i].covers(kubelet)
		if err != nil {
			return nil, err
		}
		if inRange {
			list = append(list, declared{Violates: &s.Violates[i]})
		}
	}
	return list, nil
}

// covered says whether a violation in a step is declared, and notes that the
// declaration was needed.
func (r *replay) covered(invariant, step string) bool {
	found := false
	for i := range r.declared {
		d := &r.declared[i]
		if d.Invariant == invariant && (len(d.Steps) == 0 || step != "" && slices.Contains(d.Steps, step)) {
			d.seen, found = true, true
		}
	}
	return found
}

// unseen lists the declarations that were not needed.
func (r *replay) unseen() []string {
	var failures []string
	for _, d := range r.declared {
		if !d.seen {
			failures = append(failures, fmt.Sprintf("declared violation of %s was not seen on kubelet %s: upstream may have fixed it, update violates (%s)",
				d.Invariant, r.target.KubeletVersion(), (&Error{File: r.scenario.File, Line: d.Line}).place()))
		}
	}
	return failures
}

// nextExpect is the expectation after a step, or nil. A replay that ends early
// must not blame a step for what the scenario goes on to expect.
func (r *replay) nextExpect(step int) *Expect {
	for i := step; i < len(r.scenario.Steps); i++ {
		if e := r.scenario.Steps[i].Expect; e != nil {
			return e
		}
	}
	return nil
}

// pending is a violation that nothing has excused yet: the next expectation
// may.
type pending struct{ step, violation int }

// settle judges what has gathered since the last expectation: violations that
// the next one accepts were expected, and so was a kubelet that failed if it
// says so; the others are failures of the steps they occurred in.
func (r *replay) settle(next *Expect) {
	for _, i := range r.died {
		if next != nil && (next.Kubelet == observe.KubeletFailed || next.KubeletError != "") {
			continue
		}
		step, what := &r.result.Steps[i], "died"
		if step.Observation.Started {
			what = "did not start"
		}
		step.Failures = append(step.Failures, fmt.Sprintf("the kubelet %s: %s (where that is meant, the next expect says kubelet: failed)",
			what, step.Observation.KubeletError))
	}
	r.died = r.died[:0]
	for _, p := range r.pending {
		step := &r.result.Steps[p.step]
		v := &step.Violations[p.violation]
		if next != nil && next.Violations != nil && slices.Contains(*next.Violations, v.Invariant) {
			v.Expected = true
			continue
		}
		step.Failures = append(step.Failures, fmt.Sprintf("invariant %s: %s", v.Invariant, v.Detail))
	}
	r.pending = r.pending[:0]
}
