package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
)

// compile publishes a schema and reads it back.
func compile(g *WithT, schema []byte, file string) *jsonschema.Schema {
	path := filepath.Join("..", "..", "docs", "schema", file)
	if *update {
		g.Expect(os.WriteFile(path, schema, 0o644)).To(Succeed())
	}
	published, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(published)).To(Equal(string(schema)), "run with -update to accept")
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	g.Expect(err).NotTo(HaveOccurred())
	c := jsonschema.NewCompiler()
	g.Expect(c.AddResource(file, parsed)).To(Succeed())
	compiled, err := c.Compile(file)
	g.Expect(err).NotTo(HaveOccurred())
	return compiled
}

func valid(g *WithT, s *jsonschema.Schema, text string) error {
	data, err := yaml.YAMLToJSON([]byte(text))
	g.Expect(err).NotTo(HaveOccurred())
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	g.Expect(err).NotTo(HaveOccurred())
	return s.Validate(doc)
}

func TestSuitesFollowTheirSchema(t *testing.T) {
	g := NewWithT(t)
	data, err := report.SuiteSchema()
	g.Expect(err).NotTo(HaveOccurred())
	schema := compile(g, data, "suite.schema.json")
	files, err := filepath.Glob("../suites/*.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(valid(g, schema, string(text))).To(Succeed(), file)
	}
	head := "apiVersion: pinlab/v1alpha1\nkind: Suite\nmetadata: {name: x}\n"
	for _, bad := range []string{head, head + "matrix: []", head + "matrix: [{scenario: a}]", head + "matrix: [{kubelet: {a: {b: 1}}}]"} {
		g.Expect(valid(g, schema, bad)).NotTo(Succeed(), bad)
	}
}

func TestBaselinesFollowTheirSchema(t *testing.T) {
	g := NewWithT(t)
	data, err := report.BaselineSchema()
	g.Expect(err).NotTo(HaveOccurred())
	schema := compile(g, data, "baseline.schema.json")
	text, err := report.MarshalBaseline(report.NewBaseline([]scenarios.Result{result("a", "p", "v", scenarios.Fail, "x")}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(valid(g, schema, string(text))).To(Succeed())
	g.Expect(valid(g, schema, "kind: Baseline")).NotTo(Succeed())
}
