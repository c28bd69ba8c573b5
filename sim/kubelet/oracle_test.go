package kubelet_test

import (
	"fmt"
	"os"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// crowd is a bareNode with any number of pods.
type crowd struct {
	*bareNode
	pods []*v1.Pod
}

func (c *crowd) ActivePods() []*v1.Pod { return c.pods }

// TestSameSetsAsTheBareManager plays random pod lives twice, through pinlab
// and through direct calls of the upstream managers: each container must get
// the same CPUs, and the shared pool must be the same.
func TestSameSetsAsTheBareManager(t *testing.T) {
	decoder, err := kubelet.NewConfigDecoder()
	must(t, err)
	names := []string{"generic-2s4c-smt2", "xeon-2s24c-smt2", "epyc-7451-2s", "power9-2s20c"}
	rapid.Check(t, func(rt *rapid.T) {
		p, err := hwprofiles.Load(rapid.SampledFrom(names).Draw(rt, "profile"))
		must(t, err)
		policy := rapid.SampledFrom([]string{"none", "best-effort", "restricted", "single-numa-node"}).Draw(rt, "policy")
		machine, err := p.MachineInfo()
		must(t, err)
		dir, err := os.MkdirTemp(sim.StateBase(), "pinlab-oracle-")
		must(t, err)
		defer os.RemoveAll(dir)
		bare := &crowd{bareNode: newBareNode(t, machine, dir, policy)}
		bare.active = bare.ActivePods
		s := &scenarios.Scenario{
			Name: "oracle", Reconcile: scenarios.ReconcileAuto,
			Kubelet: fmt.Appendf(nil, `{"cpuManagerPolicy":"static","topologyManagerPolicy":%q,"reservedSystemCPUs":"0,%d","evictionHard":{}}`, policy, machine.NumCores/2),
		}
		node, err := sim.New(s, p, sim.Options{Decoder: decoder})
		must(t, err)
		defer node.Close()
		must(t, node.Apply(t.Context(), scenarios.StartKubelet{}))
		for i := range rapid.IntRange(1, 25).Draw(rt, "events") {
			if len(bare.pods) > 0 && rapid.IntRange(0, 2).Draw(rt, "what") == 0 {
				k := rapid.IntRange(0, len(bare.pods)-1).Draw(rt, "which")
				must(t, node.Apply(t.Context(), scenarios.DeletePod{Pod: bare.pods[k].Name}))
				bare.pods = append(bare.pods[:k:k], bare.pods[k+1:]...)
				bare.tick()
			} else {
				pod := oraclePod(rapid.IntRange(1, 12).Draw(rt, "cpus"), i)
				must(t, node.Apply(t.Context(), scenarios.CreatePod{Pod: pod}))
				bare.pods = append(bare.pods, pod)
				r := bare.topology.Admit(bare.ctx, &lifecycle.PodAdmitAttributes{Pod: pod, Operation: lifecycle.AddOperation})
				if !r.Admit {
					bare.pods = bare.pods[:len(bare.pods)-1]
					must(t, node.Apply(t.Context(), scenarios.DeletePod{Pod: pod.Name}))
				}
				bare.tick()
			}
			compare(rt, node, bare)
		}
	})
}

func oraclePod(cpus, i int) *v1.Pod {
	list := v1.ResourceList{v1.ResourceCPU: *resource.NewQuantity(int64(cpus), resource.DecimalSI), v1.ResourceMemory: resource.MustParse("64Mi")}
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i), Namespace: "default", UID: types.UID(fmt.Sprintf("uid-%d", i))},
		Spec: v1.PodSpec{Containers: []v1.Container{{
			Name: "app", Image: "app", Resources: v1.ResourceRequirements{Requests: list, Limits: list},
		}}},
	}
}

func compare(t *rapid.T, node *sim.Node, bare *crowd) {
	o, err := node.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	state := bare.cpu.State()
	if want := observe.FromSet(state.GetDefaultCPUSet()); o.SharedPool != want {
		t.Fatalf("shared pool %s, the bare manager has %s", o.SharedPool, want)
	}
	if len(o.Containers) != len(bare.pods) {
		t.Fatalf("%d containers, want %d", len(o.Containers), len(bare.pods))
	}
	for i, c := range o.Containers {
		want := observe.FromSet(state.GetCPUSetOrDefault(string(bare.pods[i].UID), "app"))
		if c.Assigned != want || c.Actual != want {
			t.Fatalf("%s assigned %s, actual %s, the bare manager has %s", c.Ref(), c.Assigned, c.Actual, want)
		}
	}
}
