package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// pod is a step that creates a pod on CPUs of the fake's.
func pod(name, cpus string) string {
	return fmt.Sprintf("- createPod: {name: %s, annotations: {cpus: %q}, containers: [{name: app}]}\n", name, cpus)
}

// play replays steps on a fake node.
func play(t *testing.T, ctx context.Context, f *fake, scenario string) Result {
	t.Helper()
	s, err := Loader{}.Parse([]byte(scenario), "test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return Runner{Check: overlapping, Now: func() time.Time { return time.Time{} }}.Run(ctx, s, f, f.profile)
}

// told is a result as a few lines.
func told(r Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Verdict)
	if r.Reason != "" {
		fmt.Fprintf(&b, ": %s", r.Reason)
	}
	b.WriteString("\n")
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "  FAIL %s\n", f)
	}
	for i := range r.Steps {
		s := &r.Steps[i]
		fmt.Fprintf(&b, "%d %s\n", s.Index, s.Event)
		for _, v := range s.Violations {
			expected := ""
			if v.Expected {
				expected = " (expected)"
			}
			fmt.Fprintf(&b, "  violation %s%s\n", v.Invariant, expected)
		}
		for _, f := range s.Failures {
			fmt.Fprintf(&b, "  FAIL %s\n", f)
		}
		if s.Skipped != "" {
			fmt.Fprintf(&b, "  skipped %s\n", s.Skipped)
		}
	}
	return b.String()
}

