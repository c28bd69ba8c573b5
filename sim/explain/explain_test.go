package explain

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file below testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	NewWithT(t).Expect(got).To(Equal(string(want)), "run the test with -update if this is meant")
}

// small is the machine of most tests: 16 CPUs, two nodes, siblings 8 apart.
const small = "generic-2s4c-smt2"

// question is a test's input; config and state name files below testdata.
type question struct {
	name, pods, config, state, profile string
	devices                            []kubelet.Device
}

func (q question) options(t testing.TB) Options {
	t.Helper()
	g := NewWithT(t)
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		g.Expect(err).NotTo(HaveOccurred())
		return data
	}
	decoder, err := kubelet.NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	o := Options{Decoder: decoder, Devices: q.devices}
	o.Pods, err = LoadPods(read(q.pods), q.pods)
	g.Expect(err).NotTo(HaveOccurred())
	profile := q.profile
	if profile == "" {
		profile = small
	}
	o.Profile, err = hwprofiles.Load(profile)
	g.Expect(err).NotTo(HaveOccurred())
	if q.config != "" {
		o.Config, err = sim.NewLoader(decoder, nil).KubeletConfig(read(q.config), q.config)
		g.Expect(err).NotTo(HaveOccurred())
	}
	if q.state != "" {
		o.State, o.StateFile = read(q.state), q.state
	}
	return o
}

func (q question) ask(t testing.TB) *Report {
	t.Helper()
	r, err := Explain(context.Background(), q.options(t))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return r
}

func show(t testing.TB, r *Report) string {
	t.Helper()
	var b strings.Builder
	NewWithT(t).Expect(Write(&b, r, report.MapOptions{Width: 100})).To(Succeed())
	return b.String()
}

// questions are the stories of the golden files.
func questions() []question {
	return []question{
		{name: "init-without-resources", pods: "deployment-init.yaml", profile: "xeon-2s24c-smt2"},
		{name: "istio", pods: "istio.yaml"},
		{name: "fractional", pods: "fractional.yaml"},
		{name: "sidecar", pods: "sidecar.yaml"},
		{name: "odd-cpus", pods: "odd.yaml", config: "full-pcpus.config.yaml"},
		{name: "single-numa-node", pods: "big.yaml", config: "single-numa.config.yaml"},
		{name: "pod-level-gate-off", pods: "podlevel.yaml", config: "reserved.config.yaml"},
		{name: "pod-level-gate-on", pods: "podlevel.yaml", config: "podlevel.config.yaml"},
		{name: "memory", pods: "memory.yaml", config: "memory.config.yaml"},
		{name: "devices", pods: "devices.yaml", config: "single-numa.config.yaml", devices: []kubelet.Device{
			{Resource: "vendor.com/nic", ID: "0", NUMANode: 0},
		}},
		{name: "existing-state", pods: "big.yaml", config: "reserved.config.yaml", state: "cpu_manager_state.v2"},
		{name: "state-refused", pods: "fractional.yaml", config: "reserved.config.yaml", state: "cpu_manager_state.none"},
		{name: "state-corrupt", pods: "fractional.yaml", config: "reserved.config.yaml", state: "cpu_manager_state.corrupt"},
		{name: "policy-none", pods: "deployment-init.yaml", config: "none.config.yaml"},
		{name: "nothing-reserved", pods: "fractional.yaml", config: "unreserved.config.yaml"},
		{name: "workloads", pods: "workloads.yaml"},
		{name: "replicas", pods: "replicas.yaml"},
		{name: "nothing-asked", pods: "nothing.yaml"},
	}
}

func TestGolden(t *testing.T) {
	for _, q := range questions() {
		t.Run(q.name, func(t *testing.T) {
			r := q.ask(t)
			golden(t, q.name+".golden", show(t, r))
			NewWithT(t).Expect(show(t, q.ask(t))).To(Equal(show(t, r)), "the same question has the same answer")
		})
	}
}

func TestGoldenJSON(t *testing.T) {
	g := NewWithT(t)
	r := question{pods: "big.yaml", config: "single-numa.config.yaml"}.ask(t)
	data, err := json.MarshalIndent(r, "", "  ")
	g.Expect(err).NotTo(HaveOccurred())
	golden(t, "single-numa-node.golden.json", string(data)+"\n")
}

func TestHeld(t *testing.T) {
	g := NewWithT(t)
	g.Expect(question{pods: "fractional.yaml"}.ask(t).Held()).To(BeTrue(), "shared is no failure")
	g.Expect(question{pods: "odd.yaml", config: "full-pcpus.config.yaml"}.ask(t).Held()).To(BeFalse(), "rejected")
	refused := question{pods: "fractional.yaml", config: "reserved.config.yaml", state: "cpu_manager_state.none"}.ask(t)
	g.Expect(refused.Held()).To(BeFalse(), "the kubelet does not start")
	g.Expect(refused.Kubelet.Error).To(ContainSubstring(`configured policy "static" differs from state checkpoint policy "none"`))
	g.Expect(refused.Kubelet.Remedied).To(BeTrue())
}

// A pod that the state file knows by its UID is the same pod, not another one.
func TestPodOfTheStateFile(t *testing.T) {
	g := NewWithT(t)
	q := question{pods: "known.yaml", config: "reserved.config.yaml", state: "cpu_manager_state.v4"}
	r := q.ask(t)
	g.Expect(r.Pods).To(HaveLen(2))
	g.Expect(r.Pods[0].Containers[0].CPUs).To(BeEquivalentTo("4-5,12-13"), "a new pod, admitted first")
	g.Expect(r.Pods[1].Containers[0].CPUs).To(BeEquivalentTo("1-2,9-10"), "what the file says")
	g.Expect(r.State.Entries[0].Pod).To(Equal("old"))
}

