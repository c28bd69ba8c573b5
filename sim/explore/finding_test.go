package explore

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/invariant"
)

// TestIdentity tells findings apart by what is broken and where, and not by what they
// need; but what is known and what is not stay apart.
func TestIdentity(t *testing.T) {
	g := NewWithT(t)
	c := Cause{Broken: invariant.NoLeak, Path: []string{"cpumanager.(*staticPolicy).allocateForAdd"}, Event: "createPod", Detail: "one"}
	id := findingID(c, nil)
	other := func(change func(c *Cause)) string {
		o := c
		change(&o)
		return findingID(o, nil)
	}
	g.Expect(other(func(c *Cause) { c.Event, c.Detail = "deletePod", "two" })).To(Equal(id))
	g.Expect(other(func(c *Cause) { c.Broken = invariant.Aligned })).NotTo(Equal(id))
	g.Expect(other(func(c *Cause) { c.Path = []string{"cpumanager.(*staticPolicy).RemoveContainer"} })).NotTo(Equal(id))
	g.Expect(other(func(c *Cause) { c.Errors = []string{"e"} })).NotTo(Equal(id))
	g.Expect(findingID(c, &Known{Name: "a"})).NotTo(Equal(id), "what is new does not hide behind what is known")
	g.Expect(findingID(c, &Known{Name: "a"})).NotTo(Equal(findingID(c, &Known{Name: "b"})))
	c.Path = nil
	g.Expect(other(func(c *Cause) { c.Detail = "two" })).NotTo(Equal(findingID(c, nil)), "without a path the text counts")
}

// TestFindingsMerge keeps the smallest scenario of a cause, and what others need.
func TestFindingsMerge(t *testing.T) {
	finding := func(run int, needs ...string) *Finding {
		s := &scenarios.Scenario{}
		for range needs {
			s.Steps = append(s.Steps, scenarios.Step{Event: scenarios.RestartKubelet{}})
		}
		return &Finding{ID: "x", Run: run, Needs: needs, Scenario: s}
	}
	for _, order := range [][]*Finding{
		{finding(1, "a", "b", "c"), finding(2, "a"), finding(3, "b", "c"), finding(4, "a")},
		{finding(1, "a"), finding(2, "a", "b", "c"), finding(3, "a", "b", "c"), finding(4, "b", "c")},
	} {
		g := NewWithT(t)
		var l Findings
		for _, f := range order {
			l.add(f)
		}
		g.Expect(l.List()).To(HaveLen(1))
		f := l.List()[0]
		g.Expect(f.Needs).To(Equal([]string{"a"}))
		g.Expect(f.Also).To(Equal([][]string{{"b", "c"}, {"a", "b", "c"}}))
		g.Expect(f.Seen).To(Equal(4))
		g.Expect(f.Run).To(Equal(1), "where it was seen first")
	}
}
