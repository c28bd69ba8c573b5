package explore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// Format writes a scenario as a file that 'pinlab run' takes, after its story as a
// comment. Expectations are written only as far as the search makes them: the
// kubelet's state and the violations.
func Format(s *scenarios.Scenario) ([]byte, error) {
	var b bytes.Buffer
	for line := range strings.SplitSeq(strings.TrimSpace(s.Story), "\n") {
		b.WriteString(strings.TrimRight("# "+line, " ") + "\n")
	}
	fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\n", scenarios.APIVersion, scenarios.Kind)
	meta := map[string]any{"name": s.Name}
	if len(s.Labels) > 0 {
		meta["labels"] = s.Labels
	}
	if len(s.Sources) > 0 {
		meta["sources"] = s.Sources
	}
	section := func(key string, value any) error {
		data, err := yaml.Marshal(map[string]any{key: value})
		b.Write(data)
		return err
	}
	if err := section("metadata", meta); err != nil {
		return nil, err
	}
	if err := section("profile", s.Profile); err != nil {
		return nil, err
	}
	if len(s.Kubelet) > 0 {
		if err := section("kubelet", s.Kubelet); err != nil {
			return nil, err
		}
	}
	if s.Reconcile == scenarios.ReconcileManual {
		b.WriteString("reconcile: manual\n")
	}
	if s.HoldInit {
		b.WriteString("holdInit: true\n")
	}
	if err := items(&b, "devices", s.Devices, deviceValue); err != nil {
		return nil, err
	}
	if err := items(&b, "violates", s.Violates, func(v scenarios.Violates) any { return v }); err != nil {
		return nil, err
	}
	codec := newCodec()
	err := items(&b, "steps", s.Steps, func(step scenarios.Step) any { return stepValue(codec, step) })
	return b.Bytes(), err
}

// items writes a list with one item to a line.
func items[T any](b *bytes.Buffer, key string, list []T, value func(T) any) error {
	if len(list) == 0 {
		return nil
	}
	b.WriteString(key + ":\n")
	for _, item := range list {
		text, err := flow(value(item))
		if err != nil {
			return err
		}
		b.WriteString("- " + text + "\n")
	}
	return nil
}

// flow is a value as YAML on one line: JSON without what is empty.
func flow(value any) (string, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return "", err
	}
	if plain = pruned(plain); plain == nil {
		return "{}", nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

// deviceValue writes NUMA node 0 out: a device without a node is another one.
func deviceValue(d scenarios.Device) any {
	m := map[string]any{"resource": d.Resource, "id": d.ID}
	if d.NUMANode != hwprofiles.None {
		m["numaNode"] = keep{d.NUMANode}
	}
	return m
}

// keep marks a value that is meant though it is empty: an event without arguments,
// an empty list of violations, a null that takes a setting away.
type keep struct{ value any }

// MarshalJSON implements json.Marshaler.
func (k keep) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]any{keepKey: k.value}) }

const keepKey = "\x00keep"

// pruned drops what is empty; nil is nothing left.
func pruned(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if kept, ok := v[keepKey]; ok {
			return kept
		}
		for key, inner := range v {
			if p := pruned(inner); p == nil {
				delete(v, key)
			} else {
				v[key] = p
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case float64:
		if v == 0 {
			return nil
		}
	}
	return v
}

func stepValue(c *codec, step scenarios.Step) any {
	m := map[string]any{}
	if step.Name != "" {
		m["name"] = step.Name
	}
	if e := step.Expect; e != nil {
		expect := map[string]any{"kubelet": e.Kubelet, "kubeletError": e.KubeletError}
		if e.Violations != nil {
			expect["violations"] = keep{*e.Violations}
		}
		m["expect"] = expect
		return m
	}
	m[c.key(step.Event)] = eventValue(step.Event)
	return m
}

// eventValue is what stands behind an event's key.
func eventValue(e scenarios.Event) any {
	switch e := e.(type) {
	case scenarios.CreatePod:
		return shortPod(e)
	case scenarios.DeletePod:
		return e.Pod
	case scenarios.Advance:
		return e.Duration.String()
	case scenarios.LimitOpenFiles:
		return map[string]any{"free": keep{e.Free}}
	case scenarios.MoveMemory:
		return keep{e}
	case scenarios.AddCPUs:
		return keep{e}
	case scenarios.SetHugePages:
		return keep{e}
	case scenarios.WriteStateFile:
		if e.Checkpoint == nil {
			return map[string]any{"file": e.File, "content": keep{e.Content}} // empty is a content
		}
	case scenarios.EditStateFile:
		m := map[string]any{"file": e.File, "append": e.Append, "set": keep{e.Set}, "fixChecksum": e.FixChecksum}
		if e.Truncate != nil {
			m["truncate"] = keep{*e.Truncate}
		}
		if len(e.Set) == 0 {
			delete(m, "set")
		}
		return m
	case scenarios.StartKubelet:
		return kubeletValue(e.Config, e.SourcesNotReady, e.DevicesNotReady)
	case scenarios.RestartKubelet:
		return kubeletValue(e.Config, e.SourcesNotReady, e.DevicesNotReady)
	}
	return orEmpty(e)
}

func kubeletValue(config json.RawMessage, notReady, devicesNotReady bool) any {
	m := map[string]any{}
	if len(config) > 0 {
		m["config"] = keep{config}
	}
	if notReady {
		m["sourcesNotReady"] = true
	}
	if devicesNotReady {
		m["devicesNotReady"] = true
	}
	return orEmpty(m)
}

// orEmpty keeps an event without arguments as {}.
func orEmpty(v any) any {
	if text, err := flow(v); err == nil && text == "{}" {
		return keep{map[string]any{}}
	}
	return v
}

// shortPod is a pod in the shorthand, as far as that goes: the search's own pods and
// all of a pod that matters to the managers.
func shortPod(e scenarios.CreatePod) any {
	pod := e.Pod
	m := map[string]any{"name": pod.Name}
	if pod.Namespace != v1.NamespaceDefault {
		m["namespace"] = pod.Namespace
	}
	if pod.Spec.RestartPolicy != v1.RestartPolicyAlways {
		m["restartPolicy"] = pod.Spec.RestartPolicy
	}
	if pod.Spec.Resources != nil {
		m["resources"] = pod.Spec.Resources
	}
	m["annotations"], m["holdInit"] = pod.Annotations, e.HoldInit
	m["initContainers"], m["containers"] = shortContainers(pod.Spec.InitContainers), shortContainers(pod.Spec.Containers)
	return m
}

func shortContainers(list []v1.Container) []any {
	var out []any
	for i := range list {
		c := &list[i]
		m := map[string]any{"name": c.Name, "restartPolicy": c.RestartPolicy}
		cpu, memory := both(c, v1.ResourceCPU), both(c, v1.ResourceMemory)
		if cpu != nil && memory != nil && len(c.Resources.Limits) == 2 && len(c.Resources.Requests) == 2 {
			m["cpu"], m["memory"] = cpu, memory
		} else {
			m["resources"] = c.Resources
		}
		out = append(out, m)
	}
	return out
}

// both is a quantity that is request and limit.
func both(c *v1.Container, name v1.ResourceName) any {
	request, ok := c.Resources.Requests[name]
	limit, also := c.Resources.Limits[name]
	if !ok || !also || request.Cmp(limit) != 0 {
		return nil
	}
	return request.String()
}
