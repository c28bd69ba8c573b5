package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/observe"
)

// driftResult is a replay in which the runtime refuses an update: a shared
// container stays on CPUs that now belong to others.
func driftResult(t *testing.T) scenarios.Result {
	p := shape(t, "sockets=2 nodes=2 cores=24 threads=2")
	step := func(index, line int, event string, o observe.Observation) observe.Step {
		return observe.Step{Index: index, Line: line, Event: event, Observation: o}
	}
	start := node(p, "0-1,48-49")
	start.Config.TopologyManagerPolicy, start.Config.TopologyManagerScope = "single-numa-node", "container"

	shared := node(p, "0-1,48-49", pooled("ingest", "app"))
	shared.Config = start.Config
	shared.Admissions = []observe.Admission{{Pod: "ingest", Admitted: true}}

	pinned := node(p, "0-1,48-49", pooled("ingest", "app"), own("match-0", "engine", "2-9,50-57"))
	pinned.Config = start.Config
	pinned.Containers[0].Actual = shared.SharedPool
	pinned.Containers[1].Reason = "exclusive: Guaranteed, 16 CPUs"
	pinned.Admissions = []observe.Admission{{Pod: "match-0", Admitted: true}}
	drift := step(4, 21, "create pod match-0: engine 16 CPUs", pinned)
	drift.Violations = []observe.Violation{
		{Invariant: "exclusive-isolated", Detail: "ingest/app can run on CPUs 2-9,50-57 of match-0/engine: its cgroup says 0-95"},
		{Invariant: "cgroup-in-sync", Detail: "ingest/app is assigned 0-1,10-49,58-95, its cgroup says 0-95", Expected: true},
	}
	drift.Failures = []string{"invariant exclusive-isolated: ingest/app can run on CPUs 2-9,50-57 of match-0/engine: its cgroup says 0-95"}
	drift.Log = []observe.LogLine{{Severity: "E", Text: `"ReconcileState: failed to update container" err="unable to freeze" pod="default/ingest"`}}

	rejected := pinned
	rejected.Containers = append([]observe.Container(nil), pinned.Containers...)
	rejected.Containers[0].Actual = rejected.SharedPool
	rejected.Admissions = []observe.Admission{{Pod: "huge", Reason: "TopologyAffinityError", Message: "Resources cannot be allocated with Topology locality"}}
	rejected.Checkpoint = &observe.Checkpoint{Policy: "static", SharedPool: "0-95"}

	stopped := rejected
	stopped.Kubelet, stopped.Admissions = observe.KubeletFailed, nil
	stopped.KubeletError = "start cpu manager error: could not restore state from checkpoint: checkpoint is corrupted"
	stopped.Containers = append([]observe.Container(nil), rejected.Containers[:1]...)
	stopped.Containers[0].Assigned, stopped.SharedPool = "", ""
	stopped.Checkpoint, stopped.CheckpointError = nil, "checkpoint is corrupted"

	return scenarios.Result{
		Scenario: "unable-to-freeze", File: "corpus/outage/unable-to-freeze.yaml", Profile: "xeon-2s24c-smt2",
		KubeletVersion: "v1.37.2", Target: "sim", Verdict: scenarios.Fail, DurationSeconds: 0.0123,
		Reason: "step 4, create pod match-0: engine 16 CPUs: invariant exclusive-isolated: … (and 1 more)",
		Trace: observe.Trace{Steps: []observe.Step{
			step(1, 9, "start kubelet", start),
			step(2, 11, "create pod ingest: app shared", shared),
			{Index: 3, Line: 17, Event: "expect"},
			drift,
			{Index: 5, Line: 27, Event: "expect", Failures: []string{"match-0/engine: NUMA nodes [0], want [1]"}},
			step(6, 30, "create pod huge: app 90 CPUs", rejected),
			step(7, 36, "restart kubelet", stopped),
			step(8, 38, "advance 10s", stopped),
		}},
		Failures: []string{"declared violation of no-leak was not seen on kubelet v1.37.2: upstream may have fixed it, update violates (corpus/outage/unable-to-freeze.yaml:5)"},
	}
}

