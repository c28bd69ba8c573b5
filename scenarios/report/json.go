package report

import (
	"encoding/json"
	"io"

	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
)

// JSON writes the report as docs/schema/run-report.schema.json describes it.
func JSON(w io.Writer, r scenarios.RunReport) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// YAML writes the same document as YAML.
func YAML(w io.Writer, r scenarios.RunReport) error {
	data, err := yaml.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
