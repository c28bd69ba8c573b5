package sim_test

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// TestUncountableStateFileIsTheScenariosMistake writes and edits CPUs that no
// kernel has: the scenario is wrong where it does so, and nobody counts them.
func TestUncountableStateFileIsTheScenariosMistake(t *testing.T) {
	decoder, err := kubelet.NewConfigDecoder()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	huge := `"0-2000000000"`
	edit := scenarios.EditStateFile{File: scenarios.CPUState, Set: map[string]json.RawMessage{"defaultCpuSet": json.RawMessage(huge)}}
	fixed, ofPod := edit, edit
	fixed.FixChecksum = true
	ofPod.FixChecksum, ofPod.Set = true, map[string]json.RawMessage{"podEntries": json.RawMessage(`{"u":{"cpuSet":` + huge + `}}`)}
	for name, event := range map[string]scenarios.Event{
		"written": scenarios.WriteStateFile{File: scenarios.CPUState, Content: `{"policyName":"static","defaultCpuSet":` + huge + `,"checksum":0}`},
		"edited":  edit, "edited and fixed": fixed, "of a pod": ofPod,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := hwprofiles.Load("generic-2s4c-smt2")
			g.Expect(err).NotTo(HaveOccurred())
			s := &scenarios.Scenario{
				Name: name, Profile: p.Name, Kubelet: []byte(`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`),
				Steps: []scenarios.Step{
					{Event: scenarios.StartKubelet{}}, {Event: scenarios.StopKubelet{}}, {Event: event}, {Event: scenarios.StartKubelet{}},
				},
			}
			r := scenarios.Runner{}.RunSetup(t.Context(), s, sim.Setup(sim.Options{Decoder: decoder, TempDir: t.TempDir()}), p)
			g.Expect(r.Verdict).To(Equal(scenarios.Errored))
			g.Expect(r.Misuse).To(BeTrue(), r.Reason)
			g.Expect(r.Reason).To(ContainSubstring(`cpu_manager_state: not a CPU manager state file: CPU list "0-2000000000": 2000000000 is not a CPU id between 0 and 8191`))
			g.Expect(strings.Count(r.Reason, "scenario error")).To(Equal(1), r.Reason)
			g.Expect(r.Steps).To(HaveLen(3), "the event is where it stops")
		})
	}
}

// TestDamagedStateFileIsData leaves what is merely malformed to the kubelet.
func TestDamagedStateFileIsData(t *testing.T) {
	g := NewWithT(t)
	decoder, err := kubelet.NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	p, err := hwprofiles.Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	for _, content := range []string{"", "{", `{"policyName":5}`, `{"policyName":"static","defaultCpuSet":"a-b","checksum":0}`} {
		s := &scenarios.Scenario{
			Name: "damaged", Profile: p.Name, Kubelet: []byte(`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`),
			Steps: []scenarios.Step{
				{Event: scenarios.WriteStateFile{File: scenarios.CPUState, Content: content}}, {Event: scenarios.StartKubelet{}},
			},
		}
		r := scenarios.Runner{}.RunSetup(t.Context(), s, sim.Setup(sim.Options{Decoder: decoder, TempDir: t.TempDir()}), p)
		g.Expect(r.Misuse).To(BeFalse(), r.Reason)
		g.Expect(r.Steps).To(HaveLen(2))
		g.Expect(r.Steps[1].Observation.KubeletError).To(ContainSubstring("could not restore state from checkpoint"))
	}
}
