package kubelet

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager/state"

	"github.com/pinlab/pinlab/sim/observe"
)

// ReadMemoryState reads a memory_manager_state file as the kubelet does: the
// newest payload that is there counts. The checksum is verified.
func ReadMemoryState(data []byte) (*observe.MemoryFile, error) {
	v3 := &state.MemoryManagerCheckpoint{}
	err := verified(v3, data)
	if err == nil {
		d := v3.CheckpointData
		return newMemoryFile(d.PolicyName, d.MachineState, d.Entries, d.PodEntries), nil
	}
	if v3.Data != "" || v3.DataChecksum != 0 {
		return nil, err
	}
	v2 := &state.MemoryManagerCheckpointV2{Entries: state.ContainerMemoryAssignments{}, PodEntries: state.PodMemoryAssignments{}, MachineState: state.NUMANodeMap{}}
	if verified(v2, data) == nil {
		return newMemoryFile(v2.PolicyName, v2.MachineState, v2.Entries, v2.PodEntries), nil
	}
	one := &state.MemoryManagerCheckpointV1{Entries: state.ContainerMemoryAssignments{}, MachineState: state.NUMANodeMap{}}
	if err := verified(one, data); err != nil {
		return nil, err
	}
	return newMemoryFile(one.PolicyName, one.MachineState, one.Entries, nil), nil
}

func newMemoryFile(policy string, machine state.NUMANodeMap, entries state.ContainerMemoryAssignments, pods state.PodMemoryAssignments) *observe.MemoryFile {
	f := &observe.MemoryFile{Policy: policy, Nodes: numaMemory(machine), Bytes: map[string]map[string]uint64{}}
	for uid, containers := range entries {
		f.Bytes[uid] = map[string]uint64{}
		for name, blocks := range containers {
			f.Bytes[uid][name] = blockBytes(blocks)
		}
	}
	f.PodLevel = len(pods) > 0
	return f
}

// blockBytes is what blocks hold of memory, without huge pages.
func blockBytes(blocks []state.Block) (sum uint64) {
	for _, b := range blocks {
		if b.Type == v1.ResourceMemory {
			sum += b.Size
		}
	}
	return sum
}
