package explain

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// inline asks about pods on the small machine (node 0: 0-3,8-11, node 1:
// 4-7,12-15), with CPUs 0 and 8 reserved.
func inline(t *testing.T, config, manifest string) *Report {
	t.Helper()
	g := NewWithT(t)
	decoder, err := kubelet.NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	pods, err := LoadPods([]byte(manifest), "pod.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	profile, err := hwprofiles.Load(small)
	g.Expect(err).NotTo(HaveOccurred())
	r, err := Explain(context.Background(), Options{
		Decoder: decoder, Pods: pods, Profile: profile,
		Config: []byte(`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0,8"` + config + `}`),
	})
	g.Expect(err).NotTo(HaveOccurred())
	return r
}

func pod(name, containers string) string {
	return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n  containers:\n" + containers
}

func limits(name, list string) string {
	return "  - {name: " + name + ", image: a, resources: {limits: {" + list + "}}}\n"
}

func TestBecause(t *testing.T) {
	const podScope = `,"topologyManagerScope":"pod"`
	for _, c := range []struct{ name, config, manifest, reason, because string }{
		{
			"restricted wants as few nodes as the machine's size allows", `,"topologyManagerPolicy":"restricted"`,
			pod("a", limits("app", "cpu: 3, memory: 64Mi")) + pod("b", limits("app", "cpu: 6, memory: 64Mi")) + pod("c", limits("app", "cpu: 4, memory: 64Mi")),
			"TopologyAffinityError", "container app needs 4 CPUs in one NUMA node; node 0 has 3 free, node 1 has 2 free",
		},
		{
			"pod scope counts the pod", `,"topologyManagerPolicy":"single-numa-node"` + podScope,
			pod("a", limits("app", "cpu: 5, memory: 64Mi")+limits("log", "cpu: 4, memory: 64Mi")),
			"TopologyAffinityError", "the pod needs 9 CPUs in one NUMA node; node 0 has 6 free, node 1 has 8 free",
		},
		{
			"container scope counts what the containers before took", `,"topologyManagerPolicy":"single-numa-node"`,
			pod("a", limits("one", "cpu: 6, memory: 64Mi")+limits("two", "cpu: 6, memory: 64Mi")+limits("three", "cpu: 2, memory: 64Mi")+limits("four", "cpu: 1, memory: 64Mi")),
			"TopologyAffinityError", "container four needs 1 CPU in one NUMA node; node 0 has 0 free, node 1 has 0 free",
		},
		{
			"no memory on the node", `,"evictionHard":{"memory.available":"100Mi"}`,
			pod("a", limits("app", "cpu: 2, memory: 80Gi")),
			"OutOfmemory", "the pod requests 80Gi, node allocatable is 63.9Gi (64Gi - 100Mi reserved): 16.1Gi missing",
		},
		{
			"whole cores only", `,"cpuManagerPolicyOptions":{"full-pcpus-only":"true"}`,
			pod("a", limits("app", "cpu: 2, memory: 64Mi")+limits("log", "cpu: 1, memory: 64Mi")),
			"SMTAlignmentError", "container log asks for 1 CPU, and with full-pcpus-only the CPUs come as whole cores of 2",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := inline(t, c.config, c.manifest)
			last := r.Pods[len(r.Pods)-1]
			g.Expect(last.Admission.Reason).To(Equal(c.reason), last.Admission.Message)
			g.Expect(last.Admission.Because).To(Equal(c.because))
		})
	}
}

func TestRequestsAndLimitsBytes(t *testing.T) {
	g := NewWithT(t)
	for n, want := range map[int64]string{0: "0", 1023: "1023", 1 << 20: "1Mi", 3 << 29: "1.5Gi", 1<<30 - 1: "1023.9Mi"} {
		g.Expect(bytesText(n)).To(Equal(want))
	}
}
