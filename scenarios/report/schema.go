package report

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// Schema returns the JSON Schema (draft 2020-12) of the document that JSON
// writes. It is derived from the types, so that the two cannot part; fields
// may be added to it without a new apiVersion.
func Schema() ([]byte, error) {
	s := &schemas{defs: map[string]any{}}
	root := s.of(reflect.TypeFor[scenarios.RunReport]())
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "pinlab RunReport"
	root["description"] = "What pinlab run -o json writes: every replay with its steps, what was seen after each, and what did not hold."
	root["$defs"] = s.defs
	properties := root["properties"].(map[string]any)
	properties["apiVersion"] = map[string]any{"const": scenarios.APIVersion}
	properties["kind"] = map[string]any{"const": scenarios.KindRunReport}
	data, err := json.MarshalIndent(root, "", "  ")
	return append(data, '\n'), err
}

type schemas struct{ defs map[string]any }

// values lists the types with a fixed set of values.
func values(t reflect.Type) []string {
	switch t {
	case reflect.TypeFor[scenarios.Verdict]():
		return []string{string(scenarios.Pass), string(scenarios.Fail), string(scenarios.Errored), string(scenarios.Hang), string(scenarios.Skip)}
	case reflect.TypeFor[observe.KubeletState]():
		return []string{string(observe.KubeletRunning), string(observe.KubeletStopped), string(observe.KubeletFailed)}
	case reflect.TypeFor[observe.ContainerKind]():
		return []string{string(observe.KindApp), string(observe.KindInit), string(observe.KindSidecar), string(observe.KindEphemeral)}
	case reflect.TypeFor[observe.ContainerState]():
		return []string{string(observe.StateWaiting), string(observe.StateRunning), string(observe.StateTerminated)}
	}
	return nil
}

// of describes a type. Structs but the document itself become definitions.
func (s *schemas) of(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[observe.CPUs]() {
		s.defs["CPUs"] = map[string]any{
			"type": "string", "pattern": `^([0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*)?$`,
			"description": "A set of CPUs or NUMA nodes as a kernel list, ascending and merged: 2-17,50-65.",
		}
		return map[string]any{"$ref": "#/$defs/CPUs"}
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return map[string]any{"type": []string{"object", "null"}, "description": "A merge patch (RFC 7386) on a KubeletConfiguration."}
	}
	if enum := values(t); enum != nil {
		return map[string]any{"enum": enum}
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
		if t == reflect.TypeFor[scenarios.RunReport]() {
			return s.object(t)
		}
		name := t.Name()
		if _, known := s.defs[name]; !known {
			s.defs[name] = nil // for types that contain themselves
			s.defs[name] = s.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	panic("report: no schema for " + t.String())
}

// object describes a struct's fields as encoding/json writes them.
func (s *schemas) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	required := []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		properties[name] = s.of(f.Type)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") {
			required = append(required, name)
		}
	}
	return map[string]any{"type": "object", "properties": properties, "required": required}
}
