package verify

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/pinlab/pinlab/sim/observe"
)

var update = flag.Bool("update", false, "write the schema anew")

// schema derives the JSON Schema of a report from its types, so that the two
// cannot part.
func schema() ([]byte, error) {
	s := &schemas{defs: map[string]any{}}
	root := s.object(reflect.TypeFor[Report]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "pinlab VerifyReport"
	root["description"] = "What pinlab verify -o json writes: the node, its containers, and what was found. What is absent is not known."
	root["$defs"] = s.defs
	properties := root["properties"].(map[string]any)
	properties["apiVersion"] = map[string]any{"const": APIVersion}
	properties["kind"] = map[string]any{"const": Kind}
	data, err := json.MarshalIndent(root, "", "  ")
	return append(data, '\n'), err
}

type schemas struct{ defs map[string]any }

func (s *schemas) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[observe.CPUs]():
		s.defs["CPUs"] = map[string]any{
			"type": "string", "pattern": `^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$`,
			"description": "A set of CPUs or NUMA nodes as a kernel list, ascending and merged: 2-17,50-65.",
		}
		return map[string]any{"$ref": "#/$defs/CPUs"}
	case reflect.TypeFor[Severity]():
		return map[string]any{"enum": []Severity{Critical, Warning, Note}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int:
		return map[string]any{"type": "integer"}
	case reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if _, known := s.defs[t.Name()]; !known {
			s.defs[t.Name()] = s.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	}
	panic("no schema for " + t.String())
}

// states are the fields with a fixed set of values, by type and name.
var states = map[string][]string{
	"Kubelet.state":       {"running", "stopped", stateUnread},
	"Kubelet.cpuState":    {stateRead, stateMissing, stateMalformed, stateUnread},
	"Kubelet.memoryState": {stateRead, stateMissing, stateMalformed, stateUnread},
	"Start.result":        {Starts, Refused, Unchecked},
	"Container.namedBy":   {"cri", "bundle", "process"},
	"Memory.from":         {"memory.numa_stat", "numa_maps"},
}

func (s *schemas) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		properties[name] = s.of(f.Type)
		if values := states[t.Name()+"."+name]; values != nil {
			properties[name] = map[string]any{"enum": values}
		}
		if !strings.Contains(options, "omitempty") {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}

func TestReportFollowsItsSchema(t *testing.T) {
	g := NewWithT(t)
	want, err := schema()
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join("..", "..", "docs", "schema", "verify-report.schema.json")
	if *update {
		g.Expect(os.WriteFile(path, want, 0o644)).To(Succeed())
	}
	published, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(published)).To(Equal(string(want)), "run with -update to accept")

	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(want))
	g.Expect(err).NotTo(HaveOccurred())
	c := jsonschema.NewCompiler()
	g.Expect(c.AddResource("verify-report.json", parsed)).To(Succeed())
	compiled, err := c.Compile("verify-report.json")
	g.Expect(err).NotTo(HaveOccurred())
	validate := func(data []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		g.Expect(err).NotTo(HaveOccurred())
		return compiled.Validate(doc)
	}
	tr := newTree(t, layouts()[0])
	tr.cpus("logs", "0-15")
	tr.file(tr.dir("web")+"/memory.numa_stat", "anon N0=1 N1=2\n")
	tr.remove(tr.dir("pause") + "/cpuset.cpus")
	r := tr.audit()
	data, err := json.MarshalIndent(r, "", "  ")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(validate(data)).To(Succeed())
	for _, bad := range [][2]string{
		{`"severity": "critical"`, `"severity": "bad"`},
		{`"kind": "VerifyReport"`, `"kind": "Report"`},
		{`"state": "running"`, `"state": "up"`},
		{`"assigned": "1,9"`, `"assigned": "1,9,"`},
		{`"findings": [`, `"finding": [`},
	} {
		g.Expect(string(data)).To(ContainSubstring(bad[0]))
		g.Expect(validate([]byte(strings.Replace(string(data), bad[0], bad[1], 1)))).NotTo(Succeed(), bad[1])
	}
	var back Report
	g.Expect(json.Unmarshal(data, &back)).To(Succeed())
	g.Expect(&back).To(Equal(r))
}
