package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// json writes a node as JSON, its keys in the order of the file.
func (d *decoder) json(n *node, at *place) json.RawMessage {
	var b bytes.Buffer
	d.writeJSON(&b, n, at)
	return b.Bytes()
}

func (d *decoder) writeJSON(b *bytes.Buffer, n *node, at *place) {
	switch n.kind {
	case mapping:
		b.WriteByte('{')
		for i, f := range n.fields {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, f.key)
			b.WriteByte(':')
			d.writeJSON(b, f.value, at)
		}
		b.WriteByte('}')
	case sequence:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			d.writeJSON(b, item, at)
		}
		b.WriteByte(']')
	default:
		d.writeScalar(b, n, at)
	}
}

func (d *decoder) writeScalar(b *bytes.Buffer, n *node, at *place) {
	// kubectl and the kubelet read yes and no as YAML 1.1 does.
	if value, ok := n.boolean(); ok {
		b.WriteString(strconv.FormatBool(value))
		return
	}
	switch n.tag {
	case nullTag:
		b.WriteString("null")
	case intTag, floatTag:
		if i, err := strconv.ParseInt(n.digits(), 0, 64); err == nil {
			b.WriteString(strconv.FormatInt(i, 10))
		} else if u, err := strconv.ParseUint(n.digits(), 0, 64); err == nil {
			b.WriteString(strconv.FormatUint(u, 10))
		} else if f, err := strconv.ParseFloat(n.digits(), 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			text, _ := json.Marshal(f) // a finite number always has a text
			b.Write(text)
		} else {
			d.errorf(n.line, "%s: %s is no number that JSON knows", at, quote(n.value))
			b.WriteString("0")
		}
	default:
		writeString(b, n.value)
	}
}

func writeString(b *bytes.Buffer, s string) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always has a text, a buffer always room
	b.Truncate(b.Len() - 1)
}

// MergeConfig applies a merge patch (RFC 7386) to a configuration, both JSON
// objects; an empty one is {}. A null in the patch removes the field. Keys of
// the result are sorted.
func MergeConfig(base, patch json.RawMessage) (json.RawMessage, error) {
	b, err := object(base)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	p, err := object(patch)
	if err != nil {
		return nil, fmt.Errorf("configuration patch: %w", err)
	}
	return json.Marshal(merge(b, p))
}

func object(data json.RawMessage) (map[string]any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return map[string]any{}, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // 64-bit integers stay what they are
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		return nil, err
	}
	if m == nil {
		m = map[string]any{}
	}
	return m, nil
}

func merge(base, patch map[string]any) map[string]any {
	for key, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(base, key)
		case map[string]any:
			below, ok := base[key].(map[string]any)
			if !ok {
				below = map[string]any{}
			}
			base[key] = merge(below, value)
		default:
			base[key] = value
		}
	}
	return base
}

// mergePatches puts two merge patches into one; unlike MergeConfig it keeps
// what removes a field.
func mergePatches(a, b json.RawMessage) (json.RawMessage, error) {
	first, err := object(a)
	if err != nil {
		return nil, err
	}
	second, err := object(b)
	if err != nil {
		return nil, err
	}
	return json.Marshal(join(first, second))
}

func join(a, b map[string]any) map[string]any {
	for key, value := range b {
		below, isMap := value.(map[string]any)
		old, wasMap := a[key].(map[string]any)
		if isMap && wasMap {
			value = join(old, below)
		}
		a[key] = value
	}
	return a
}
