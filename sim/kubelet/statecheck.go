package kubelet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"k8s.io/kubernetes/pkg/kubelet/checkpointmanager/checksum"

	"github.com/pinlab/pinlab/sim/observe"
)

// ErrBadState marks a text that cannot stand in a CPU manager state file,
// whatever a kubelet would say to it.
var ErrBadState = errors.New("not a CPU manager state file")

// maxNamed bounds the CPUs that all lists of a state file name together. With
// 8192 CPUs each is named a few times: by a container, by the init containers
// before it, by its pod.
const maxNamed = 64 * (observe.MaxCPUID + 1)

// CheckCPUState says, with an ErrBadState, what is wrong with a text that
// somebody gives as a state file. Nothing is wrong with the fields of any
// version, even when a kubelet refuses them for their checksum, policy or CPUs.
func CheckCPUState(data []byte) error {
	if len(data) == 0 {
		return fmt.Errorf("%w: it is empty", ErrBadState)
	}
	d, err := decodeState(data)
	if err == nil {
		err = d.wrong()
	}
	if err != nil && !errors.Is(err, ErrBadState) {
		err = fmt.Errorf("%w: %w", ErrBadState, err)
	}
	return err
}

// BoundedCPUState refuses, with an ErrBadState, a state file with CPUs that no
// kernel has: upstream would try to count them all. What else may be wrong with
// it is for upstream to say.
func BoundedCPUState(data []byte) error {
	if _, err := decodeState(data); errors.Is(err, ErrBadState) {
		return err
	}
	return nil
}

// boundedStateFile is BoundedCPUState for the file of a node.
func boundedStateFile(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, observe.CPUStateFile))
	if err != nil {
		return nil // upstream says what is wrong with it
	}
	return BoundedCPUState(data)
}

// stateDoc is a state file of any version, decoded as upstream does it but with
// the CPU lists as texts.
type stateDoc struct {
	stateFields
	Checksum     checksum.Checksum `json:"checksum"`
	Data         string            `json:"data"`
	DataChecksum checksum.Checksum `json:"dataChecksum"`
	payload      stateFields       // of v4, from Data
}

type stateFields struct {
	PolicyName    string                    `json:"policyName"`
	DefaultCPUSet cpuList                   `json:"defaultCpuSet"`
	Entries       map[string]containerLists `json:"entries"`
	PodEntries    map[string]struct {
		CPUSet cpuList `json:"cpuSet"`
	} `json:"podEntries"`
	Baselines map[string]map[string]struct {
		Baseline cpuList `json:"baseline"`
	} `json:"baselines"`
}

// decodeState decodes a state file. An ErrBadState is about the bounds, and
// comes before any other error.
func decodeState(data []byte) (*stateDoc, error) {
	d := &stateDoc{}
	err := json.Unmarshal(data, d)
	if errors.Is(err, ErrBadState) {
		return nil, err
	}
	named := namedIn(data)
	if d.Data != "" {
		payloadErr := json.Unmarshal([]byte(d.Data), &d.payload)
		if errors.Is(payloadErr, ErrBadState) {
			return nil, payloadErr
		}
		if err == nil && payloadErr != nil {
			err = fmt.Errorf("data: %w", inWords(payloadErr))
		}
		named += namedIn([]byte(d.Data))
	}
	if named > maxNamed {
		return nil, fmt.Errorf("%w: its lists name %d CPUs; at most %d", ErrBadState, named, maxNamed)
	}
	return d, inWords(err)
}

// namedIn counts the CPUs that the texts of a document name, those of repeated
// keys too: upstream makes sets of them.
func namedIn(data []byte) int {
	named := 0
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if err != nil {
			return named
		}
		if text, ok := token.(string); ok {
			n, _ := observe.Named(text)
			named += n
		}
	}
}

// inWords says a decoder's error without the names of Go's types.
func inWords(err error) error {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		return err
	}
	want := "a text"
	switch mismatch.Type.Kind() {
	case reflect.Map, reflect.Struct:
		want = "an object"
	case reflect.Uint64:
		want = "a whole number"
	}
	where := strings.TrimPrefix(mismatch.Field, "stateFields.") // the embedded struct
	if where != "" {
		where += ": "
	}
	return fmt.Errorf("%swant %s, got %s", where, want, mismatch.Value)
}

// wrong is what is malformed in a file within the bounds.
func (d *stateDoc) wrong() error {
	fields, at := &d.stateFields, ""
	if d.Data != "" {
		fields, at = &d.payload, "data: " // the rest is for older kubelets
	}
	if fields.PolicyName == "" {
		return fmt.Errorf("%sno policyName", at)
	}
	for where, list := range fields.lists() {
		err := list.err
		if err == nil {
			_, err = observe.ParseSet(list.text)
		}
		if err != nil {
			return fmt.Errorf("%s%s: %w", at, where, err)
		}
	}
	return nil
}

// lists are the CPU lists and where they stand.
func (f *stateFields) lists() iter.Seq2[string, cpuList] {
	return func(yield func(string, cpuList) bool) {
		if !yield("defaultCpuSet", f.DefaultCPUSet) {
			return
		}
		for _, uid := range slices.Sorted(maps.Keys(f.Entries)) {
			for _, name := range slices.Sorted(maps.Keys(f.Entries[uid].lists)) {
				if !yield(fmt.Sprintf("entries[%q][%q]", uid, name), f.Entries[uid].lists[name]) {
					return
				}
			}
			if e := f.Entries[uid]; e.err != nil && !yield(fmt.Sprintf("entries[%q]", uid), cpuList{err: e.err}) {
				return
			}
		}
		for _, uid := range slices.Sorted(maps.Keys(f.PodEntries)) {
			if !yield(fmt.Sprintf("podEntries[%q]", uid), f.PodEntries[uid].CPUSet) {
				return
			}
		}
		for _, uid := range slices.Sorted(maps.Keys(f.Baselines)) {
			for _, name := range slices.Sorted(maps.Keys(f.Baselines[uid])) {
				if !yield(fmt.Sprintf("baselines[%q][%q]", uid, name), f.Baselines[uid][name].Baseline) {
					return
				}
			}
		}
	}
}

// cpuList is a CPU list within the bounds. Decoding goes on past anything else
// that is wrong, to see all lists.
type cpuList struct {
	text string
	err  error
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *cpuList) UnmarshalJSON(data []byte) error {
	l.err = inWords(json.Unmarshal(data, &l.text))
	if _, err := observe.Named(l.text); err != nil && l.err == nil {
		return fmt.Errorf("%w: %w", ErrBadState, err)
	}
	return nil
}

// containerLists are the lists of a pod's containers; in v1 a text.
type containerLists struct {
	lists map[string]cpuList
	err   error
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *containerLists) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		var l cpuList
		err := l.UnmarshalJSON(data)
		c.lists = map[string]cpuList{"": l}
		return err
	}
	err := json.Unmarshal(data, &c.lists)
	if errors.Is(err, ErrBadState) {
		return err
	}
	c.err = inWords(err)
	return nil
}
