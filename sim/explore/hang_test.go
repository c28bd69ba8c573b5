package explore

import (
	"encoding/json"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// TestHangPath looks for where upstream merges hints of many NUMA nodes for minutes, in
// a process of its own, twice: the path and the last log lines are told.
func TestHangPath(t *testing.T) {
	g := NewWithT(t)
	list := v1.ResourceList{v1.ResourceCPU: resource.MustParse("2"), v1.ResourceMemory: resource.MustParse("64Mi")}
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p1", UID: "uid-p1"},
		Spec:       v1.PodSpec{Containers: []v1.Container{{Name: "app", Image: "pause", Resources: v1.ResourceRequirements{Requests: list, Limits: list}}}},
	}
	g.Expect(kubelet.PreparePod(pod)).To(Succeed())
	config := `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0", "topologyManagerPolicy": "best-effort",
		"topologyManagerPolicyOptions": {"max-allowable-numa-nodes": "14"}, "memoryManagerPolicy": "Static",
		"kubeReserved": {"memory": "100Mi"}, "evictionHard": {"memory.available": "100Mi"},
		"reservedMemory": [{"numaNode": 0, "limits": {"memory": "200Mi"}}]}`
	s := &scenarios.Scenario{
		Name: "hang", Profile: "nodes=14 cores=28", Kubelet: json.RawMessage(config),
		Steps: []scenarios.Step{{Event: scenarios.StartKubelet{}}, {Event: scenarios.CreatePod{Pod: pod}}},
	}
	p := &Process{Command: child, Timeout: time.Second, TempDir: t.TempDir()}
	t.Cleanup(p.Close)
	var paths [][]string
	for range 2 {
		out, err := p.Replay(t.Context(), s)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Hits).To(HaveLen(1))
		hit := out.Hits[0]
		g.Expect(hit.Cause.Broken).To(Equal(BrokenHang))
		g.Expect(hit.Cause.Path).To(HaveEach(HavePrefix("topologymanager.")))
		g.Expect(hit.Cause.Path).To(HaveLen(hangFrames))
		g.Expect(hit.Log).To(ContainElement(ContainSubstring("TopologyHints")))
		paths = append(paths, hit.Cause.Path)
		t.Log(hit.Cause.Path)
	}
	g.Expect(paths[1]).To(Equal(paths[0]))
}

// TestSameCallers keeps what two stacks have in common, from the outside.
func TestSameCallers(t *testing.T) {
	g := NewWithT(t)
	dump := func(inner string) []string {
		return managerFrames("goroutine 1 [running]:\n" + inner +
			"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager.(*HintMerger).Merge(0x1, {0x2})\n\t/x/policy.go:1 +0x1\n" +
			"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager.(*manager).Admit(...)\n\t/x/y.go:2\nmain.main()\n\n" +
			"goroutine 2 [running]:\nk8s.io/kubernetes/pkg/kubelet/cm/cpumanager.(*manager).Start(0x1)\n")
	}
	a := dump("k8s.io/kubernetes/pkg/kubelet/cm/topologymanager.iterate.func1(0x1)\n\t/x:1\nk8s.io/kubernetes/pkg/kubelet/cm/topologymanager.iterate.func1(0x1)\n\t/x:1\n")
	g.Expect(a).To(Equal([]string{"topologymanager.iterate", "topologymanager.(*HintMerger).Merge", "topologymanager.(*manager).Admit"}))
	g.Expect(sameCallers(a, dump("k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask.And(0x1)\n\t/x:1\n"))).To(Equal(a[1:]))
	g.Expect(sameCallers(a, a)).To(Equal(a))
}
