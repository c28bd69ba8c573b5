package report

import (
	"encoding/json"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// document is a RunReport as it is written: a step without an observation of
// its own has none, instead of an empty one.
type document struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Results    []documentResult `json:"results"`
}

type documentResult struct {
	scenarios.Result
	Steps []documentStep `json:"steps"`
}

type documentStep struct {
	observe.Step
	Observation *observe.Observation `json:"observation,omitempty"`
}

func newDocument(r scenarios.RunReport) document {
	d := document{APIVersion: r.APIVersion, Kind: r.Kind, Results: make([]documentResult, len(r.Results))}
	for i := range r.Results {
		result := documentResult{Result: r.Results[i], Steps: make([]documentStep, len(r.Results[i].Steps))}
		for j := range r.Results[i].Steps {
			s := &r.Results[i].Steps[j]
			step := documentStep{Step: *s}
			if observed(s) {
				o := s.Observation
				if o.Containers == nil {
					o.Containers = []observe.Container{}
				}
				step.Observation = &o
			}
			result.Steps[j] = step
		}
		d.Results[i] = result
	}
	return d
}

// JSON writes the report as docs/schema/run-report.schema.json describes it.
func JSON(w io.Writer, r scenarios.RunReport) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(newDocument(r))
}

// YAML writes the same document as YAML.
func YAML(w io.Writer, r scenarios.RunReport) error {
	data, err := yaml.Marshal(newDocument(r))
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
