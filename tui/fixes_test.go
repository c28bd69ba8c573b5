package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// TestMachineFile explores a machine of a file, and saves it next to a scenario
// that lies elsewhere.
func TestMachineFile(t *testing.T) {
	g := NewWithT(t)
	p, err := hwprofiles.Resolve("sockets=1 cores=4 threads=2")
	g.Expect(err).NotTo(HaveOccurred())
	data, err := p.MarshalProfile()
	g.Expect(err).NotTo(HaveOccurred())
	dir, elsewhere := t.TempDir(), t.TempDir()
	machine := filepath.Join(dir, "node.yaml")
	g.Expect(os.WriteFile(machine, data, 0o600)).To(Succeed())
	d := drive(t, Options{Profile: machine}, 80, 24).press("a", "enter")
	g.Expect(d.text()).To(ContainSubstring("pod-1/app"))
	for place, want := range map[string]string{dir: "./node.yaml", elsewhere: "mine.machine.yaml"} {
		file := filepath.Join(place, "mine.yaml")
		g.Expect(d.m.Save(file)).To(Succeed())
		s, err := scenarios.Loader{}.LoadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(text)).To(ContainSubstring("profile: " + want))
		_, err = hwprofiles.Resolve(s.Profile)
		g.Expect(err).NotTo(HaveOccurred())
	}
	d.press(":", "type:swapProfile: other.yaml", "enter")
	g.Expect(d.m.message.Text).To(ContainSubstring("a session is not in a directory"))
}

// TestExplainsAtTheDecision asks about the node as the kubelet found it when it
// decided, and as it is now about a pod that nothing was decided about.
func TestExplainsAtTheDecision(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	var questions []Question
	d.m.deps.Explain = func(_ context.Context, q Question) (string, error) {
		questions = append(questions, q)
		return "NOT PINNED", nil
	}
	d.press("a", "enter")
	first := questions[len(questions)-1]
	g.Expect(string(first.Config)).To(ContainSubstring("static"))
	d.m.explore.frames[len(d.m.explore.frames)-1].profile = &hwprofiles.Profile{Name: "changed"}
	d.m.explore.explain = explanation{}
	d.run(d.m.askExplain())
	g.Expect(questions[len(questions)-1].Profile).To(Equal(first.Profile))

	// The kubelet does not answer about the next one.
	d.m.explore.pods["pod-1"].turn, d.m.explore.explain = 0, explanation{}
	d.m.explore.pods["pod-1"].asked = asked{}
	d.m.explore.last().step.Observation.Kubelet = observe.KubeletStopped
	d.press("enter")
	g.Expect(string(questions[len(questions)-1].Config)).To(ContainSubstring("static"))
	g.Expect(questions[len(questions)-1].Profile.Name).To(Equal("changed"))
	g.Expect(d.text()).To(ContainSubstring("has not decided about pod-1: it is not running"))
}

// TestNeighbour keeps the place in the list when its pod is deleted.
func TestNeighbour(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	for range 4 {
		d.press("a", "enter")
	}
	d.press("g", "j", "d")
	g.Expect(d.m.explore.selected).To(Equal("pod-3/app"))
	d.press("d")
	g.Expect(d.m.explore.selected).To(Equal("pod-4/app"))
	d.press("d")
	g.Expect(d.m.explore.selected).To(Equal("pod-1/app"))
	d.press(":", "type:deletePod: pod-2", "enter")
	g.Expect(d.m.message.Text).To(MatchRegexp(`deleted in step 6 of the session \(deletePod: pod-2\)`))
}

// TestCPUsAreExplained at 80 columns, and the letters too.
func TestCPUsAreExplained(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24).press("a", "enter", "shift+tab")
	g.Expect(d.text()).To(And(ContainSubstring("CPU 0: core"), ContainSubstring("a pod-1")))
	d.press("G")
	g.Expect(d.text()).To(ContainSubstring("CPU 95: core"))
	d.press("g")
	g.Expect(d.text()).To(ContainSubstring("CPU 0: core"))
	d.press("ctrl+d")
	g.Expect(d.text()).NotTo(ContainSubstring("CPU 0: core"))
	d = drive(t, Options{View: ViewVerify}, 80, 24).press("z")
	g.Expect(d.text()).To(And(ContainSubstring("socket 0"), ContainSubstring("b web")))
	d.press("tab")
	g.Expect(d.text()).To(ContainSubstring("CPU 0: core"))
}

