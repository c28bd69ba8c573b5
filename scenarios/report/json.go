package report

import (
	"encoding/json"
	"io"

	"sigs.k8s.io/yaml"
)

// JSON writes a report as docs/schema describes it.
func JSON(w io.Writer, r any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// YAML writes the same document as YAML.
func YAML(w io.Writer, r any) error {
	data, err := yaml.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
