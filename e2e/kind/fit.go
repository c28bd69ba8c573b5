package kind

import (
	"fmt"
	"slices"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// unfit says why a scenario that is to be replayed on a profile is not replayed
// on the machine that is there; empty when it is. One that says what machine it
// requires runs on any that has it, another only where the CPUs are the same.
func unfit(s *scenarios.Scenario, p, here *hwprofiles.Profile) string {
	if s.Requires != nil {
		return s.Requires.Unmet(here)
	}
	if sameCPUs(p, here) {
		return ""
	}
	return fmt.Sprintf("the scenario is about %s (%s); a kind node has its host's CPUs (%s)", p.Name, inShort(p), inShort(here))
}

// SameMachine says in what a machine that was asked for differs from the one that
// is there; nil when its CPUs are the same.
func SameMachine(p, here *hwprofiles.Profile) error {
	if sameCPUs(p, here) {
		return nil
	}
	return fmt.Errorf("%s has %s; a kind node has its host's CPUs (%s)", p.Name, inShort(p), inShort(here))
}

// sameCPUs says that two machines have the same CPUs in the same places. What
// cores, sockets and caches are called, and how much memory there is, is left
// out.
func sameCPUs(a, b *hwprofiles.Profile) bool { return slices.Equal(places(a), places(b)) }

// place is where a CPU is: what shares something with it is called by the lowest
// CPU of it.
type place struct {
	id, node, socket, core, cache int
	online                        bool
}

func places(p *hwprofiles.Profile) []place {
	var out []place
	for _, c := range p.CPUs {
		lowest := func(same func(*hwprofiles.CPU) bool) int { return p.CPUsWhere(same).List()[0] }
		at := place{id: c.ID, node: c.NUMANode, core: c.Siblings.List()[0], cache: hwprofiles.None, online: c.Online}
		at.socket = lowest(func(o *hwprofiles.CPU) bool { return o.Package == c.Package })
		if c.UncoreCache != hwprofiles.None {
			at.cache = lowest(func(o *hwprofiles.CPU) bool { return o.UncoreCache == c.UncoreCache })
		}
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b place) int { return a.id - b.id })
	return out
}

func inShort(p *hwprofiles.Profile) string {
	nodes := 0
	for _, n := range p.NUMANodes {
		if !p.CPUsInNode(n.ID).IsEmpty() {
			nodes++
		}
	}
	return fmt.Sprintf("CPUs %s, NUMA nodes with CPUs: %d, siblings to a core: %d", p.OnlineCPUs(), nodes, p.SMTLevel())
}
