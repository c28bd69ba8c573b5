package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"k8s.io/kubernetes/pkg/kubelet/checkpointmanager"
	"k8s.io/kubernetes/pkg/kubelet/checkpointmanager/checksum"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager/state"

	"github.com/pinlab/pinlab/sim/observe"
)

// CPUState is the content of a cpu_manager_state file.
type CPUState struct {
	Policy     string
	SharedPool observe.CPUs
	Entries    map[ContainerKey]observe.CPUs
	// PodCPUs are the sets of pods with pod-level resources, by UID.
	PodCPUs map[string]observe.CPUs
}

// ReadCPUState reads a state file as the kubelet does: the v4 payload counts
// where there is one, then v3, then v2. The checksum is verified.
func ReadCPUState(data []byte) (*CPUState, error) {
	if err := BoundedCPUState(data); err != nil {
		return nil, err
	}
	v4 := &state.CPUManagerCheckpoint{}
	err := verified(v4, data)
	if err == nil {
		d := v4.CheckpointData
		return newCPUState(d.PolicyName, d.DefaultCPUSet, d.Entries, d.PodEntries)
	}
	if v4.Data != "" || v4.DataChecksum != 0 {
		return nil, fmt.Errorf("v4 checkpoint: %w", err)
	}
	// Checksums are over the structs as upstream makes them before reading:
	// with empty maps.
	v3 := &state.CPUManagerCheckpointV3{Entries: map[string]map[string]string{}, PodEntries: state.PodCPUAssignments{}}
	if verified(v3, data) == nil {
		return newCPUState(v3.PolicyName, v3.DefaultCPUSet, v3.Entries, v3.PodEntries)
	}
	v2 := &state.CPUManagerCheckpointV2{Entries: map[string]map[string]string{}}
	if err := verified(v2, data); err != nil {
		return nil, err
	}
	return newCPUState(v2.PolicyName, v2.DefaultCPUSet, v2.Entries, nil)
}

func verified(c checkpointmanager.Checkpoint, data []byte) error {
	if err := c.UnmarshalCheckpoint(data); err != nil {
		return err
	}
	return c.VerifyChecksum()
}

func newCPUState(policy, pool string, entries map[string]map[string]string, pods state.PodCPUAssignments) (*CPUState, error) {
	s := &CPUState{Policy: policy, Entries: map[ContainerKey]observe.CPUs{}}
	for uid, p := range pods {
		if s.PodCPUs == nil {
			s.PodCPUs = map[string]observe.CPUs{}
		}
		s.PodCPUs[uid] = observe.FromSet(p.CPUSet)
	}
	var err error
	if s.SharedPool, err = observe.ParseCPUs(pool); err != nil {
		return nil, fmt.Errorf("defaultCpuSet: %w", err)
	}
	for uid, containers := range entries {
		for name, list := range containers {
			if s.Entries[ContainerKey{uid, name}], err = observe.ParseCPUs(list); err != nil {
				return nil, fmt.Errorf("entry %s/%s: %w", uid, name, err)
			}
		}
	}
	return s, nil
}

// Checksum says what checksum a built state file gets.
type Checksum string

// The kinds of checksum.
const (
	ChecksumValid Checksum = "valid"
	ChecksumZero  Checksum = "zero"
	ChecksumWrong Checksum = "wrong"
)