// A text that is no state file is bad input; one that the kubelet refuses is an
// answer.
func TestBadStateFiles(t *testing.T) {
	ask := func(state string) (*Report, error) {
		o := question{pods: "fractional.yaml", config: "reserved.config.yaml"}.options(t)
		o.State, o.StateFile = []byte(state), "copied"
		return Explain(t.Context(), o)
	}
	whole, err := os.ReadFile("testdata/cpu_manager_state.v4")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for state, want := range map[string]string{
		"":                 "copied: not a CPU manager state file: it is empty",
		string(whole[:99]): "copied: not a CPU manager state file: unexpected end of JSON input",
		`{"kind":"Pod"}`:   "copied: not a CPU manager state file: no policyName",
		`{"policyName":"static","defaultCpuSet":"0-4000000000"}`: "4000000000 is not a CPU id between 0 and 8191",
	} {
		g := NewWithT(t)
		_, err := ask(state)
		var input *InputError
		g.Expect(errors.As(err, &input)).To(BeTrue(), "%v", err)
		g.Expect(err).To(MatchError(ContainSubstring(want)))
	}
	for name, state := range map[string]string{
		"checksum": `{"policyName":"static","defaultCpuSet":"0-15","checksum":1}`,
		"policy":   `{"policyName":"none","defaultCpuSet":"","checksum":0}`,
		"topology": `{"policyName":"static","defaultCpuSet":"0-31","checksum":0}`,
		"version":  `{"policyName":"static","defaultCpuSet":"0-3","entries":{"u-a":"1"},"checksum":1}`,
	} {
		g := NewWithT(t)
		r, err := ask(state)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(r.Kubelet.Starts).To(BeFalse(), name)
		g.Expect(r.Held()).To(BeFalse(), name)
	}
}

func TestStateFileIsOnlyRead(t *testing.T) {
	g := NewWithT(t)
	o := question{pods: "big.yaml", config: "reserved.config.yaml", state: "cpu_manager_state.v4"}.options(t)
	before := string(o.State)
	o.TempDir = t.TempDir()
	_, err := Explain(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(o.State)).To(Equal(before))
	left, err := os.ReadDir(o.TempDir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty(), "state directories are removed")
}

func TestBadManifests(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "pod.yaml: no pods in this file"},
		"no yaml":       {"a: [", "pod.yaml:1: "},
		"no pods":       {"apiVersion: v1\nkind: Service\nmetadata: {name: x}\n", "pod.yaml: no pods in this file"},
		"unknown field": {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  container: []\n", `pod.yaml:5: unknown field "container"`},
		"misspelt kind": {"apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: a}\n", `pod.yaml:2: unknown kind "Deploymnt"`},
		"limit below request": {
			"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: a\n    resources:\n      requests: {cpu: 2}\n      limits: {cpu: 1}\n",
			`must be less than or equal to cpu limit`,
		},
		"twice": {
			"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app, image: a}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: app, image: a}]}\n",
			`pod.yaml:6: pod "a" is there twice, first in line 1`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadPods([]byte(c.text), "pod.yaml")
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Explain(ctx, question{pods: "big.yaml"}.options(t))
	NewWithT(t).Expect(errors.Is(err, context.Canceled)).To(BeTrue())
}

// soon is a context whose time is nearly up.
type soon struct{ context.Context }

func (soon) Deadline() (time.Time, bool) { return time.Now(), true }

func TestAnswersWithoutTimeForChanges(t *testing.T) {
	g := NewWithT(t)
	o := question{pods: "replicas.yaml"}.options(t)
	r, err := Explain(soon{t.Context()}, o)
	g.Expect(err).NotTo(HaveOccurred())
	whole, err := Explain(t.Context(), o)
	g.Expect(err).NotTo(HaveOccurred())
	said := 0
	for i := range r.Pods {
		g.Expect(r.Pods[i].Verdict).To(Equal(whole.Pods[i].Verdict))
		g.Expect(r.Pods[i].SameAs).To(Equal(whole.Pods[i].SameAs))
		g.Expect(r.Pods[i].Suggestions).To(BeEmpty())
		if len(whole.Pods[i].Suggestions) > 0 {
			g.Expect(r.Pods[i].Notes).To(Equal([]string{"the time was up before all changes were tried; see --timeout"}))
			said++
		}
	}
	g.Expect(said).To(BeNumerically(">", 0))
}

// TestTrialEnds counts the pods that are asked for: none after enough is known.
func TestTrialEnds(t *testing.T) {
	g := NewWithT(t)
	o := question{pods: "replicas.yaml", profile: "xeon-2s24c-smt2"}.options(t)
	x := &explainer{Options: o, report: &Report{}, sandbox: &sandbox{decoder: o.Decoder}}
	var err error
	x.sandbox.machine, err = o.Profile.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	pods := x.pods()
	asked := 0
	for _, enough := range []int{len(pods), 2} {
		out, err := x.sandbox.run(t.Context(), trial{config: []byte(AssumedConfig), pods: pods, stop: func(o *outcome) bool {
			asked++
			return len(o.pods) == enough
		}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.pods).To(HaveLen(enough))
	}
	g.Expect(asked).To(Equal(len(pods) + 2))
}

func TestManyReplicasInTime(t *testing.T) {
	start := time.Now()
	r := question{pods: "replicas.yaml", profile: "xeon-2s24c-smt2"}.ask(t)
	NewWithT(t).Expect(len(r.Pods)).To(Equal(10))
	NewWithT(t).Expect(time.Since(start)).To(BeNumerically("<", 20*time.Second))
}
