package explain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// TestSimulatorAgrees compares what is predicted with what happens when a
// simulated node really gets the pods.
func TestSimulatorAgrees(t *testing.T) {
	decoder, err := kubelet.NewConfigDecoder()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	rapid.Check(t, func(rt *rapid.T) {
		g := NewWithT(rt)
		config := []byte(configs().Draw(rt, "config"))
		text := manifest(rt)
		pods, err := LoadPods([]byte(text), "pods.yaml")
		if err != nil {
			rt.Skip("the API server would not take it:", err)
		}
		profile, err := hwprofiles.Load(rapid.SampledFrom([]string{small, "epyc-7451-2s", "generic-1s4c"}).Draw(rt, "profile"))
		g.Expect(err).NotTo(HaveOccurred())

		r, err := Explain(context.Background(), Options{Decoder: decoder, Pods: pods, Profile: profile, Config: config})
		g.Expect(err).NotTo(HaveOccurred())

		node, err := sim.New(&scenarios.Scenario{Kubelet: config}, profile, sim.Options{Decoder: decoder})
		g.Expect(err).NotTo(HaveOccurred())
		defer node.Close()
		g.Expect(node.Apply(context.Background(), scenarios.StartKubelet{})).To(Succeed())
		for i := range pods {
			g.Expect(node.Apply(context.Background(), scenarios.CreatePod{Pod: pods[i].Pod})).To(Succeed())
		}
		seen, err := node.Observe(context.Background())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r.Kubelet.Starts).To(Equal(seen.Kubelet == observe.KubeletRunning), seen.KubeletError)
		compare(g, r, seen, text)
	})
}

func compare(g *WithT, r *Report, seen observe.Observation, text string) {
	byRef := map[string]observe.Container{}
	for _, c := range seen.Containers {
		byRef[c.Ref()] = c
	}
	g.Expect(seen.Admissions).To(HaveLen(len(r.Pods)))
	for i, a := range seen.Admissions {
		p := r.Pods[i]
		g.Expect(p.Admission.Admitted).To(Equal(a.Admitted), "%s\n%s", p.Pod, text)
		g.Expect(p.Admission.Reason).To(Equal(a.Reason))
		g.Expect(strings.TrimPrefix(a.Message, observe.Rejected)).To(Equal(p.Admission.Message))
		for _, c := range p.Containers {
			if s := byRef[p.Pod+"/"+c.Name]; a.Admitted {
				g.Expect(c.Exclusive).To(Equal(s.Exclusive), "%s/%s\n%s", p.Pod, c.Name, text)
				g.Expect(c.CPUs).To(Equal(s.Assigned), "%s/%s\n%s", p.Pod, c.Name, text)
				g.Expect(s.Reason).To(HavePrefix(c.Reason))
			}
		}
	}
	g.Expect(r.Node.SharedPool).To(Equal(seen.SharedPool))
}

func configs() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{
		AssumedConfig,
		`{"cpuManagerPolicy":"none"}`,
		`{"cpuManagerPolicy":"static","kubeReserved":{"cpu":"1"},"topologyManagerPolicy":"best-effort"}`,
		`{"cpuManagerPolicy":"static","kubeReserved":{"cpu":"1"},"topologyManagerPolicy":"restricted","topologyManagerScope":"pod"}`,
		`{"cpuManagerPolicy":"static","kubeReserved":{"cpu":"1"},"topologyManagerPolicy":"single-numa-node"}`,
		`{"cpuManagerPolicy":"static","kubeReserved":{"cpu":"2"},"cpuManagerPolicyOptions":{"full-pcpus-only":"true"}}`,
		`{"cpuManagerPolicy":"static","kubeReserved":{"cpu":"1"},"featureGates":{"PodLevelResourceManagers":true},"topologyManagerPolicy":"restricted","topologyManagerScope":"pod"}`,
	})
}

// manifest writes some pods.
func manifest(rt *rapid.T) string {
	var b strings.Builder
	for i := range rapid.IntRange(1, 4).Draw(rt, "pods") {
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\nspec:\n", i)
		if rapid.IntRange(0, 4).Draw(rt, "level") == 0 {
			fmt.Fprintf(&b, "  resources: {limits: {cpu: 9, memory: 4Gi}, requests: {cpu: %d, memory: 4Gi}}\n", rapid.SampledFrom([]int{8, 9}).Draw(rt, "cpu"))
		}
		if n := rapid.IntRange(0, 2).Draw(rt, "initContainers"); n > 0 {
			b.WriteString("  initContainers:\n")
			for j := range n {
				container(rt, &b, fmt.Sprintf("init%d", j), rapid.Bool().Draw(rt, "sidecar"))
			}
		}
		b.WriteString("  containers:\n")
		for j := range rapid.IntRange(1, 2).Draw(rt, "containers") {
			container(rt, &b, fmt.Sprintf("app%d", j), false)
		}
	}
	return b.String()
}

