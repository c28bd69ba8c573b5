package kubelet

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestConfigErrors(t *testing.T) {
	decoder, err := NewConfigDecoder()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for config, want := range map[string]string{
		`{featureGates: {NoSuchGate: true}}`:               "unrecognized feature gate: NoSuchGate",
		`{featureGates: {podLevelResourceManagers: true}}`: `did you mean "PodLevelResourceManagers"?`,
		`{reservedSystemCPUs: "0-4000000000"}`:             "is not a CPU id between 0 and 8191",
		`{cpuManagerPolicyy: static}`:                      "cpuManagerPolicyy",
		`{kind: Pod}`:                                      "kind is Pod, want KubeletConfiguration",
		`[1, 2]`:                                           "KubeletConfiguration",
		`{topologyManagerPolicy: sometimes}`:               "topologyManagerPolicy",
		"\t":                                               "",
		"":                                                 "",
	} {
		g := NewWithT(t)
		_, err := decoder.Decode([]byte(config))
		if want == "" {
			g.Expect(err).NotTo(HaveOccurred(), config)
		} else {
			g.Expect(err).To(MatchError(ContainSubstring(want)), config)
		}
	}
}

// TestGatesAreThoseOfTheLastConfig starts a kubelet with a gate and one
// without: the second has the default again.
func TestGatesAreThoseOfTheLastConfig(t *testing.T) {
	g := NewWithT(t)
	with := start(t, params(t, &desk{}, `{featureGates: {PodLevelResourceManagers: true}}`))
	g.Expect(with.params.Config.GateEnabled("PodLevelResourceManagers")).To(BeTrue())
	with.Stop()
	without := start(t, params(t, &desk{}, `{}`))
	g.Expect(without.params.Config.GateEnabled("PodLevelResourceManagers")).To(BeFalse())
}

// Nodes that log as JSON have configurations like others.
func TestJSONLogging(t *testing.T) {
	d, err := NewConfigDecoder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Decode([]byte(`{"cpuManagerPolicy":"none","logging":{"format":"json"}}`)); err != nil {
		t.Error(err)
	}
}