func TestVerdicts(t *testing.T) {
	declare := func(entry, steps string) string {
		return strings.Replace(withSteps(steps), "steps:", "violates:\n- "+entry+"\nsteps:", 1)
	}
	var b strings.Builder
	for _, c := range []struct {
		name, scenario string
		change         func(*fake)
	}{
		{name: "everything holds", scenario: withSteps("- startKubelet: {}\n" + pod("a", "2-3") +
			"- expect: {kubelet: running, sharedPool: \"0-1,4-15\", containers: {a/app: {cpus: 2-3, actual: assigned}}, pods: {a: {admitted: true}}, log: start kubelet}\n")},
		{name: "failures are collected", scenario: withSteps("- startKubelet: {}\n- expect: {kubelet: stopped}\n" + pod("a", "2") + "- expect: {sharedPool: 1, containers: {a/app: {cpus: 3}}}\n- stopKubelet: {}\n")},
		{name: "expect comes first", scenario: withSteps("- expect: {kubelet: stopped}\n- startKubelet: {}\n")},
		{name: "log lines are those since the last expectation", scenario: withSteps("- startKubelet: {}\n- expect: {log: start kubelet}\n- reboot: {}\n- expect: {log: [reboot, start kubelet]}\n")},
		{name: "a violation nobody declared", scenario: withSteps(pod("aligned", "2") + "- reboot: {}\n- deletePod: aligned\n- expect: {violations: []}\n")},
		{name: "a violation at the end", scenario: withSteps(pod("aligned", "2"))},
		{name: "a violation that is expected", scenario: withSteps(pod("aligned", "2") + "- reboot: {}\n- expect: {violations: [aligned]}\n- deletePod: aligned\n")},
		{name: "an expectation accepts what came before it only", scenario: withSteps(pod("aligned", "2") + "- expect: {violations: [aligned]}\n- reboot: {}\n")},
		{name: "an expectation that names the wrong one", scenario: withSteps(pod("aligned", "2") + "- expect: {violations: [no-leak]}\n")},
		{name: "an expected violation that is over", scenario: withSteps(pod("aligned", "2") + "- deletePod: aligned\n- expect: {violations: [aligned]}\n")},
		{name: "a declared violation", scenario: declare("invariant: aligned", pod("aligned", "2")+"- expect: {violations: [aligned]}\n- reboot: {}\n")},
		{name: "a declared violation in a named step", scenario: declare("{invariant: aligned, steps: [bad]}", "- name: bad\n  "+pod("aligned", "2")[2:]+"- expect: {kubelet: stopped}\n- reboot: {}\n")},
		{name: "a declared violation of a version before the range", scenario: declare("{invariant: aligned, since: 1.38}", pod("aligned", "2"))},
		{name: "a declared violation of a version after the range", scenario: declare("{invariant: aligned, until: 1.37.2}", pod("aligned", "2"))},
		{name: "a declared violation of a version in the range", scenario: declare("{invariant: aligned, since: v1.37.2, until: 1.37.3}", pod("aligned", "2"))},
		{name: "a declared violation is not seen", scenario: declare("{invariant: no-leak, since: 1.26}", pod("aligned", "2")+"- expect: {violations: [aligned]}\n")},
		{name: "a declared violation is not seen, but is not due", scenario: declare("{invariant: no-leak, until: 1.37}", pod("a", "2"))},
		{name: "a declaration for another step excuses nothing", scenario: declare("{invariant: aligned, steps: [other]}", "- {name: other, reboot: {}}\n"+pod("aligned", "2"))},
		{name: "a version that is none", scenario: declare("{invariant: aligned, since: 1.26}", pod("aligned", "2")), change: func(f *fake) { f.version = "unknown" }},
		{name: "a version that is none does not matter", scenario: declare("{invariant: aligned}", pod("aligned", "2")), change: func(f *fake) { f.version = "unknown" }},
		{name: "an event the target cannot do", scenario: withSteps(pod("aligned", "2") + "- reboot: {}\n- expect: {violations: [aligned], kubelet: failed}\n"), change: fails(fmt.Errorf("%w: no power switch", ErrUnsupported))},
		{name: "an event the target cannot do, after a failure", scenario: withSteps("- expect: {kubelet: running}\n- reboot: {}\n"), change: fails(fmt.Errorf("%w: no power switch", ErrUnsupported))},
		{name: "a declaration may come true after an event the target cannot do", scenario: declare("{invariant: no-leak}", "- reboot: {}\n- startKubelet: {}\n"), change: fails(fmt.Errorf("%w: no power switch", ErrUnsupported))},
		{name: "a kubelet that does not start", scenario: withSteps("- startKubelet: {}\n- expect: {sharedPool: 0-15}\n"), change: troubled},
		{name: "a kubelet that does not start at the end", scenario: withSteps("- startKubelet: {}\n"), change: troubled},
		{name: "a kubelet that is expected to fail", scenario: withSteps("- startKubelet: {}\n- expect: {kubelet: failed}\n" + pod("a", "2")), change: troubled},
		{name: "a kubelet that is expected to fail with a text", scenario: withSteps("- startKubelet: {}\n- expect: {kubeletError: bad state}\n"), change: troubled},
		{name: "a kubelet that is expected to fail with another text", scenario: withSteps("- startKubelet: {}\n- expect: {kubeletError: other}\n"), change: troubled},
		{name: "an expression says nothing of how a start should end", scenario: withSteps("- startKubelet: {}\n- expect: {cel: 'kubelet == \"failed\"'}\n"), change: troubled},
		{name: "an expectation is about the starts before it only", scenario: withSteps("- startKubelet: {}\n- expect: {kubelet: failed}\n- startKubelet: {}\n"), change: troubled},
		{name: "a kubelet that dies later", scenario: withSteps("- reboot: {}\n" + pod("a", "2") + "- expect: {pods: {a: {admitted: true}}}\n"), change: troubled},
		{name: "wrong use", scenario: withSteps("- startKubelet: {}\n- reboot: {}\n- startKubelet: {}\n"), change: fails(fmt.Errorf("%w: it runs", ErrMisuse))},
		{name: "the harness fails", scenario: withSteps("- reboot: {}\n"), change: fails(errors.New("disk full"))},
		{name: "a panic", scenario: withSteps("- startKubelet: {}\n- reboot: {}\n- startKubelet: {}\n"), change: func(f *fake) {
			f.on = func(e Event) error {
				if _, ok := e.(Reboot); ok {
					panic("index out of range")
				}
				return nil
			}
		}},
	} {
		f := newFake()
		if c.change != nil {
			c.change(f)
		}
		fmt.Fprintf(&b, "== %s\n%s\n", c.name, told(play(t, t.Context(), f, c.scenario)))
	}
	golden(t, "verdicts.golden", b.String())
}

// troubled lets the kubelet fail at a start and at a reboot.
func troubled(f *fake) { f.trouble = "could not restore: bad state" }

// fails makes reboots fail.
func fails(err error) func(*fake) {
	return func(f *fake) {
		f.on = func(e Event) error {
			if _, ok := e.(Reboot); ok {
				return err
			}
			return nil
		}
	}
}

