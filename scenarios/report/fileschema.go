package report

import (
	"encoding/json"
	"reflect"

	"github.com/pinlab/pinlab/scenarios"
)

// SuiteSchema returns the JSON Schema (draft 2020-12) of a suite file, derived
// from the types that the loader reads it into.
func SuiteSchema() ([]byte, error) {
	s := &schemas{defs: map[string]any{}}
	matrix := s.of(reflect.TypeFor[scenarios.Matrix]())
	for _, name := range []string{"Matrix", "Exclusion"} {
		def := s.defs[name].(map[string]any)
		delete(def, "required") // all of it may be left out
		def["additionalProperties"] = false
	}
	return document(s, "pinlab Suite", "What pinlab run --suite replays: scenarios on profiles under kubelet configurations.", scenarios.KindSuite, map[string]any{
		"metadata": map[string]any{
			"type": "object", "properties": map[string]any{"name": map[string]any{"type": "string", "minLength": 1}}, "required": []string{"name"},
		},
		"matrix": map[string]any{"type": "array", "items": matrix, "minItems": 1},
	}, "metadata", "matrix")
}

// BaselineSchema returns that of a baseline file.
func BaselineSchema() ([]byte, error) {
	s := &schemas{defs: map[string]any{}}
	failure := s.of(reflect.TypeFor[KnownFailure]())
	return document(s, "pinlab Baseline", "What pinlab run --baseline takes for known: runs that do not hold.", KindBaseline, map[string]any{
		"failures": map[string]any{"type": "array", "items": failure},
	}, "failures")
}

func document(s *schemas, title, description, kind string, properties map[string]any, required ...string) ([]byte, error) {
	properties["apiVersion"] = map[string]any{"const": scenarios.APIVersion}
	properties["kind"] = map[string]any{"const": kind}
	data, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, "description": description, "$defs": s.defs,
		"type": "object", "properties": properties, "required": append([]string{"apiVersion", "kind"}, required...), "additionalProperties": false,
	}, "", "  ")
	return append(data, '\n'), err
}