// TestNextFinding is in sight.
func TestNextFinding(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{View: ViewVerify}, 80, 24)
	v := d.m.verify
	v.node.Findings = nil
	for i := range 12 {
		v.node.Findings = append(v.node.Findings, Finding{Severity: "warning", Check: "check", What: fmt.Sprintf("finding number %d", i), Details: []string{"where", "why"}})
	}
	for i := range 12 {
		d.press("n")
		g.Expect(d.text()).To(ContainSubstring(fmt.Sprintf("▸ warning: check: finding number %d", (i+1)%12)))
	}
	v.node.Findings = nil
	d.press("tab", "shift+tab")
	g.Expect(d.text()).To(ContainSubstring("nothing found in what could be read; 1 could not"))
}

// TestRewatch watches again with r, when watching has failed.
func TestRewatch(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{View: ViewVerify}, 80, 24)
	tries := 0
	d.m.deps.Watch = func(context.Context) error {
		tries++
		return errors.New("no more watches")
	}
	d.press("r", "r")
	g.Expect(tries).To(Equal(2))
}

// TestBenchTellsWhatItMeasured keeps the names of the machine and the comparison
// by their figures, and marks what is not what it looks like.
func TestBenchTellsWhatItMeasured(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{View: ViewBench}, 80, 24).press("enter")
	b := d.m.bench
	b.latest.Operations[0].Series[1].Note = "the pod is rejected: TopologyAffinityError"
	d.press("p", "/", "type:1024", "enter")
	first, _, _ := strings.Cut(d.text(), "\n")
	g.Expect(first).To(HaveSuffix("xeon-2s24c-smt2"))
	g.Expect(d.text()).To(And(ContainSubstring("static !"), ContainSubstring("! static: the pod is rejected"),
		ContainSubstring("enter measures CPU manager policies on generic-1024"), ContainSubstring("enter: CPU manager policies on generic-1024")))
	for i := range 12 {
		b.latest.Warnings = append(b.latest.Warnings, fmt.Sprintf("warning number %d", i))
	}
	d.press("G")
	g.Expect(d.text()).To(ContainSubstring("warning number 11"))
	b.latest.Operations = nil
	for _, name := range []string{"admit", "hints", "merge", "allocate", "checkpoint", "fit", "remove", "reconcile", "restart", "readmit"} {
		b.latest.Operations = append(b.latest.Operations, BenchOperation{Name: name})
	}
	b.tab = 8
	d.press("l")
	g.Expect(d.text()).To(ContainSubstring(" readmit "))
	d.send(tea.MouseClickMsg{X: 5, Y: 2, Button: tea.MouseLeft})
	g.Expect(b.tab).To(BeNumerically("<", 9))
	d.press("/")
	g.Expect(d.m.filter().typing).To(BeFalse())
}

// TestDrawIsPure draws twice: nothing of the model changes by it.
func TestDrawIsPure(t *testing.T) {
	for _, s := range scenes() {
		g := NewWithT(t)
		d := drive(t, s.opts, 80, 24).press(s.keys...)
		state := func() string {
			return fmt.Sprintf("%+v %+v %+v %+v %+v", *d.m.explore, *d.m.replay, *d.m.bench, *d.m.verify, d.m.overlay)
		}
		before := state()
		d.m.View()
		g.Expect(state()).To(Equal(before), s.name)
	}
}

// TestSmallMachine offers what fits it.
func TestSmallMachine(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{Profile: "detected"}, 80, 24).press("a", "enter")
	g.Expect(d.text()).To(And(ContainSubstring("pod-1/app"), Not(ContainSubstring("rejected"))))
}

func TestConfigFormText(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24).press("c", "j", "l", "l", "enter", "ctrl+u", "type:0-1", "enter", "enter")
	steps := d.m.explore.story.Steps
	g.Expect(steps[len(steps)-1]).To(Equal(`restartKubelet: {config: {"reservedSystemCPUs":"0-1"}}`))
	d.press("c")
	f := d.m.overlay.(*configForm)
	d.send(tea.MouseClickMsg{X: f.rows.X, Y: f.rows.Y + 2, Button: tea.MouseLeft})
	d.send(tea.MouseClickMsg{X: f.rows.X, Y: f.rows.Y + 2, Button: tea.MouseLeft})
	g.Expect(f.fields[2].value).To(Equal("best-effort"))
}

func TestNoColor(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{NoColor: true}, 80, 24).press("t")
	g.Expect(d.m.message.Text).To(ContainSubstring("NO_COLOR"))
	d.press("a", "enter", "a", "enter", "k")
	d.send(tea.MouseWheelMsg{Button: tea.MouseWheelLeft})
	g.Expect(d.m.explore.selected).To(Equal("pod-1/app"))
}