// BuildCPUState writes a state file in the format of a kubelet version: v1 (up
// to 1.17), v2 (1.18 to 1.35), v3 (1.36 with PodLevelResourceManagers) or v4
// (1.37).
func BuildCPUState(version string, s CPUState, sum Checksum) ([]byte, error) {
	entries := map[string]map[string]string{}
	for key, cpus := range s.Entries {
		if entries[key.PodUID] == nil {
			entries[key.PodUID] = map[string]string{}
		}
		entries[key.PodUID][key.Name] = string(cpus)
	}
	bend := func(c checksum.Checksum) checksum.Checksum {
		switch sum {
		case ChecksumZero:
			return 0
		case ChecksumWrong:
			return c + 1
		default:
			return c
		}
	}
	switch version {
	case "v1":
		return buildV1(s, bend)
	case "v2":
		c := &state.CPUManagerCheckpointV2{PolicyName: s.Policy, DefaultCPUSet: string(s.SharedPool), Entries: entries}
		if _, err := c.MarshalCheckpoint(); err != nil {
			return nil, err
		}
		c.Checksum = bend(c.Checksum)
		return json.Marshal(c)
	case "v3":
		c := &state.CPUManagerCheckpointV3{PolicyName: s.Policy, DefaultCPUSet: string(s.SharedPool), Entries: entries, PodEntries: state.PodCPUAssignments{}}
		if _, err := c.MarshalCheckpoint(); err != nil {
			return nil, err
		}
		c.Checksum = bend(c.Checksum)
		return json.Marshal(c)
	case "v4":
		c := &state.CPUManagerCheckpoint{CheckpointData: state.CPUManagerCheckpointData{
			PolicyName: s.Policy, DefaultCPUSet: string(s.SharedPool), Entries: entries,
		}}
		if _, err := c.MarshalCheckpoint(); err != nil {
			return nil, err
		}
		c.Checksum, c.DataChecksum = bend(c.Checksum), bend(c.DataChecksum)
		return json.Marshal(c)
	default:
		return nil, fmt.Errorf("state file version %q: want v1, v2, v3 or v4", version)
	}
}

// buildV1 writes the format that kubelets up to 1.17 used: one flat map from
// container id to CPUs. No kubelet from 1.37 on reads it.
func buildV1(s CPUState, bend func(checksum.Checksum) checksum.Checksum) ([]byte, error) {
	type checkpointV1 struct {
		PolicyName    string            `json:"policyName"`
		DefaultCPUSet string            `json:"defaultCpuSet"`
		Entries       map[string]string `json:"entries,omitempty"`
		Checksum      checksum.Checksum `json:"checksum"`
	}
	c := checkpointV1{PolicyName: s.Policy, DefaultCPUSet: string(s.SharedPool), Entries: map[string]string{}}
	keys := slices.SortedFunc(maps.Keys(s.Entries), ContainerKey.compare)
	for _, key := range keys {
		c.Entries[key.PodUID+"-"+key.Name] = string(s.Entries[key])
	}
	c.Checksum = bend(checksum.New(c))
	return json.Marshal(c)
}

func (k ContainerKey) compare(o ContainerKey) int {
	return slices.Compare([]string{k.PodUID, k.Name}, []string{o.PodUID, o.Name})
}

// ErrNotCheckpoint says that a state file cannot be edited because it is not a
// checkpoint to begin with.
var ErrNotCheckpoint = errors.New("not a readable checkpoint")

// EditCPUState replaces top-level fields of a state file. With fix, the v4
// payload follows and the checksums are made anew; without it only the fields
// change, as in an editor.
func EditCPUState(data []byte, set map[string]json.RawMessage, fix bool) ([]byte, error) {
	doc := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCheckpoint, err)
	}
	maps.Copy(doc, set)
	edited, err := json.Marshal(doc)
	if err != nil || !fix {
		return edited, err
	}
	if err := BoundedCPUState(edited); err != nil {
		return nil, err // decoding counts the CPUs of pods
	}
	c := &state.CPUManagerCheckpoint{}
	if _, v4 := doc["data"]; !v4 {
		var old checkpointmanager.Checkpoint = &state.CPUManagerCheckpointV2{Entries: map[string]map[string]string{}}
		if _, v3 := doc["podEntries"]; v3 {
			old = &state.CPUManagerCheckpointV3{Entries: map[string]map[string]string{}, PodEntries: state.PodCPUAssignments{}}
		}
		if err := old.UnmarshalCheckpoint(edited); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotCheckpoint, err)
		}
		return old.MarshalCheckpoint()
	}
	if err := c.UnmarshalCheckpoint(edited); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotCheckpoint, err)
	}
	d := &c.CheckpointData
	d.PolicyName, d.DefaultCPUSet, d.Entries = c.PolicyName, c.DefaultCPUSet, c.Entries
	return c.MarshalCheckpoint()
}
