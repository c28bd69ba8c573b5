package fidelity

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func golden(g *WithT, name string, got []byte) {
	file := filepath.Join("testdata", name)
	if *update {
		g.Expect(os.WriteFile(file, got, 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(want)), "run go test -update if the change is meant")
}

// replay is a run of three events and two expectations on which a pinned and a
// shared container were seen.
func replay() *scenarios.Result {
	r := &scenarios.Result{Scenario: "story", Profile: "xeon", Verdict: scenarios.Pass, DurationSeconds: 1.5}
	o := observe.Observation{
		Kubelet: observe.KubeletRunning, Online: "0-7", SharedPool: "0-7",
		Config: observe.Config{CPUManagerPolicy: "static", Reserved: "0"}, Containers: []observe.Container{},
		Checkpoint: &observe.Checkpoint{Policy: "static", SharedPool: "0-7"},
	}
	r.Steps = append(r.Steps, observe.Step{Index: 1, Line: 5, Event: "startKubelet", Observation: o})
	o.SharedPool = "0,3-7"
	o.Containers = []observe.Container{
		{Pod: "a", Container: "app", Kind: observe.KindApp, State: observe.StateRunning, Exclusive: true, Assigned: "1-2", Actual: "1-2"},
		{Pod: "b", Container: "app", Kind: observe.KindApp, State: observe.StateRunning, Assigned: "0,3-7", Actual: "0,3-7"},
	}
	o.Admissions = []observe.Admission{{Pod: "a", Admitted: true}, {Pod: "c", Reason: "OutOfcpu", Message: "Node didn't have enough resource: cpu"}}
	o.Checkpoint = &observe.Checkpoint{Policy: "static", SharedPool: "0,3-7", Entries: []observe.Assignment{{Pod: "a", Container: "app", CPUs: "1-2"}}}
	r.Steps = append(r.Steps,
		observe.Step{Index: 2, Line: 6, Event: "create pod a", Observation: o},
		observe.Step{Index: 3, Line: 7, Event: "expect"})
	o.Kubelet, o.Admissions = observe.KubeletStopped, nil
	r.Steps = append(r.Steps,
		observe.Step{Index: 4, Line: 8, Event: "stopKubelet", Observation: o},
		observe.Step{Index: 5, Line: 9, Event: "expect"})
	return r
}

func TestAgree(t *testing.T) {
	g := NewWithT(t)
	sim, real := replay(), replay()
	sim.DurationSeconds, real.DurationSeconds = 0.01, 42
	// What holds on neither is no difference, however it is said.
	sim.Verdict, sim.Steps[2].Failures = scenarios.Fail, []string{"no"}
	real.Verdict, real.Steps[2].Failures = scenarios.Fail, []string{"not at all"}
	c := Compare(sim, real)
	g.Expect(c.Differences).To(BeEmpty())
	g.Expect(c.Skipped).To(BeEmpty())
	g.Expect(c.Verdict()).To(Equal("agree"))
	g.Expect(c.Steps).To(Equal(3))
	// Nine facts of the node each time, two admissions, two containers twice, two
	// expectations, and the end.
	g.Expect(c.Facts).To(Equal(3*9 + 2 + 2*2*4 + 2 + 1))
	g.Expect(c).To(And(HaveField("Scenario", "story"), HaveField("Profile", "xeon"), HaveField("SimSeconds", 0.01), HaveField("RealSeconds", 42.0)))
}

func TestDifferences(t *testing.T) {
	last := func(r *scenarios.Result) *observe.Observation { return &r.Steps[3].Observation }
	second := func(r *scenarios.Result) *observe.Observation { return &r.Steps[1].Observation }
	fresh := func(o *observe.Observation) *observe.Container {
		o.Containers = append([]observe.Container{}, o.Containers...)
		return &o.Containers[0]
	}
	for name, c := range map[string]struct {
		change func(real *scenarios.Result)
		want   []Difference
	}{
		"kubelet": {
			func(r *scenarios.Result) { last(r).Kubelet = observe.KubeletFailed },
			[]Difference{{4, 8, "stopKubelet", "kubelet", "stopped", "failed"}},
		},
		"kubelet error": {
			func(r *scenarios.Result) { last(r).KubeletError = "no state" },
			[]Difference{{4, 8, "stopKubelet", "kubelet error", "", "no state"}},
		},
		"shared pool": {
			func(r *scenarios.Result) { last(r).SharedPool = "0" },
			[]Difference{{4, 8, "stopKubelet", "shared pool", "0,3-7", "0"}},
		},
		"reserved": {
			func(r *scenarios.Result) { last(r).Config.Reserved = "0-1" },
			[]Difference{{4, 8, "stopKubelet", "reserved", "0", "0-1"}},
		},
		"online": {
			func(r *scenarios.Result) { last(r).Online = "0-6" },
			[]Difference{{4, 8, "stopKubelet", "online", "0-7", "0-6"}},
		},
		"no state file": {
			func(r *scenarios.Result) { last(r).Checkpoint = nil },
			[]Difference{{4, 8, "stopKubelet", "state file", "static 0,3-7 a/app=1-2", "none"}},
		},
		"unreadable state file": {
			func(r *scenarios.Result) { last(r).CheckpointError = "unexpected end of JSON input" },
			[]Difference{{4, 8, "stopKubelet", "state file", "static 0,3-7 a/app=1-2", "unreadable"}},
		},
		"stale": {
			func(r *scenarios.Result) {
				last(r).Stale = []observe.Assignment{{Pod: "z", Container: "c", CPUs: "5"}, {Pod: "y", Container: "c", CPUs: "4"}}
			},
			[]Difference{{4, 8, "stopKubelet", "stale entries", "", "y/c=4 z/c=5"}},
		},
		"admission message": {
			func(r *scenarios.Result) {
				second(r).Admissions = []observe.Admission{{Pod: "a", Admitted: true}, {Pod: "c", Reason: "OutOfcpu", Message: "another"}}
			},
			[]Difference{{2, 6, "create pod a", "admission of c", "rejected: OutOfcpu: Node didn't have enough resource: cpu", "rejected: OutOfcpu: another"}},
		},
		"missing admission": {
			func(r *scenarios.Result) { second(r).Admissions = second(r).Admissions[:1] },
			[]Difference{{2, 6, "create pod a", "admission of c", "rejected: OutOfcpu: Node didn't have enough resource: cpu", ""}},
		},
		"actual": {
			func(r *scenarios.Result) { fresh(last(r)).Actual = "0-7" },
			[]Difference{{4, 8, "stopKubelet", "a/app actual", "1-2", "0-7"}},
		},
		"not exclusive": {
			func(r *scenarios.Result) { fresh(last(r)).Exclusive = false },
			[]Difference{{4, 8, "stopKubelet", "a/app assigned", "1-2", "shared pool"}},
		},
		"not running": {
			func(r *scenarios.Result) { fresh(last(r)).State = observe.StateTerminated },
			[]Difference{
				{4, 8, "stopKubelet", "a/app state", "running", "terminated"},
				{4, 8, "stopKubelet", "a/app actual", "1-2", ""},
			},
		},
		"threads": {
			func(r *scenarios.Result) { fresh(last(r)).Threads = []observe.CPUs{"1", "5"} },
			[]Difference{{4, 8, "stopKubelet", "a/app threads", "as the cgroup", "1 and 5"}},
		},
		"sandbox threads": {
			func(r *scenarios.Result) {
				last(r).Sandboxes = []observe.Sandbox{{Pod: "a", Actual: "0-7", Threads: []observe.CPUs{"5"}}}
			},
			[]Difference{{4, 8, "stopKubelet", "a sandbox threads", "as the cgroup", "[5]"}},
		},
		"missing container": {
			func(r *scenarios.Result) { last(r).Containers = last(r).Containers[1:] },
			[]Difference{
				{4, 8, "stopKubelet", "a/app state", "running", ""},
				{4, 8, "stopKubelet", "a/app assigned", "1-2", ""},
				{4, 8, "stopKubelet", "a/app actual", "1-2", ""},
			},
		},
		"resize": {
			func(r *scenarios.Result) {
				second(r).Resizes = []observe.Admission{{Pod: "a", Reason: "Infeasible", Message: "no"}}
			},
			[]Difference{{2, 6, "create pod a", "resize of a", "", "rejected: Infeasible: no"}},
		},
		"memory nodes": {
			func(r *scenarios.Result) { fresh(last(r)).Mems = "0" },
			[]Difference{{4, 8, "stopKubelet", "a/app memory nodes", "", "0"}},
		},
		"memory": {
			func(r *scenarios.Result) {
				last(r).NUMAMemory = []observe.NUMAMemory{{Node: 1, Allocatable: 3, Reserved: 1, Free: 2, Group: []int{0, 1}}}
			},
			[]Difference{{4, 8, "stopKubelet", "memory of node 1", "", "3 allocatable, 1 reserved, 2 free, handed out with [0 1]"}},
		},
		"CPUs of pods": {
			func(r *scenarios.Result) { last(r).PodCPUs = []observe.Assignment{{Pod: "a", CPUs: "1-2"}} },
			[]Difference{{4, 8, "stopKubelet", "CPUs of pods", "", "a=1-2"}},
		},
		// What decides a run decides a comparison.
		"broken invariants": {
			func(r *scenarios.Result) {
				r.Steps[1].Violations = []observe.Violation{{Invariant: "no-leak"}, {Invariant: "cgroup-in-sync", Expected: true}, {Invariant: "no-leak"}}
			},
			[]Difference{{2, 6, "create pod a", "broken invariants", "", "cgroup-in-sync no-leak"}},
		},
		"an expectation": {
			func(r *scenarios.Result) {
				r.Verdict, r.Steps[2].Failures = scenarios.Fail, []string{"shared pool: 0", "log: no line"}
			},
			[]Difference{{3, 7, "expect", "expectations", "held", "shared pool: 0; log: no line"}},
		},
		"a declaration": {
			func(r *scenarios.Result) { r.Verdict, r.Failures = scenarios.Fail, []string{"no-leak was not seen"} },
			[]Difference{{5, 9, "end", "declarations", "held", "no-leak was not seen"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			sim, real := replay(), replay()
			c.change(real)
			got := Compare(sim, real)
			g.Expect(got.Differences).To(Equal(c.want))
			g.Expect(got.Verdict()).To(Equal("differ"))
			g.Expect(got.Steps).To(Equal(3), "one difference does not end it")
			// The other way round it is the same difference, but for threads: a
			// simulated container has none.
			if name != "threads" && name != "sandbox threads" {
				var want []Difference
				for _, d := range c.want {
					d.Sim, d.Real = d.Real, d.Sim
					want = append(want, d)
				}
				g.Expect(Compare(real, sim).Differences).To(Equal(want))
			}
			g.Expect(NewReport([]Comparison{got}, nil).Agree()).To(BeFalse())
		})
	}
}

// How many lines a loop logs depends on its ticks, which are not compared.
func TestLogCountsAreNotCompared(t *testing.T) {
	g := NewWithT(t)
	sim, real := replay(), replay()
	real.Verdict, real.Hint = scenarios.Fail, "upstream may have fixed it"
	real.Steps[2].Failures = []string{"log.size() is 2"}
	real.Steps[2].LogCounts = real.Steps[2].Failures
	g.Expect(Compare(sim, real).Verdict()).To(Equal("agree"))
	g.Expect(Compare(real, sim).Verdict()).To(Equal("agree"))
}

// What is not compared to the end says so.
func TestNotToTheEnd(t *testing.T) {
	cut := func(r *scenarios.Result, n int, reason string) {
		r.Steps, r.Reason, r.Verdict = r.Steps[:n], reason, scenarios.Skip
	}
	for name, c := range map[string]struct {
		change  func(sim, real *scenarios.Result)
		verdict string
		skipped string
		steps   int
	}{
		"skip in the middle": {
			func(_, real *scenarios.Result) {
				cut(real, 4, "skipped")
				real.Steps[3] = observe.Step{Index: 4, Event: "addCPUs", Skipped: "not supported by this target: addCPUs"}
			},
			"part", "step 4: not supported by this target: addCPUs", 2,
		},
		"skip in the simulator": {
			func(sim, _ *scenarios.Result) {
				cut(sim, 2, "skipped")
				sim.Steps[1] = observe.Step{Index: 2, Event: "reboot", Skipped: "not here"}
			},
			"part", "step 2: not here", 1,
		},
		"skip at once": {
			func(_, real *scenarios.Result) {
				cut(real, 1, "skipped")
				real.Steps[0] = observe.Step{Index: 1, Skipped: "not here"}
			},
			"skip", "step 1: not here", 0,
		},
		"real node not set up": {
			func(_, real *scenarios.Result) { cut(real, 0, "no such machine") },
			"skip", "no such machine", 0,
		},
		"neither set up": {
			func(sim, real *scenarios.Result) { cut(sim, 0, "too small"); cut(real, 0, "") },
			"skip", "too small", 0,
		},
		"no reason known": {
			func(sim, real *scenarios.Result) { cut(sim, 0, ""); cut(real, 0, "") },
			"skip", "no step was replayed", 0,
		},
		"real run shorter": {
			func(_, real *scenarios.Result) { cut(real, 2, "the time was up") },
			"part", "the real node's replay ended after step 2 of 5: the time was up", 2,
		},
		"simulated run shorter": {
			func(sim, _ *scenarios.Result) { cut(sim, 3, "") },
			"part", "the simulator's replay ended after step 3 of 5", 2,
		},
		// Expectations alone are nothing to compare, but a missing one tells
		// that the replay did not get there.
		"only an expectation missing": {
			func(_, real *scenarios.Result) { cut(real, 4, "hang") },
			"part", "the real node's replay ended after step 4 of 5: hang", 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			sim, real := replay(), replay()
			c.change(sim, real)
			got := Compare(sim, real)
			g.Expect(got.Verdict()).To(Equal(c.verdict))
			g.Expect(got.Skipped).To(Equal(c.skipped))
			g.Expect(got.Steps).To(Equal(c.steps))
			g.Expect(got.Differences).To(BeEmpty())
		})
	}
}

// What the harness could not do is no difference and no agreement.
func TestHarnessFails(t *testing.T) {
	g := NewWithT(t)
	for _, verdict := range []scenarios.Verdict{scenarios.Errored, scenarios.Hang} {
		real := replay()
		real.Steps, real.Verdict, real.Reason = real.Steps[:2], verdict, "the machine is gone"
		real.Steps[1].Error = "the machine is gone"
		c := Compare(replay(), real)
		g.Expect(c.Verdict()).To(Equal("error"))
		g.Expect(c.Failed).To(Equal("the machine is gone"))
		g.Expect(c.Differences).To(BeEmpty())
		r := NewReport([]Comparison{c}, nil)
		g.Expect(r.Failed()).To(Equal(1))
		g.Expect(r.Summary()).To(ContainSubstring("1 errors"))
	}
}

// What the kubelet has in memory is not compared when it does not answer.
func TestUnread(t *testing.T) {
	g := NewWithT(t)
	all := Compare(replay(), replay())
	real := replay()
	real.Steps[0].Observation.Unread = []string{"podresources: no answer"}
	real.Steps[0].Observation.SharedPool = "63"
	c := Compare(replay(), real)
	g.Expect(c.Differences).To(BeEmpty())
	g.Expect(c.Unread).To(Equal(1))
	g.Expect(c.Facts).To(BeNumerically("<", all.Facts))
}

// An error on one side is a difference; the same on both sides is not.
func TestErrors(t *testing.T) {
	g := NewWithT(t)
	fail := func(text string) *scenarios.Result {
		r := replay()
		r.Steps = r.Steps[:2]
		r.Steps[1] = observe.Step{Index: 2, Line: 6, Event: "create pod a", Error: text}
		return r
	}
	c := Compare(replay(), fail("the node has not settled"))
	g.Expect(c.Differences).To(Equal([]Difference{{2, 6, "create pod a", "error", "", "the node has not settled"}}))
	g.Expect(c.Steps).To(Equal(1))
	c = Compare(fail("hang"), replay())
	g.Expect(c.Differences).To(Equal([]Difference{{2, 6, "create pod a", "error", "hang", ""}}))
	c = Compare(fail("scenario error: no pod"), fail("scenario error: no pod"))
	g.Expect(c.Differences).To(BeEmpty())
	g.Expect(c.Verdict()).To(Equal("agree"))
}

// reports holds one comparison of each verdict.
func reports() Report {
	differ := replay()
	differ.Scenario = "a-much-longer-name"
	differ.Steps[3].Observation.SharedPool = ""
	differ.Steps[3].Observation.KubeletError = "boom"
	part, skip, other := replay(), replay(), replay()
	part.Scenario, part.Steps = "half", part.Steps[:2]
	skip.Scenario, skip.Steps, skip.Reason = "none", nil, "the lab cannot make this machine"
	other.Profile = "epyc-7742"
	return NewReport([]Comparison{
		Compare(replay(), replay()), Compare(replay(), differ), Compare(replay(), part), Compare(replay(), skip), Compare(replay(), other),
	}, []Boot{{Profile: "xeon", Seconds: 4.5, Retried: true}})
}

func TestTable(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(reports().Table(&b)).To(Succeed())
	golden(g, "table.txt", b.Bytes())
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestTableOnFullDisk(t *testing.T) {
	NewWithT(t).Expect(reports().Table(fullDisk{})).To(MatchError("no space left"))
}

func TestJSON(t *testing.T) {
	g := NewWithT(t)
	data, err := json.MarshalIndent(reports(), "", "  ")
	g.Expect(err).NotTo(HaveOccurred())
	golden(g, "report.json", append(data, '\n'))
	var back Report
	g.Expect(json.Unmarshal(data, &back)).To(Succeed())
	g.Expect(back).To(Equal(reports()))
}

func TestEmptyReport(t *testing.T) {
	g := NewWithT(t)
	r := NewReport(nil, nil)
	g.Expect(r.Agree()).To(BeTrue())
	data, err := json.Marshal(r)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(data).To(MatchJSON(`{"apiVersion": "pinlab/v1alpha1", "kind": "FidelityReport", "comparisons": []}`))
}
