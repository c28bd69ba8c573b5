package report

import (
	"slices"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/owners"
)

// observed says whether a step has an observation of its own. A step that
// only asks has none: nothing has happened since the one before.
func observed(s *observe.Step) bool { return s.Observation.Kubelet != "" }

// lastSeen returns the observation that was current in step i.
func lastSeen(steps []observe.Step, i int) *observe.Observation {
	for ; i >= 0; i-- {
		if observed(&steps[i]) {
			return &steps[i].Observation
		}
	}
	return nil
}

// ownFailures are a step's failures without those that repeat a violation.
func ownFailures(s *observe.Step) []string {
	var out []string
	for _, f := range s.Failures {
		repeats := slices.ContainsFunc(s.Violations, func(v observe.Violation) bool {
			return strings.HasPrefix(f, "invariant "+v.Invariant+": ") && strings.HasSuffix(f, v.Detail)
		})
		if !repeats {
			out = append(out, f)
		}
	}
	return out
}

// violationText is one violation in one line.
func violationText(v observe.Violation) string {
	text := v.Invariant + ": " + v.Detail
	if v.Expected {
		text += " (expected)"
	}
	return text
}

// machineOf finds the machine to draw an observation on: nil when it is not
// known, or when the node has become another machine since.
func machineOf(r *scenarios.Result, o *observe.Observation, find func(*scenarios.Result) *hwprofiles.Profile) *hwprofiles.Profile {
	if o == nil {
		return nil
	}
	var p *hwprofiles.Profile
	if find != nil {
		p = find(r)
	} else if named, err := hwprofiles.Resolve(r.Profile); err == nil {
		p = named
	}
	if p == nil || !o.Online.Set().IsSubsetOf(p.AllCPUs()) {
		return nil
	}
	return p
}

// containerCPUs says what a container runs on: its CPUs or the pool's name.
func containerCPUs(o *observe.Observation, c *observe.Container) string {
	switch {
	case c.Assigned == "":
		return "-"
	case c.Exclusive:
		return string(c.Assigned)
	case owners.PodShared(o, c):
		return string(c.Assigned) + " (pod's)"
	default:
		return "shared"
	}
}
