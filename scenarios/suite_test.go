package scenarios

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/hwprofiles"
)

const smallSuite = `# A suite for the tests.
apiVersion: pinlab/v1alpha1
kind: Suite
metadata: {name: small}
matrix:
- scenarios: ["any-c*", first-pin]
  profiles: [raspberry-pi-4, generic-2s4c-smt2]
  kubelet:
    topologyManager:
      none:
      restricted: {topologyManagerPolicy: restricted}
    cpuManager:
      static: {cpuManagerPolicy: static}
      strict: {cpuManagerPolicy: static, cpuManagerPolicyOptions: {strict-cpu-reservation: "true"}}
  exclude:
  - {scenarios: [any-core], kubelet: {cpuManager: [strict], topologyManager: [restricted]}}
- scenarios: [first-pin]
`

func TestSuiteRuns(t *testing.T) {
	g := gomega.NewWithT(t)
	s, err := Loader{}.ParseSuite([]byte(smallSuite), "small.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	runs, err := Loader{}.Runs(s, hwprofiles.Resolve)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	var lines []string
	for i := range runs {
		line := runs[i].Key().String()
		if runs[i].Skip != "" {
			line += ": " + runs[i].Skip
		}
		lines = append(lines, line)
	}
	golden(t, "suite.golden", strings.Join(lines, "\n")+"\n")
	for i := range runs {
		if runs[i].Variant == "strict,none" && runs[i].Scenario.Name == "any-core" {
			g.Expect(string(runs[i].Scenario.Kubelet)).To(gomega.ContainSubstring(`"strict-cpu-reservation":"true"`))
			g.Expect(string(runs[i].Scenario.Kubelet)).To(gomega.ContainSubstring(`"kubeReserved"`), "the scenario's own stays")
		}
	}
}

// The embedded suites load, and select what they are said to.
func TestEmbeddedSuites(t *testing.T) {
	g := gomega.NewWithT(t)
	g.Expect(SuiteNames()).To(gomega.Equal([]string{"qualification", "regression", "smoke"}))
	applies := map[string]int{}
	for _, name := range SuiteNames() {
		s, err := Loader{}.LoadSuite(name)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		runs, err := Loader{}.Runs(s, hwprofiles.Resolve)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		for i := range runs {
			if runs[i].Skip == "" {
				applies[name]++
			}
		}
	}
	g.Expect(applies["smoke"]).To(gomega.BeNumerically(">", 50))
	g.Expect(applies["regression"]).To(gomega.BeNumerically(">=", 2000))
	g.Expect(applies["qualification"]).To(gomega.BeNumerically(">", applies["regression"]))
}

// Shards have every run once, and a run's shard does not depend on the others.
func TestShardsPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z0-9,-]{0,6}`)
		keys := rapid.SliceOfDistinct(rapid.Custom(func(t *rapid.T) Key {
			return Key{word.Draw(t, "scenario"), word.Draw(t, "profile"), word.Draw(t, "variant")}
		}), func(k Key) Key { return k }).Draw(t, "keys")
		n := rapid.IntRange(1, 16).Draw(t, "shards")
		for _, k := range keys {
			if s := k.Shard(n); s < 0 || s >= n || s != k.Shard(n) {
				t.Fatalf("%v is in shard %d of %d", k, s, n)
			}
		}
	})
	g := gomega.NewWithT(t)
	s, err := Loader{}.LoadSuite("regression")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	runs, err := Loader{}.Runs(s, hwprofiles.Resolve)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	sizes := make([]int, 8)
	for i := range runs {
		sizes[runs[i].Key().Shard(8)]++
	}
	g.Expect(slices.Min(sizes)).To(gomega.BeNumerically(">", slices.Max(sizes)/2), "shards of %v runs", sizes)
}

func TestDigestKnowsWhatIsRun(t *testing.T) {
	g := gomega.NewWithT(t)
	runs := func(text string) string {
		s, err := Loader{}.ParseSuite([]byte(text), "x.yaml")
		g.Expect(err).NotTo(gomega.HaveOccurred())
		runs, err := Loader{}.Runs(s, hwprofiles.Resolve)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		return Digest(runs, "v1", 1)
	}
	same := runs(smallSuite)
	g.Expect(runs(smallSuite + "# a comment\n")).To(gomega.Equal(same))
	g.Expect(runs(strings.Replace(smallSuite, "restricted}", "best-effort}", 1))).NotTo(gomega.Equal(same))
	g.Expect(runs(strings.Replace(smallSuite, "raspberry-pi-4", "kvm-32s1c", 1))).NotTo(gomega.Equal(same))
	s, err := Loader{}.ParseSuite([]byte(smallSuite), "x.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	with := func(version string, repeat int, change func(*hwprofiles.Profile)) string {
		runs, err := Loader{}.Runs(s, hwprofiles.Resolve)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		machine := *runs[0].Profile
		change(&machine)
		runs[0].Profile = &machine
		return Digest(runs, version, repeat)
	}
	none := func(*hwprofiles.Profile) {}
	g.Expect(with("v1", 1, none)).To(gomega.Equal(same))
	g.Expect(with("v2", 1, none)).NotTo(gomega.Equal(same))
	g.Expect(with("v1", 5, none)).NotTo(gomega.Equal(same))
	g.Expect(with("v1", 1, func(p *hwprofiles.Profile) { p.CPUs = p.CPUs[1:] })).NotTo(gomega.Equal(same), "a machine of the same name")
}

func TestBadSuites(t *testing.T) {
	head := "apiVersion: pinlab/v1alpha1\nkind: Suite\nmetadata: {name: x}\n"
	for in, want := range map[string]string{
		"":                                     "the file is empty",
		"kind: Scenario\n":                     `kind "Scenario" is not known; want "Suite"`,
		head:                                   "matrix is missing",
		head + "matrix: [{selector: 'a in'}]":  "x.yaml:4: selector",
		head + "matrix: [{scenario: a}]":       `unknown field "scenario" in matrix[0]; did you mean "scenarios"?`,
		head + "matrix: [{scenarios: ['[']}]":  "bad pattern",
		head + "matrix: [{scenarios: [nope]}]": `unknown scenario "nope"`,
		head + "matrix: [{scenarios: [first-pin], profiles: [nope]}]":                                       `no profile "nope"`,
		head + "matrix: [{scenarios: [first-pin], profiles: ['nope*']}]":                                    "no profile of the library matches",
		head + "matrix: [{selector: class=nope}]":                                                           "selects no scenario",
		head + "matrix:\n- scenarios: [first-pin]\n  exclude:\n  - {scenarios: [frist-pin]}":                `x.yaml:7: exclude matches no run: unknown scenario "frist-pin"`,
		head + "matrix:\n- kubelet:\n    a:\n      b: {cpuManagerPolicy: banana}":                           `x.yaml:7: kubelet.a.b.cpuManagerPolicy: unknown value "banana"`,
		head + "matrix: [{kubelet: {a: }}]":                                                                 "kubelet.a: want variants by name",
		head + "matrix: [{kubelet: {a: {b: 1}}}]":                                                           "kubelet.a.b: want a part of a KubeletConfiguration",
		head + "matrix: [{kubelet: {a: {'b c': {}}}}]":                                                      "has no spaces",
		head + "matrix: [{exclude: [{}]}]":                                                                  "exclude is empty",
		head + "matrix: [{kubelet: {a: {b: {}}}, exclude: [{kubelet: {aa: [b]}}]}]":                         `unknown axis "aa"; did you mean "a"?`,
		head + "matrix: [{kubelet: {a: {b: {}}}, exclude: [{kubelet: {a: [c]}}]}]":                          `unknown variant "c"`,
		head + "matrix: [{scenarios: [first-pin], kubelet: {a: &v {" + many("v", 11) + "}, b: *v, c: *v}}]": "more than 1000 combinations",
		head + "matrix: [{scenarios: [./nowhere.yaml]}]":                                                    "nowhere.yaml: no such file",
		head + "matrix: [{kubelet: {" + strings.Repeat("a", 3) + ": {b: {featureGates: [x]}}}, x: 1}]":      `unknown field "x"`,
	} {
		t.Run(want, func(t *testing.T) {
			g := gomega.NewWithT(t)
			s, err := Loader{}.ParseSuite([]byte(in), "x.yaml")
			if err == nil {
				_, err = Loader{}.Runs(s, hwprofiles.Resolve)
			}
			g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(want)))
			var at *Error
			g.Expect(errors.As(err, &at)).To(gomega.BeTrue(), "%v names its place", err)
		})
	}
}

// many writes so many variants without anything in them.
func many(name string, n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%s%d: {}", name, i))
	}
	return strings.Join(list, ", ")
}

// A suite of one's own names scenarios beside it.
func TestSuiteFile(t *testing.T) {
	g := gomega.NewWithT(t)
	dir := t.TempDir()
	suite := "apiVersion: pinlab/v1alpha1\nkind: Suite\nmetadata: {name: mine}\nmatrix: [{scenarios: [./all]}]\n"
	g.Expect(os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(suite), 0o600)).To(gomega.Succeed())
	g.Expect(os.Mkdir(filepath.Join(dir, "all"), 0o700)).To(gomega.Succeed())
	file, _ := CorpusFile("first-pin")
	data, err := corpus.ReadFile("corpus/" + file)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(dir, "all", "a.yaml"), data, 0o600)).To(gomega.Succeed())
	s, err := Loader{}.LoadSuite(filepath.Join(dir, "mine.yaml"))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	runs, err := Loader{}.Runs(s, hwprofiles.Resolve)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(runs).To(gomega.HaveLen(1))
	g.Expect(runs[0].Corpus).To(gomega.BeFalse())
	_, err = Loader{}.LoadSuite("regresion")
	g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(`did you mean "regression"?`)))
}

func TestAmountOnMachines(t *testing.T) {
	for _, c := range []struct {
		text, profile string
		want          int
	}{
		{"1 core", "generic-2s4c-smt2", 2},
		{"3 cores", "generic-2s4c-smt2", 6},
		{"1 core", "raspberry-pi-4", 1},
		{"1 core", "power9-2s20c", 4},
		{"1 core", "core-i7-1370p", 2}, // the larger of its cores
		{"1 numaNode", "generic-2s4c-smt2", 8},
		{"1/2 numaNode", "generic-2s4c-smt2", 4},
		{"1/3 numaNode", "generic-2s4c-smt2", 2}, // whole cores
		{"1/5 numaNode", "xeon-2s24c-smt2", 8},
		{"1/100 numaNode", "generic-2s4c-smt2", 2},
		{"3/2 numaNodes", "generic-2s4c-smt2", 12},
		{"1 socket", "xeon-2s24c-smt2", 48},
		{"1 numaNode", "nvidia-gb200", 72}, // nodes without CPUs do not count
		{"1 numaNode", "xeon-2s12c-smt2-socket1-offline", 24},
	} {
		g := gomega.NewWithT(t)
		a, matched, trouble := parseAmount(c.text)
		g.Expect(matched).To(gomega.BeTrue(), c.text)
		g.Expect(trouble).To(gomega.BeEmpty())
		p, err := hwprofiles.Resolve(c.profile)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		g.Expect(a.On(p)).To(gomega.Equal(c.want), "%s on %s", c.text, c.profile)
		again, _, _ := parseAmount(a.String())
		g.Expect(again).To(gomega.Equal(a))
	}
	for text, want := range map[string]string{"1 cpus": `unknown unit "cpus"`, "0 cores": "is no amount", "1/0 core": "is no amount"} {
		_, matched, trouble := parseAmount(text)
		gomega.NewWithT(t).Expect(matched).To(gomega.BeTrue(), text)
		gomega.NewWithT(t).Expect(trouble).To(gomega.ContainSubstring(want))
	}
}

// FuzzParseSuite looks for suites that make the loader panic, or whose errors do
// not name their place.
func FuzzParseSuite(f *testing.F) {
	f.Add([]byte(smallSuite))
	for _, name := range SuiteNames() {
		data, err := suites.ReadFile("suites/" + name + ".yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := strictHooks().ParseSuite(data, "x.yaml")
		if (s == nil) == (err == nil) {
			t.Fatal("want a suite or an error")
		}
		if err != nil {
			checkErrors(t, err, lines(string(data)))
			return
		}
		for i := range s.Matrix {
			if vs, err := variants(s.Matrix[i].Kubelet); err == nil {
				for _, v := range vs {
					if len(v.patch) > 0 && !json.Valid(v.patch) {
						t.Fatalf("patch %s", v.patch)
					}
				}
			}
		}
	})
}
