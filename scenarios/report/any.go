package report

import (
	"encoding/json"
	"fmt"
	"io"

	"sigs.k8s.io/yaml"
)

// Any writes a value in one of the formats that every command has: json, yaml,
// or the command's own table.
func Any(w io.Writer, format string, value any, table func(io.Writer) error) error {
	switch format {
	case "table", "":
		return table(w)
	case "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	case "yaml":
		data, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	default:
		return fmt.Errorf("--output %q: want table, json or yaml", format)
	}
}
