package scenarios

import (
	"fmt"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
)

// Requires marks a scenario that holds on any machine of at least this size. A
// scenario without it is about the machine it names.
type Requires struct {
	// CPUs, NUMANodes and SMT are the least numbers of online CPUs, of NUMA
	// nodes with CPUs and of siblings to a core.
	CPUs, NUMANodes, SMT int
	// Config are expressions over the kubelet's configuration and the machine.
	// A scenario that has some holds under every configuration for which they
	// are true; one without holds under its own.
	Config []CELExpr
}

// Unmet says why a machine is too small, or "" when it is not. It may be
// called on nil. UnmetConfig is about the configuration.
func (r *Requires) Unmet(p *hwprofiles.Profile) string {
	if r == nil {
		return ""
	}
	nodes, online := 0, p.OnlineCPUs()
	for _, n := range p.NUMANodes {
		if !p.CPUsInNode(n.ID).Intersection(online).IsEmpty() {
			nodes++
		}
	}
	for _, c := range []struct {
		what       string
		want, have int
	}{
		{"CPUs", r.CPUs, online.Size()},
		{"NUMA nodes with online CPUs", r.NUMANodes, nodes},
		{"siblings to a core", r.SMT, p.SMTLevel()},
	} {
		if c.have < c.want {
			return fmt.Sprintf("needs %d %s, %s has %d", c.want, c.what, p.Name, c.have)
		}
	}
	return ""
}

// Skipped is the result of a scenario that does not apply to a machine.
func Skipped(s *Scenario, p *hwprofiles.Profile, why string) Result {
	r := newResult(s, p)
	r.Verdict, r.Reason = Skip, why
	return r
}

// Title is the first sentence of the story.
func (s *Scenario) Title() string {
	text := strings.Join(strings.Fields(s.Story), " ")
	if i := strings.Index(text, ". "); i >= 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(text, ".")
}