func container(rt *rapid.T, b *strings.Builder, name string, sidecar bool) {
	fmt.Fprintf(b, "  - name: %s\n    image: a\n", name)
	if sidecar {
		b.WriteString("    restartPolicy: Always\n")
	}
	cpu := rapid.SampledFrom([]string{"1", "2", "3", "4", "1500m", "200m"}).Draw(rt, "cpu")
	switch rapid.IntRange(0, 5).Draw(rt, "shape") {
	case 0:
	case 1:
		fmt.Fprintf(b, "    resources: {requests: {cpu: %s, memory: 64Mi}}\n", cpu)
	default:
		fmt.Fprintf(b, "    resources: {limits: {cpu: %s, memory: 64Mi}}\n", cpu)
	}
}

// TestSuggestionsHold writes every suggestion into the manifest, as a reader
// would, and asks again: the answer must be what was promised.
func TestSuggestionsHold(t *testing.T) {
	for _, q := range questions() {
		t.Run(q.name, func(t *testing.T) {
			o := q.options(t)
			r, err := Explain(context.Background(), o)
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			for i := range r.Pods {
				for _, s := range r.Pods[i].Suggestions {
					again := o
					data, err := os.ReadFile(filepath.Join("testdata", q.pods))
					g.Expect(err).NotTo(HaveOccurred())
					edited := applyEdits(g, string(data), r.Pods[i].Workload, s.Manifest)
					again.Pods, err = LoadPods([]byte(edited), q.pods)
					g.Expect(err).NotTo(HaveOccurred(), edited)
					again.Config = applySettings(g, r, o.Config, s.Config)
					if !r.Kubelet.Starts {
						again.State = nil // the remedy deletes the file
					}
					after, err := Explain(context.Background(), again)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(after.Pods[i].Verdict).To(Equal(Pinned), "%s\n%s", s.Title, edited)
					var got []Outcome
					for _, c := range after.Pods[i].Containers {
						if c.Exclusive {
							got = append(got, Outcome{Container: after.Pods[i].Pod + "/" + c.Name, CPUs: c.CPUs, NUMANodes: c.NUMANodes})
						}
					}
					g.Expect(got).To(Equal(s.Outcome), s.Title)
				}
			}
		})
	}
}

// applyEdits sets fields in the document of a workload.
func applyEdits(g *WithT, text, workload string, list []Edit) string {
	kind, name, _ := strings.Cut(workload, "/")
	docs := strings.Split(text, "\n---\n")
	for i, doc := range docs {
		var o map[string]any
		g.Expect(yaml.Unmarshal([]byte(doc), &o)).To(Succeed())
		meta, _ := o["metadata"].(map[string]any)
		if o["kind"] != kind || meta["name"] != name {
			continue
		}
		for _, e := range list {
			setField(o, strings.Split(e.Path, "."), e.To)
		}
		data, err := yaml.Marshal(o)
		g.Expect(err).NotTo(HaveOccurred())
		docs[i] = string(data)
	}
	return strings.Join(docs, "\n---\n")
}

// setField sets a.b[0].c to a text; an empty one removes it.
func setField(o map[string]any, path []string, to string) {
	index := regexp.MustCompile(`^(\w+)\[(\d+)\]$`)
	for ; len(path) > 1; path = path[1:] {
		if m := index.FindStringSubmatch(path[0]); m != nil {
			i, _ := strconv.Atoi(m[2])
			o = o[m[1]].([]any)[i].(map[string]any)
			continue
		}
		next, ok := o[path[0]].(map[string]any)
		if !ok {
			next = map[string]any{}
			o[path[0]] = next
		}
		o = next
	}
	if to == "" {
		delete(o, path[0])
		return
	}
	o[path[0]] = to
}

// applySettings sets fields of the kubelet's configuration, and the remedy's.
func applySettings(g *WithT, r *Report, config []byte, list []Edit) []byte {
	if config == nil {
		config = []byte(AssumedConfig)
	}
	var o map[string]any
	g.Expect(yaml.Unmarshal(config, &o)).To(Succeed())
	if !r.Kubelet.Starts && strings.Contains(r.Kubelet.Remedy[0], "kubeReserved.cpu") {
		setField(o, []string{"kubeReserved", "cpu"}, "1")
	}
	for _, e := range list {
		setField(o, strings.Split(e.Path, "."), e.To)
		if e.To == "true" && strings.HasPrefix(e.Path, "featureGates.") {
			o["featureGates"].(map[string]any)[strings.TrimPrefix(e.Path, "featureGates.")] = true
		}
	}
	data, err := yaml.Marshal(o)
	g.Expect(err).NotTo(HaveOccurred())
	data, err = yaml.YAMLToJSON(data)
	g.Expect(err).NotTo(HaveOccurred())
	return data
}

// FuzzManifest looks for manifests that make it panic, or fail otherwise than
// with an error of the input.
func FuzzManifest(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	decoder, err := kubelet.NewConfigDecoder()
	if err != nil {
		f.Fatal(err)
	}
	profile, err := hwprofiles.Load(small)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		pods, err := LoadPods(data, "pod.yaml")
		if err != nil || len(pods) > 20 {
			return
		}
		r, err := Explain(context.Background(), Options{Decoder: decoder, Pods: pods, Profile: profile})
		if err != nil {
			t.Fatal(err)
		}
		show(t, r)
	})
}
