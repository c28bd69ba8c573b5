package sim

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// ReadState reads a cpu_manager_state as the kubelet does; the error is upstream's.
func ReadState(data []byte) (*observe.StateFile, error) {
	s, err := kubelet.ReadCPUState(data)
	if err != nil {
		return nil, err
	}
	file := &observe.StateFile{Policy: s.Policy, SharedPool: s.SharedPool, Entries: map[string]map[string]observe.CPUs{}, PodCPUs: s.PodCPUs}
	for key, cpus := range s.Entries {
		if file.Entries[key.PodUID] == nil {
			file.Entries[key.PodUID] = map[string]observe.CPUs{}
		}
		file.Entries[key.PodUID][key.Name] = cpus
	}
	return file, nil
}

// ReadMemoryState reads a memory_manager_state as the kubelet does; the error is
// upstream's.
func ReadMemoryState(data []byte) (*observe.MemoryFile, error) { return kubelet.ReadMemoryState(data) }

// StateContent is the content of a state file after an event that writes or
// edits it. Data is what is there now, nil for no file; uid finds the UID of a
// pod by its name. Errors are wrong use of the scenario, fs.ErrNotExist that
// there is nothing to edit.
//
// A file with CPUs that no kernel has is such an error: a kubelet would count
// to their end.
func StateContent(event scenarios.Event, data []byte, uid func(pod string) string) ([]byte, error) {
	data, file, err := stateContent(event, data, uid)
	if err == nil && file == scenarios.CPUState {
		err = kubelet.BoundedCPUState(data)
	}
	if errors.Is(err, kubelet.ErrBadState) {
		return nil, fmt.Errorf("%w: %s: %w", scenarios.ErrMisuse, file, err)
	}
	return data, err
}

func stateContent(event scenarios.Event, data []byte, uid func(pod string) string) ([]byte, scenarios.StateFile, error) {
	switch e := event.(type) {
	case scenarios.WriteStateFile:
		if e.Checkpoint == nil {
			return []byte(e.Content), e.File, nil
		}
		c := e.Checkpoint
		s := kubelet.CPUState{Policy: c.PolicyName, SharedPool: c.SharedPool, Entries: map[kubelet.ContainerKey]observe.CPUs{}}
		for pod, containers := range c.Entries {
			for name, cpus := range containers {
				s.Entries[kubelet.ContainerKey{PodUID: uid(pod), Name: name}] = cpus
			}
		}
		built, err := kubelet.BuildCPUState(c.Version, s, kubelet.Checksum(c.Checksum))
		if err != nil {
			return nil, e.File, fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
		}
		return built, e.File, nil
	case scenarios.EditStateFile:
		if data == nil {
			return nil, e.File, fs.ErrNotExist
		}
		if len(e.Set) > 0 || e.FixChecksum {
			var err error
			if data, err = kubelet.EditCPUState(data, e.Set, e.FixChecksum); errors.Is(err, kubelet.ErrBadState) {
				return nil, e.File, err
			} else if err != nil {
				return nil, e.File, fmt.Errorf("%w: %s: %w", scenarios.ErrMisuse, e.File, err)
			}
		}
		if e.Truncate != nil && *e.Truncate < len(data) {
			data = data[:*e.Truncate]
		}
		return append(data, e.Append...), e.File, nil
	}
	return nil, "", fmt.Errorf("%w: event %T does not write a state file", scenarios.ErrUnsupported, event)
}
