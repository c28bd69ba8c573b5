package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const module = "github.com/pinlab/pinlab/"

// arrows say which packages of the module a package may import; what lies
// below a folder follows the folder unless it is named itself.
func arrows() map[string][]string {
	leaves := []string{"sim/observe", "hwprofiles"}
	return map[string][]string{
		"hwprofiles":              nil,
		"sim/observe":             nil,
		"sim/invariant":           leaves,
		"sim/owners":              leaves,
		"sim/kubelet":             leaves,
		"scenarios":               {"sim/observe", "sim/invariant", "hwprofiles"},
		"scenarios/report":        {"scenarios", "scenarios/report/screen", "sim/observe", "sim/owners", "hwprofiles"},
		"scenarios/report/screen": nil,
		"sim":                     {"sim/observe", "sim/invariant", "sim/kubelet", "scenarios", "hwprofiles"},
		"sim/worker":              {"sim", "sim/observe", "sim/kubelet", "scenarios", "hwprofiles"},
		"sim/explain":             {"scenarios/report/screen", "sim", "sim/observe", "sim/kubelet", "scenarios", "scenarios/report", "hwprofiles"},
		"sim/explore":             {"sim", "sim/explore/repro", "sim/observe", "sim/invariant", "sim/kubelet", "sim/worker", "scenarios", "hwprofiles"},
		"sim/explore/repro":       {"sim/invariant", "scenarios", "hwprofiles"},
		"bench":                   {"sim", "sim/observe", "sim/kubelet", "scenarios", "hwprofiles"},
		"e2e/verify":              {"e2e/cgroup", "scenarios/report/screen", "sim/observe", "sim/invariant", "hwprofiles"},
		"e2e":                     {".", "scenarios", "sim/observe", "sim/invariant", "hwprofiles"},
		"tui":                     {"bench", "scenarios", "sim/observe", "sim/owners", "hwprofiles"},
		"cmd":                     {"*"},
		".":                       nil, // go.mod as data
	}
}

// testArrows are what the tests of a folder may import beyond that; any test may
// import its own package.
func testArrows() map[string][]string {
	return map[string][]string{
		"sim":               {"scenarios/report"},                // traces of the corpus
		"sim/explore/repro": {"."},                               // go.mod for the tests that it writes
		"sim/kubelet":       {"sim", "sim/explore", "scenarios"}, // the simulated node beside the bare managers
	}
}

// withoutKubelet are the folders that the kubelet's code must not reach by any
// way: data, the scenario format, and what drives a real kubelet.
func withoutKubelet() []string {
	return []string{".", "hwprofiles", "sim/observe", "sim/invariant", "sim/owners", "scenarios", "e2e", "sim/explore/repro"}
}

type goPackage struct {
	ImportPath                               string
	Imports, TestImports, XTestImports, Deps []string
}

func TestArrows(t *testing.T) {
	g := NewWithT(t)
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", module+"...").Output()
	g.Expect(err).NotTo(HaveOccurred())
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	rules := arrows()
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		for _, problem := range wrong(rules, p) {
			t.Error(problem)
		}
	}
}

// inside is a package's path in the module, "." for the module's root.
func inside(path string) (string, bool) {
	if path+"/" == module {
		return ".", true
	}
	return strings.CutPrefix(path, module)
}

// wrong says what a package and its tests import that they may not.
func wrong(rules map[string][]string, p goPackage) []string {
	name, _ := inside(p.ImportPath)
	problems := wrongImports(rules, name, p.Imports)
	folder, allowed, _ := ruleOf(rules, name)
	withTests := maps.Clone(rules)
	withTests[folder] = slices.Concat(allowed, testArrows()[folder], []string{name})
	for _, problem := range wrongImports(withTests, name, slices.Concat(p.TestImports, p.XTestImports)) {
		problems = append(problems, "a test of "+problem)
	}
	if !slices.ContainsFunc(withoutKubelet(), func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") }) {
		return problems
	}
	for _, dep := range p.Deps {
		if strings.HasPrefix(dep, "k8s.io/kubernetes/") {
			return append(problems, name+" depends on "+dep+", by whatever way: it must do without the kubelet's code")
		}
	}
	return problems
}

