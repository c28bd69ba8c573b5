package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// TestEphemeralContainer: one that was added counts for nothing else in its pod, and
// only a running pod that the kubelet knows gets one.
func TestEphemeralContainer(t *testing.T) {
	g := NewWithT(t)
	decoder, err := kubelet.NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	s, err := sim.NewLoader(decoder, nil).Parse([]byte(`
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: ephemeral}
profile: generic-1s4c
kubelet: {cpuManagerPolicy: none}
steps:
- startKubelet: {}
- createPod: {name: a, restartPolicy: Never, containers: [{name: app, cpu: 1, memory: 64Mi}]}
- addEphemeralContainer: {pod: a, name: debug}
- resizePod: {container: a/app, cpu: 2}
- exitContainer: a/debug
- restartKubelet: {sourcesNotReady: true}
`), "ephemeral.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	p, err := hwprofiles.Resolve(s.Profile)
	g.Expect(err).NotTo(HaveOccurred())
	n, err := sim.New(s, p, sim.Options{Decoder: decoder})
	g.Expect(err).NotTo(HaveOccurred())
	defer n.Close()
	var o observe.Observation
	for i := range s.Steps {
		g.Expect(n.Apply(t.Context(), s.Steps[i].Event)).To(Succeed(), "%s", s.Steps[i].Event)
		o, err = n.Observe(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		if _, resized := s.Steps[i].Event.(scenarios.ResizePod); resized {
			g.Expect(o.Resizes).To(Equal([]observe.Admission{{Pod: "a", Admitted: true}}))
		}
	}
	g.Expect(o.Containers).To(HaveLen(2))
	g.Expect(o.Containers[0].State).To(Equal(observe.StateRunning))
	g.Expect([]any{o.Containers[1].Kind, o.Containers[1].State}).To(Equal([]any{observe.KindEphemeral, observe.StateTerminated}))
	for _, e := range []scenarios.Event{
		scenarios.AddEphemeralContainer{Pod: "a", Name: "early"}, // the kubelet has not heard of it
		scenarios.AddEphemeralContainer{Pod: "b", Name: "debug"},
	} {
		g.Expect(n.Apply(t.Context(), e)).To(MatchError(scenarios.ErrMisuse))
	}
}
