package scenarios

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// Unmet says why the scenario, with the configuration that it has, does not
// apply to a machine other than its own; "" when it does.
func (s *Scenario) Unmet(p *hwprofiles.Profile) string {
	if why := s.Requires.Unmet(p); why != "" || s.Requires == nil || len(s.Requires.Config) == 0 {
		return why
	}
	return s.Requires.UnmetConfig(s.Kubelet, p)
}

// UnmetConfig says why the scenario does not apply to the kubelet configuration
// that it has, on a machine; "" when it does. It may be called on nil, for a
// scenario that holds under its own configuration only.
func (r *Requires) UnmetConfig(config json.RawMessage, p *hwprofiles.Profile) string {
	if r == nil || len(r.Config) == 0 {
		return "is about its own configuration (requires.config says for which others it holds)"
	}
	seen := Seen{Profile: p}
	var err error
	if seen.Observation.Config, err = plainConfig(config); err != nil {
		return err.Error()
	}
	vars := func() map[string]any { return celVars(&seen) }
	for i := range r.Config {
		if trouble := r.Config[i].eval(context.Background(), vars); trouble != "" {
			return fmt.Sprintf("needs %s", oneLine(r.Config[i].Expr))
		}
	}
	return ""
}

// plainConfig is what expressions see of a configuration before a kubelet has
// read it, with upstream's defaults.
func plainConfig(config json.RawMessage) (observe.Config, error) {
	var c struct {
		CPUManagerPolicy        string            `json:"cpuManagerPolicy"`
		CPUManagerPolicyOptions map[string]string `json:"cpuManagerPolicyOptions"`
		TopologyManagerPolicy   string            `json:"topologyManagerPolicy"`
		TopologyManagerScope    string            `json:"topologyManagerScope"`
		MemoryManagerPolicy     string            `json:"memoryManagerPolicy"`
	}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &c); err != nil {
			return observe.Config{}, fmt.Errorf("kubelet configuration: %w", err)
		}
	}
	return observe.Config{
		CPUManagerPolicy:        cmp.Or(c.CPUManagerPolicy, "none"),
		CPUManagerPolicyOptions: c.CPUManagerPolicyOptions,
		TopologyManagerPolicy:   cmp.Or(c.TopologyManagerPolicy, "none"),
		TopologyManagerScope:    cmp.Or(c.TopologyManagerScope, "container"),
		MemoryManagerPolicy:     cmp.Or(c.MemoryManagerPolicy, "None"),
	}, nil
}