func TestMisuseAndPanicAreTold(t *testing.T) {
	g := gomega.NewWithT(t)
	f := newFake()
	fails(fmt.Errorf("%w: it runs", ErrMisuse))(f)
	r := play(t, t.Context(), f, withSteps("- reboot: {}\n"))
	g.Expect(r.Misuse).To(gomega.BeTrue())

	f.on = func(Event) error { panic("no") }
	r = play(t, t.Context(), f, withSteps("- reboot: {}\n"))
	g.Expect(r.Misuse).To(gomega.BeFalse())
	g.Expect(r.Stack).To(gomega.ContainSubstring("TestMisuseAndPanicAreTold"))
}

func TestTimeIsUp(t *testing.T) {
	g := gomega.NewWithT(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	r := play(t, ctx, newFake(), withSteps("- reboot: {}\n"))
	g.Expect(told(r)).To(gomega.Equal("hang: step 1 (line 6), reboot: not done when the time was up\n1 reboot\n"))

	ctx, cancel = context.WithCancel(t.Context())
	f := newFake()
	f.on = func(e Event) error {
		cancel()
		return nil
	}
	r = play(t, ctx, f, withSteps("- reboot: {}\n- startKubelet: {}\n- reboot: {}\n"))
	g.Expect(told(r)).To(gomega.Equal("error: step 2 (line 7), start kubelet: interrupted\n1 reboot\n2 start kubelet\n"))
}

func TestRunSetup(t *testing.T) {
	g := gomega.NewWithT(t)
	s, err := Loader{}.Parse([]byte(withSteps("- reboot: {}\n")), "test.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	f := newFake()
	ok := func(context.Context, *Scenario, *hwprofiles.Profile) (Target, error) { return f, nil }
	r := Runner{Check: overlapping}.RunSetup(t.Context(), s, ok, f.profile)
	g.Expect(r.Verdict).To(gomega.Equal(Pass))
	g.Expect(f.closed).To(gomega.BeTrue())

	no := func(err error) Setup {
		return func(context.Context, *Scenario, *hwprofiles.Profile) (Target, error) { return nil, err }
	}
	r = Runner{}.RunSetup(t.Context(), s, no(fmt.Errorf("%w: no NUMA here", ErrUnsupported)), f.profile)
	g.Expect(told(r)).To(gomega.Equal("skip: set up the node: not supported by this target: no NUMA here\n"))
	r = Runner{}.RunSetup(t.Context(), s, no(errors.New("no image")), f.profile)
	g.Expect(told(r)).To(gomega.Equal("error: set up the node: no image\n"))
	g.Expect(r.Profile).To(gomega.Equal("fake-machine"))
}

func TestProgress(t *testing.T) {
	g := gomega.NewWithT(t)
	s, err := Loader{}.Parse([]byte(withSteps("- reboot: {}\n- expect: {kubelet: stopped}\n")), "test.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	var lines []string
	f := newFake()
	Runner{Check: overlapping, Progress: func(p Progress) {
		lines = append(lines, fmt.Sprintf("%s %d/%d %s", p.Scenario.Name, p.Done, p.Total, p.Step.Event))
	}}.Run(t.Context(), s, f, f.profile)
	g.Expect(lines).To(gomega.Equal([]string{"test 1/2 reboot", "test 2/2 expect"}))
	g.Expect(f.observed).To(gomega.Equal(1), "an expectation does not look again")
}

func TestReportAsJSON(t *testing.T) {
	f := newFake()
	r := play(t, t.Context(), f, withSteps("- startKubelet: {}\n"+pod("aligned", "2-3")+"- expect: {kubelet: stopped}\n"))
	for i := range r.Steps {
		if i > 1 {
			r.Steps[i].Observation = observe.Observation{}
		}
	}
	text, err := json.MarshalIndent(NewRunReport([]Result{r}), "", "  ")
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	golden(t, "report.golden.json", string(text)+"\n")

	text, err = json.Marshal(NewRunReport(nil))
	gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
	gomega.NewWithT(t).Expect(string(text)).To(gomega.Equal(`{"apiVersion":"pinlab/v1alpha1","kind":"RunReport","results":[]}`))
}
