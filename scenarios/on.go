package scenarios

import (
	"encoding/json"
	"slices"

	"github.com/pinlab/pinlab/hwprofiles"
)

// On is the scenario on a machine: sizes in units of the machine are worked
// out, everything else stays. The scenario itself is not changed.
func (s *Scenario) On(p *hwprofiles.Profile) *Scenario {
	sized := func(step Step) bool {
		e, ok := step.Event.(CreatePod)
		return ok && len(e.Sizes) > 0
	}
	if !slices.ContainsFunc(s.Steps, sized) {
		return s
	}
	there := *s
	there.Steps = slices.Clone(s.Steps)
	for i := range there.Steps {
		if e, ok := there.Steps[i].Event.(CreatePod); ok {
			there.Steps[i].Event = e.on(p)
		}
	}
	return &there
}

// With is the scenario with a merge patch (RFC 7386) on its kubelet
// configuration. The scenario itself is not changed.
func (s *Scenario) With(patch json.RawMessage) (*Scenario, error) {
	if len(patch) == 0 {
		return s, nil
	}
	merged, err := MergeConfig(s.Kubelet, patch)
	if err != nil {
		return nil, err
	}
	changed := *s
	changed.Kubelet = merged
	return &changed, nil
}
