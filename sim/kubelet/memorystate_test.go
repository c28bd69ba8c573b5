package kubelet

import (
	"testing"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager/state"

	"github.com/pinlab/pinlab/sim/observe"
)

// Every format that a kubelet reads says the same.
func TestReadMemoryState(t *testing.T) {
	g := NewWithT(t)
	machine := state.NUMANodeMap{
		1: {MemoryMap: map[v1.ResourceName]*state.MemoryTable{v1.ResourceMemory: {Allocatable: 9, Reserved: 4, Free: 5}}, Cells: []int{1, 0}},
		0: {MemoryMap: map[v1.ResourceName]*state.MemoryTable{v1.ResourceMemory: {Allocatable: 8, Free: 8}}, Cells: []int{0}},
	}
	entries := state.ContainerMemoryAssignments{"uid": {"app": {
		{NUMAAffinity: []int{0}, Type: v1.ResourceMemory, Size: 3},
		{NUMAAffinity: []int{1}, Type: v1.ResourceMemory, Size: 1},
		{NUMAAffinity: []int{1}, Type: "hugepages-2Mi", Size: 100},
	}}}
	want := &observe.MemoryFile{
		Policy: "Static", Bytes: map[string]map[string]uint64{"uid": {"app": 4}},
		Nodes: []observe.NUMAMemory{{Node: 0, Allocatable: 8, Free: 8}, {Node: 1, Allocatable: 9, Reserved: 4, Free: 5, Group: []int{0, 1}}},
	}
	one := &state.MemoryManagerCheckpointV1{PolicyName: "Static", MachineState: machine, Entries: entries}
	two := &state.MemoryManagerCheckpointV2{PolicyName: "Static", MachineState: machine, Entries: entries, PodEntries: state.PodMemoryAssignments{}}
	three := &state.MemoryManagerCheckpoint{CheckpointData: state.MemoryManagerCheckpointData{PolicyName: "Static", MachineState: machine, Entries: entries}}
	for _, c := range []interface{ MarshalCheckpoint() ([]byte, error) }{one, two, three} {
		data, err := c.MarshalCheckpoint()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(ReadMemoryState(data)).To(Equal(want), "%T", c)
	}
	for _, bad := range []string{"", "{}x", `{"policyName":"Static","checksum":7}`, `{"data":"{}","dataChecksum":1}`} {
		_, err := ReadMemoryState([]byte(bad))
		g.Expect(err).To(HaveOccurred(), bad)
	}
}