func runReport(t *testing.T) scenarios.RunReport {
	p := shape(t, "cores=4")
	good := scenarios.Result{
		Scenario: "one-pod", File: "corpus/basic/one-pod.yaml", Profile: "cores=4", KubeletVersion: "v1.37.2", Target: "sim",
		Verdict: scenarios.Pass, DurationSeconds: 0.0042,
		Trace: observe.Trace{Steps: []observe.Step{
			{Index: 1, Event: "start kubelet", Observation: node(p, "0")},
			{Index: 2, Event: "create pod db: postgres 2 CPUs", Observation: node(p, "0", own("db", "postgres", "1-2"))},
			{Index: 3, Event: "expect"},
		}},
	}
	skipped := good
	skipped.Scenario, skipped.Verdict = "hot-add", scenarios.Skip
	skipped.Reason = "step 2, add CPU 4 beside CPU 3: not supported by this target: a node cannot grow"
	skipped.Steps = []observe.Step{good.Steps[0], {Index: 2, Line: 12, Event: "add CPU 4 beside CPU 3", Skipped: "not supported by this target: a node cannot grow"}}
	hang := good
	hang.Scenario, hang.Verdict, hang.DurationSeconds = "sixteen-nodes", scenarios.Hang, 30
	hang.Reason, hang.Reproducer = "step 2, create pod wide: not done when the time was up", "pinlab run corpus/numa/sixteen-nodes.yaml --timeout 30s"
	hang.Steps = good.Steps[:1]
	wrong := good
	wrong.Scenario, wrong.Verdict = "panics", scenarios.Errored
	wrong.Reason, wrong.Stack = "step 1, start kubelet: panic: index out of range [3]", "goroutine 7 [running]:\nmain.main()\n\t/src/main.go:7\n"
	wrong.Steps = []observe.Step{{Index: 1, Line: 8, Event: "start kubelet"}}
	return scenarios.NewRunReport([]scenarios.Result{good, driftResult(t), skipped, hang, wrong})
}

func machines(t *testing.T) func(*scenarios.Result) *hwprofiles.Profile {
	return func(r *scenarios.Result) *hwprofiles.Profile {
		if r.Scenario == "unable-to-freeze" {
			return shape(t, "sockets=2 nodes=2 cores=24 threads=2")
		}
		return shape(t, "cores=4")
	}
}

func TestTable(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(report.Table(&b, runReport(t), report.TableOptions{Profile: machines(t)})).To(Succeed())
	golden(t, "table.txt", b.String())

	var colored bytes.Buffer
	g.Expect(report.Table(&colored, runReport(t), report.TableOptions{Profile: machines(t), MapOptions: report.MapOptions{Color: true}})).To(Succeed())
	g.Expect(colored.String()).To(ContainSubstring("\x1b[32mpass\x1b[0m"))
	g.Expect(stripANSI(colored.String())).To(Equal(b.String()))
}

func TestTableWithTimes(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(report.Table(&b, runReport(t), report.TableOptions{Durations: true, Elapsed: 4100 * time.Millisecond, Profile: machines(t)})).To(Succeed())
	g.Expect(b.String()).To(HavePrefix("SCENARIO           PROFILE           VERDICT   STEPS   TIME\n"))
	g.Expect(b.String()).To(MatchRegexp(`(?m)^one-pod .* pass      3       4\.2ms$`))
	g.Expect(b.String()).To(MatchRegexp(`(?m)^sixteen-nodes .* hang      1       30s$`))
	g.Expect(b.String()).To(HaveSuffix("\n1 passed, 1 failed, 1 error, 1 hang, 1 skipped in 4.1s\n"))
}

func TestTableOfNothing(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(report.Table(&b, scenarios.NewRunReport(nil), report.TableOptions{})).To(Succeed())
	g.Expect(b.String()).To(Equal("SCENARIO   PROFILE   VERDICT   STEPS\n\n0 passed, 0 failed\n"))
}

func TestTableOfAnUnknownMachine(t *testing.T) {
	g := NewWithT(t)
	r := scenarios.NewRunReport([]scenarios.Result{driftResult(t)})
	r.Results[0].Profile = "my-own-server"
	var b bytes.Buffer
	g.Expect(report.Table(&b, r, report.TableOptions{})).To(Succeed())
	g.Expect(b.String()).NotTo(ContainSubstring("socket 0"), "no map without a machine")
	b.Reset()
	smaller := func(*scenarios.Result) *hwprofiles.Profile { return shape(t, "cores=4") }
	g.Expect(report.Table(&b, r, report.TableOptions{Profile: smaller})).To(Succeed())
	g.Expect(b.String()).NotTo(ContainSubstring("socket 0"), "nor on another machine")
}

func TestDetail(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	r := scenarios.NewRunReport([]scenarios.Result{driftResult(t)})
	g.Expect(report.Table(&b, r, report.TableOptions{Detail: true, Profile: machines(t)})).To(Succeed())
	golden(t, "detail.txt", b.String())
}

