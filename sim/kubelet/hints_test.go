package kubelet

import (
	"testing"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"
)

func TestAdmitExplained(t *testing.T) {
	g := NewWithT(t)
	d := &desk{pods: []*v1.Pod{guaranteed("db", 6), guaranteed("big", 4)}}
	l := start(t, params(t, d, static))
	res, rounds, err := l.AdmitExplained(d.pods[0], nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(res.Admitted).To(BeTrue())
	g.Expect(rounds).To(HaveLen(1))
	g.Expect(rounds[0].Container).To(Equal("app"))
	g.Expect(rounds[0].Before.Entries).To(BeEmpty())
	g.Expect(rounds[0].Answers).To(Equal([]ResourceHints{
		{Provider: "devices", NoPreference: true},
		{Provider: "cpu", Resource: "cpu", Hints: []Hint{
			{Nodes: []int{0}, Preferred: true}, {Nodes: []int{1}, Preferred: true}, {Nodes: []int{0, 1}},
		}},
		{Provider: "memory", NoPreference: true},
	}))
	g.Expect(rounds[0].Best).To(Equal(Hint{Nodes: []int{0}, Preferred: true}))

	l.Log() // taking the log in between must not confuse the next reading
	res, rounds, err = l.AdmitExplained(d.pods[1], d.pods[:1])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(res.Admitted).To(BeTrue())
	g.Expect(rounds[0].Best).To(Equal(Hint{Nodes: []int{1}, Preferred: true}))
	g.Expect(rounds[0].Before.Entries).To(HaveLen(1))
}

func TestAdmitExplainedInPodScope(t *testing.T) {
	g := NewWithT(t)
	d := &desk{pods: []*v1.Pod{guaranteed("db", 9)}}
	l := start(t, params(t, d, `{cpuManagerPolicy: static, reservedSystemCPUs: "0", topologyManagerPolicy: single-numa-node, topologyManagerScope: pod}`))
	res, rounds, err := l.AdmitExplained(d.pods[0], nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(res.Reason).To(Equal("TopologyAffinityError"))
	g.Expect(rounds).To(HaveLen(1))
	g.Expect(rounds[0].Container).To(BeEmpty())
	g.Expect(rounds[0].Best.Preferred).To(BeFalse())
}

func TestAdmitExplainedWithoutAlignment(t *testing.T) {
	g := NewWithT(t)
	d := &desk{pods: []*v1.Pod{guaranteed("db", 2)}}
	l := start(t, params(t, d, `{cpuManagerPolicy: static, reservedSystemCPUs: "0"}`))
	_, rounds, err := l.AdmitExplained(d.pods[0], nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rounds).To(BeEmpty())
}

func TestGateEnabled(t *testing.T) {
	g := NewWithT(t)
	p := params(t, &desk{}, `{featureGates: {PodLevelResourceManagers: true}}`)
	g.Expect(p.Config.GateEnabled("PodLevelResourceManagers")).To(BeTrue())
	g.Expect(p.Config.GateEnabled("NoSuchGate")).To(BeFalse())
	p = params(t, &desk{}, `{}`)
	g.Expect(p.Config.GateEnabled("PodLevelResourceManagers")).To(BeFalse())
	g.Expect(ResetFeatureGates()).To(Succeed())
}
