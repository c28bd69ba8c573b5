package story_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/story"
)

func base() story.Story {
	return story.Story{Profile: "generic-2s4c-smt2", Kubelet: "cpuManagerPolicy: static\n"}.With("startKubelet: {}")
}

// TestParse gives the events of the last step alone, and says what is wrong with
// it without the file that nobody has seen.
func TestParse(t *testing.T) {
	g := NewWithT(t)
	s := base().With("createPod: {name: web, replicas: 2, containers: [{name: app, cpu: 2, memory: 1Gi}]}")
	_, events, err := s.Parse(scenarios.Loader{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(HaveLen(2))
	_, events, err = s.With("deletePod: web-1").Parse(scenarios.Loader{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(ConsistOf(scenarios.DeletePod{Pod: "web-1"}))
	_, _, err = s.With("deletePod: wen-1").Parse(scenarios.Loader{})
	g.Expect(err).To(MatchError(And(ContainSubstring("web-1"), Not(ContainSubstring("step:")))))
	_, _, err = s.With("expect: {kubelet: running}").Parse(scenarios.Loader{})
	g.Expect(err).To(MatchError(ContainSubstring("no event")))
	g.Expect(s.Steps).To(HaveLen(2), "a story does not change when one is made of it")
}

// TestExpect writes what has changed, in words that the loader takes.
func TestExpect(t *testing.T) {
	g := NewWithT(t)
	before := &observe.Step{Observation: observe.Observation{Kubelet: observe.KubeletRunning, SharedPool: "0-15", Containers: []observe.Container{
		{Pod: "old", Container: "app", State: observe.StateRunning, Assigned: "0-15", Actual: "0-15"},
		{Pod: "same", Container: "app", State: observe.StateRunning, Exclusive: true, Assigned: "4", Actual: "4"},
	}}}
	now := &observe.Step{
		Observation: observe.Observation{Kubelet: observe.KubeletRunning, SharedPool: "0,2-15", Containers: []observe.Container{
			{Pod: "same", Container: "app", State: observe.StateRunning, Exclusive: true, Assigned: "4", Actual: "4"},
			{Pod: "web", Container: "app", State: observe.StateRunning, Exclusive: true, Assigned: "1", Actual: "0-1"},
		}},
		Violations: []observe.Violation{{Invariant: "cgroup-in-sync"}, {Invariant: "cgroup-in-sync"}},
	}
	lines, err := story.Expect(before, now, []observe.Admission{{Pod: "web", Admitted: true}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lines).To(Equal([]string{
		`- expect: {"kubelet":"running","sharedPool":"0,2-15","pods":{"old":{"present":false},"web":{"admitted":true}},` +
			`"containers":{"web/app":{"state":"running","exclusive":true,"cpus":"1","actual":"0-1"}},"violations":["cgroup-in-sync"]}`,
	}))
	s := base().With("createPod: {name: old, containers: [{name: app, cpu: 2}]}").With("createPod: {name: web, containers: [{name: app, cpu: 2}]}")
	text, err := s.Text("saved", "A story.\n\nIts second line.", func(int) []string { return nil })
	g.Expect(err).NotTo(HaveOccurred())
	_, err = scenarios.Loader{}.Parse([]byte(text+strings.Join(lines, "\n")+"\n"), "saved.yaml")
	g.Expect(err).NotTo(HaveOccurred())
}

func BenchmarkParseLongStory(b *testing.B) {
	s := base()
	for range 500 {
		s = s.With("createPod: {name: web, containers: [{name: app, cpu: 2, memory: 1Gi}]}").With("deletePod: web")
	}
	for b.Loop() {
		if _, _, err := s.Parse(scenarios.Loader{}); err != nil {
			b.Fatal(err)
		}
	}
}