// ruleOf finds the folder whose rule a package follows.
func ruleOf(rules map[string][]string, name string) (folder string, allowed []string, known bool) {
	for folder = name; ; folder = folder[:strings.LastIndex(folder, "/")] {
		if allowed, known = rules[folder]; known || !strings.Contains(folder, "/") {
			return folder, allowed, known
		}
	}
}

func wrongImports(rules map[string][]string, name string, imports []string) []string {
	folder, allowed, known := ruleOf(rules, name)
	if !known {
		return []string{name + ": no rule says what it may import; add one to arrows()"}
	}
	var problems []string
	for _, imp := range imports {
		if strings.HasPrefix(imp, "k8s.io/kubernetes/") && name != "sim/kubelet" {
			problems = append(problems, name+" imports "+imp+": only sim/kubelet may")
		}
		if strings.HasPrefix(imp, "sigs.k8s.io/kind/") && name != "e2e/kind" {
			problems = append(problems, name+" imports "+imp+": only e2e/kind may")
		}
		path, ours := inside(imp)
		if !ours || slices.Contains(allowed, "*") {
			continue
		}
		if strings.HasPrefix(path, folder+"/") && folder != "sim" && folder != "scenarios" {
			continue
		}
		if !slices.Contains(allowed, path) {
			problems = append(problems, name+" imports "+path+": the arrows do not allow it")
		}
	}
	return problems
}

// TestArrowsSeeAWrongImport keeps the test above from passing by accident.
func TestArrowsSeeAWrongImport(t *testing.T) {
	g := NewWithT(t)
	rules := arrows()
	g.Expect(wrongImports(rules, "scenarios", []string{module + "sim/kubelet"})).To(HaveLen(1))
	g.Expect(wrongImports(rules, "hwprofiles", []string{module + "sim/observe"})).To(HaveLen(1))
	g.Expect(wrongImports(rules, "sim", []string{"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager"})).To(HaveLen(1))
	g.Expect(wrongImports(rules, "e2e/lab", []string{module + "sim/kubelet"})).To(HaveLen(1))
	g.Expect(wrongImports(rules, "e2e/lab", []string{"sigs.k8s.io/kind/pkg/cluster"})).To(HaveLen(1))
	g.Expect(wrongImports(rules, "e2e/kind", []string{"sigs.k8s.io/kind/pkg/cluster"})).To(BeEmpty())
	g.Expect(wrongImports(rules, "elsewhere", nil)).To(HaveLen(1))
	g.Expect(wrongImports(rules, "sim/kubelet", []string{"k8s.io/kubernetes/pkg/features"})).To(BeEmpty())

	pkg := func(name string) goPackage { return goPackage{ImportPath: module + name} }
	p := pkg("sim")
	p.XTestImports = []string{module + "sim", module + "scenarios/report"}
	g.Expect(wrong(rules, p)).To(BeEmpty())
	p.TestImports = []string{"k8s.io/kubernetes/pkg/features"}
	g.Expect(wrong(rules, p)).To(ConsistOf("a test of sim imports k8s.io/kubernetes/pkg/features: only sim/kubelet may"))
	p = pkg("scenarios")
	p.XTestImports = []string{module + "sim/kubelet"}
	g.Expect(wrong(rules, p)).To(ConsistOf(HavePrefix("a test of scenarios imports sim/kubelet")))
	p = pkg("scenarios/report")
	p.Imports = []string{module + "scenarios"}
	p.Deps = []string{"k8s.io/kubernetes/pkg/features"}
	g.Expect(wrong(rules, p)).To(ConsistOf(HavePrefix("scenarios/report depends on k8s.io/kubernetes/pkg/features")))
	g.Expect(wrong(rules, goPackage{ImportPath: strings.TrimSuffix(module, "/"), Imports: []string{module + "sim"}})).To(ConsistOf(HavePrefix(". imports sim")))
	g.Expect(wrong(rules, goPackage{ImportPath: module + "e2e/lab", Imports: []string{strings.TrimSuffix(module, "/"), module + "e2e/agent"}})).To(BeEmpty())
}
