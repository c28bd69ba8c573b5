package main

import (
	"encoding/json"
	"errors"
	"io"
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
		"sim/kubelet":             leaves,
		"scenarios":               {"sim/observe", "sim/invariant", "hwprofiles"},
		"scenarios/report":        {"scenarios", "scenarios/report/screen", "sim/observe", "hwprofiles"},
		"scenarios/report/screen": nil,
		"sim":                     {"sim/observe", "sim/invariant", "sim/kubelet", "scenarios", "hwprofiles"},
		"sim/worker":              {"sim", "sim/observe", "sim/kubelet", "scenarios", "hwprofiles"},
		"sim/explain":             {"scenarios/report/screen", "sim", "sim/observe", "sim/kubelet", "scenarios", "scenarios/report", "hwprofiles"},
		"bench":                   {"sim", "sim/observe", "sim/kubelet", "scenarios", "hwprofiles"},
		"e2e":                     {"scenarios", "sim/observe", "sim/invariant", "hwprofiles"},
		"tui":                     {"bench", "scenarios", "sim/observe", "hwprofiles"},
		"cmd":                     {"*"},
	}
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestArrows(t *testing.T) {
	g := NewWithT(t)
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
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
		name := strings.TrimPrefix(p.ImportPath, module)
		for _, problem := range wrongImports(rules, name, p.Imports) {
			t.Error(problem)
		}
	}
}

func wrongImports(rules map[string][]string, name string, imports []string) []string {
	folder := name
	for rules[folder] == nil && strings.Contains(folder, "/") {
		if _, named := rules[folder]; named {
			break
		}
		folder = folder[:strings.LastIndex(folder, "/")]
	}
	allowed, known := rules[folder]
	if !known {
		return []string{name + ": no rule says what it may import; add one to arrows()"}
	}
	var problems []string
	for _, imp := range imports {
		if strings.HasPrefix(imp, "k8s.io/kubernetes/") && name != "sim/kubelet" {
			problems = append(problems, name+" imports "+imp+": only sim/kubelet may")
		}
		inside, ours := strings.CutPrefix(imp, module)
		if !ours || slices.Contains(allowed, "*") {
			continue
		}
		if strings.HasPrefix(inside, folder+"/") && folder != "sim" && folder != "scenarios" {
			continue
		}
		if !slices.Contains(allowed, inside) {
			problems = append(problems, name+" imports "+inside+": the arrows do not allow it")
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
	g.Expect(wrongImports(rules, "elsewhere", nil)).To(HaveLen(1))
	g.Expect(wrongImports(rules, "sim/kubelet", []string{"k8s.io/kubernetes/pkg/features"})).To(BeEmpty())
}
