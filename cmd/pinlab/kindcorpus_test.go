package main

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/worker"
)

// onKind says that a kind node can do all that a scenario asks for.
func onKind(s *scenarios.Scenario) bool {
	if len(s.Devices) > 0 {
		return false
	}
	for _, step := range s.Steps {
		switch e := step.Event.(type) {
		case scenarios.StartKubelet:
			if e.SourcesNotReady {
				return false
			}
		case scenarios.RestartKubelet:
			if e.SourcesNotReady {
				return false
			}
		case nil, scenarios.StopKubelet, scenarios.KillKubelet, scenarios.CreatePod, scenarios.DeletePod, scenarios.ExitContainer,
			scenarios.DeleteStateFile, scenarios.WriteStateFile, scenarios.EditStateFile, scenarios.Reconcile, scenarios.Advance,
			scenarios.FailRuntimeUpdate, scenarios.ClobberCPUSet, scenarios.LimitOpenFiles, scenarios.ClearFaults,
			scenarios.ResizePod, scenarios.AddEphemeralContainer:
		default:
			return false
		}
	}
	return true
}

// TestKindCounts counts the scenarios of the corpus that a kind cluster replays to
// their end, for the table in docs/kind.md:
//
//	go test -run KindCounts -v ./cmd/pinlab
func TestKindCounts(t *testing.T) {
	g := NewWithT(t)
	tools, err := newToolchain()
	g.Expect(err).NotTo(HaveOccurred())
	var corpus []*scenarios.Scenario
	for _, name := range scenarios.CorpusNames() {
		s, err := tools.loader.LoadCorpus(name)
		g.Expect(err).NotTo(HaveOccurred())
		corpus = append(corpus, s)
	}
	count := func(is func(*scenarios.Scenario) bool) (all, whole int) {
		for _, s := range corpus {
			if !is(s) {
				continue
			}
			all++
			if onKind(s) {
				whole++
			}
		}
		return all, whole
	}
	tell := func(what string, is func(*scenarios.Scenario) bool) {
		all, whole := count(is)
		t.Logf("%-40s %3d scenarios, %3d to their end", what, all, whole)
		g.Expect(whole).To(BeNumerically(">", 0), what)
	}
	tell("the corpus", func(*scenarios.Scenario) bool { return true })
	tell("with requires", func(s *scenarios.Scenario) bool { return s.Requires != nil })
	tell("on machines that the lab makes", func(s *scenarios.Scenario) bool {
		p, err := hwprofiles.Resolve(s.Profile)
		return err == nil && lab.Check(p) == nil
	})
	for _, name := range []string{"detected", "generic-1s4c", "generic-2s4c-smt2"} {
		var p *hwprofiles.Profile
		if name == "detected" {
			p, err = worker.Resolve(worker.Detected, "/")
		} else {
			p, err = hwprofiles.Resolve(name)
		}
		g.Expect(err).NotTo(HaveOccurred())
		if name == "detected" {
			t.Logf("detected: CPUs %s", p.OnlineCPUs())
		}
		all, whole := count(func(s *scenarios.Scenario) bool {
			if s.Requires != nil {
				return s.Requires.Unmet(p) == ""
			}
			return s.Profile == name
		})
		t.Logf("%-40s %3d scenarios, %3d to their end", "on "+name, all, whole)
	}
}
