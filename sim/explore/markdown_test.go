package explore

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/invariant"
)

// TestMarkdownPath tells a finding with its path, a function to a line, with what it
// also happens with, and a hang with its own log.
func TestMarkdownPath(t *testing.T) {
	g := NewWithT(t)
	f := &Finding{
		Cause:    Cause{Broken: invariant.NoLeak, Path: allocate[:2], Errors: []string{"policy error"}},
		Root:     Cause{Broken: invariant.NoLeak, Path: allocate[:2], Errors: []string{"policy error"}},
		Hit:      Hit{Text: "a/init has ended"},
		Needs:    []string{"init container"},
		Also:     [][]string{{"init container", "restart"}, {"sidecar"}},
		Scenario: &scenarios.Scenario{Kubelet: json.RawMessage("{}"), Steps: []scenarios.Step{{Event: scenarios.StartKubelet{}}}},
	}
	text := (Saver{}).markdown(f, nil, nil)
	g.Expect(text).To(ContainSubstring("**Where:**\n\n- `cpumanager.(*staticPolicy).allocateForAdd`\n- `cpumanager.(*staticPolicy).Allocate`\n\n**Error:** policy error\n"))
	g.Expect(text).To(ContainSubstring("**Needed for it:** init container\n\n**Also with:**\n\n- init container, restart\n- sidecar\n"))
	f.Cause.Broken, f.Hit.Log = BrokenHang, []string{"I one", "I two"}
	g.Expect((Saver{}).markdown(f, nil, nil)).To(ContainSubstring("**Log:**\n\n```\nI one\nI two\n```"))
}

// TestAlsoIsBounded keeps a report readable.
func TestAlsoIsBounded(t *testing.T) {
	g := NewWithT(t)
	var also [][]string
	for range 9 {
		also = append(also, []string{"a", "b"})
	}
	texts := alsoTexts(also)
	g.Expect(texts).To(HaveLen(7))
	g.Expect(texts[0]).To(Equal("a, b"))
	g.Expect(texts[6]).To(Equal("3 more"))
}