// TestTableKeepsControlCharactersFromTheTerminal: errors and logs are the words
// of others.
func TestTableKeepsControlCharactersFromTheTerminal(t *testing.T) {
	r := driftResult(t)
	r.Scenario, r.Reason = "clear\x1b[2J", "title\x1b]0;x\a"
	r.Steps[0].Failures = append(r.Steps[0].Failures, "back\b\x9b")
	for _, opts := range []report.TableOptions{{Detail: true}, {}, {Detail: true, MapOptions: report.MapOptions{Color: true}}} {
		g := NewWithT(t)
		var b bytes.Buffer
		opts.Profile = machines(t)
		g.Expect(report.Table(&b, scenarios.NewRunReport([]scenarios.Result{r}), opts)).To(Succeed())
		g.Expect(b.String()).To(ContainSubstring(`clear\x1b[2J`))
		g.Expect(b.String()).To(ContainSubstring(`back\b\x9b`))
		g.Expect(regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(b.String(), "")).NotTo(MatchRegexp(`[\x00-\x08\x0b-\x1f\x7f]`))
	}
}

func TestTrace(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(report.Trace(&b, driftResult(t), report.TraceOptions{})).To(Succeed())
	golden(t, "trace.txt", b.String())
	b.Reset()
	g.Expect(report.Trace(&b, driftResult(t), report.TraceOptions{Log: true})).To(Succeed())
	g.Expect(b.String()).To(ContainSubstring("   log E \"ReconcileState: failed to update container\""))
	b.Reset()
	g.Expect(report.Trace(&b, lifeResult(t), report.TraceOptions{})).To(Succeed())
	golden(t, "trace-life.txt", b.String())
}

// lifeResult has the changes that driftResult has not.
func lifeResult(t *testing.T) scenarios.Result {
	p := shape(t, "sockets=2 cores=4 threads=2")
	var steps []observe.Step
	add := func(event string, change func(*observe.Observation)) {
		o := node(p, "0,8")
		if n := len(steps); n > 0 {
			o = steps[n-1].Observation
			o.Admissions = nil
			o.Containers = append([]observe.Container{}, o.Containers...)
			o.NUMAMemory = append([]observe.NUMAMemory(nil), o.NUMAMemory...)
		}
		change(&o)
		steps = append(steps, observe.Step{Index: len(steps) + 1, Event: event, Observation: o})
	}
	add("start kubelet", func(o *observe.Observation) {
		o.Config.MemoryManagerPolicy = "Static"
		o.Config.CPUManagerPolicyOptions = map[string]string{"full-pcpus-only": "true"}
		o.NUMAMemory = []observe.NUMAMemory{{Node: 0, Allocatable: 8 << 30, Free: 8 << 30}, {Node: 1, Allocatable: 8 << 30, Free: 8 << 30}}
	})
	add("create pod a", func(o *observe.Observation) {
		setup := own("a", "setup", "1,9")
		setup.Kind = observe.KindInit
		app := own("a", "app", "1,9")
		app.State, app.Actual, app.NUMANodes, app.Mems = observe.StateWaiting, "", []int{0}, "0"
		app.Devices = []string{"nic0"}
		o.Containers = []observe.Container{setup, app}
		o.SharedPool = "0,2-8,10-15"
		o.NUMAMemory[0].Reserved, o.NUMAMemory[0].Free = 1<<30, 7<<30
		o.Checkpoint = &observe.Checkpoint{Policy: "static", SharedPool: o.SharedPool, Entries: []observe.Assignment{{Pod: "a", Container: "setup", CPUs: "1,9"}, {Pod: "a", Container: "app", CPUs: "1,9"}}}
	})
	add("exit container a/setup", func(o *observe.Observation) {
		o.Containers[0].State, o.Containers[0].Actual = observe.StateTerminated, ""
		o.Containers[1].State, o.Containers[1].Actual = observe.StateRunning, "1,9"
	})
	add("stop kubelet", func(o *observe.Observation) { o.Kubelet = observe.KubeletStopped })
	add("delete cpu_manager_state", func(o *observe.Observation) {
		o.Checkpoint, o.SharedPool = nil, ""
		for i := range o.Containers {
			o.Containers[i].Exclusive, o.Containers[i].Assigned = false, ""
		}
		o.Containers[1].Reason = ""
	})
	add("start kubelet", func(o *observe.Observation) {
		o.Kubelet, o.SharedPool = observe.KubeletRunning, "0-1,3-9,11-15"
		o.Containers[1].Exclusive, o.Containers[1].Assigned = true, "2,10"
		o.Admissions = []observe.Admission{{Pod: "a", Admitted: true, Readmission: true}}
		o.Checkpoint = &observe.Checkpoint{Policy: "static", SharedPool: o.SharedPool}
	})
	add("reconcile", func(o *observe.Observation) { o.Containers[1].Actual = "2,10" })
	add("offline CPUs 15", func(o *observe.Observation) { o.Online = "0-14" })
	add("delete pod a", func(o *observe.Observation) {
		o.Containers = []observe.Container{}
		o.Stale = []observe.Assignment{{Pod: "7d1b", Container: "app", CPUs: "2,10"}}
	})
	add("reconcile", func(o *observe.Observation) { o.Stale, o.SharedPool = nil, "0-15" })
	return scenarios.Result{Scenario: "life", Profile: "test", Verdict: scenarios.Skip, Reason: "step 10, reconcile: not supported by this target", Trace: observe.Trace{Steps: steps}}
}

func TestJSONFollowsItsSchema(t *testing.T) {
	g := NewWithT(t)
	schema, err := report.Schema()
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join("..", "..", "docs", "schema", "run-report.schema.json")
	if *update {
		g.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(path, schema, 0o644)).To(Succeed())
	}
	published, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(published)).To(Equal(string(schema)), "run with -update to accept")

	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	g.Expect(err).NotTo(HaveOccurred())
	c := jsonschema.NewCompiler()
	g.Expect(c.AddResource("run-report.json", parsed)).To(Succeed())
	compiled, err := c.Compile("run-report.json")
	g.Expect(err).NotTo(HaveOccurred())
	validate := func(data []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		g.Expect(err).NotTo(HaveOccurred())
		return compiled.Validate(doc)
	}

	r := runReport(t)
	life := lifeResult(t)
	life.Verdict, life.Reason = scenarios.Pass, ""
	r.Results = append(r.Results, life)
	var b bytes.Buffer
	g.Expect(report.JSON(&b, r)).To(Succeed())
	g.Expect(validate(b.Bytes())).To(Succeed())
	g.Expect(b.String()).NotTo(ContainSubstring(`"kubelet": ""`), "a step that only asks has no observation")

	for _, bad := range [][2]string{
		{`"verdict": "pass"`, `"verdict": "good"`},
		{`"kubelet": "running"`, `"kubelet": "up"`},
		{`"sharedPool": "0-3"`, `"sharedPool": "0-3,"`},
		{`"kind": "RunReport"`, `"kind": "Report"`},
		{`"qos": "Guaranteed",`, ``},
		{`"index": 1,`, `"index": "1",`},
	} {
		g.Expect(b.String()).To(ContainSubstring(bad[0]))
		g.Expect(validate([]byte(strings.Replace(b.String(), bad[0], bad[1], 1)))).NotTo(Succeed(), bad[1])
	}
}

func TestJSONAndYAMLComeBack(t *testing.T) {
	g := NewWithT(t)
	want := runReport(t)
	var j, y bytes.Buffer
	g.Expect(report.JSON(&j, want)).To(Succeed())
	var got scenarios.RunReport
	g.Expect(json.Unmarshal(j.Bytes(), &got)).To(Succeed())
	g.Expect(got.Results).To(HaveLen(len(want.Results)))
	g.Expect(got).To(Equal(want))

	g.Expect(report.YAML(&y, want)).To(Succeed())
	fromYAML, err := yaml.YAMLToJSON(y.Bytes())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(fromYAML).To(MatchJSON(j.Bytes()))
}

func TestEmptyReportIsAList(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(report.JSON(&b, scenarios.NewRunReport(nil))).To(Succeed())
	g.Expect(b.String()).To(MatchJSON(`{"apiVersion": "pinlab/v1alpha1", "kind": "RunReport", "results": []}`))
}

func TestJUnit(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	r := runReport(t)
	g.Expect(report.JUnit(&b, r)).To(Succeed())
	golden(t, "junit.xml", b.String())

	r.Results[1].Reason = "a state file of \x00\x1b]]> and \xff"
	r.Results[1].Steps[3].Failures = []string{"saw \x00\x1b]]> and \xff"}
	b.Reset()
	g.Expect(report.JUnit(&b, r)).To(Succeed())
	g.Expect(utf8.Valid(b.Bytes())).To(BeTrue())
	var any struct {
		Suites []struct {
			Cases []struct {
				Failure string `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	g.Expect(xml.Unmarshal(b.Bytes(), &any)).To(Succeed())
	g.Expect(any.Suites[0].Cases[1].Failure).To(ContainSubstring("saw ??]]> and ?"))
}
