package explain

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/pinlab/pinlab/scenarios"
)

// patches are changes of the kubelet's configuration that may help a pod, the
// smallest first.
func (s *search) patches() []map[string]any {
	c := s.report.Kubelet.Config
	var list []map[string]any
	switch {
	case c.CPUManagerPolicy != "static":
		list = append(list, map[string]any{"cpuManagerPolicy": "static"},
			map[string]any{"cpuManagerPolicy": "static", "kubeReserved": map[string]any{"cpu": "1"}})
	case s.p.Admission.Reason == "SMTAlignmentError":
		list = append(list, map[string]any{"cpuManagerPolicyOptions": map[string]any{"full-pcpus-only": "false"}})
	case s.misfit() && c.TopologyManagerScope == "pod":
		list = append(list, map[string]any{"topologyManagerScope": "container"})
	}
	if s.misfit() && c.TopologyManagerPolicy == "single-numa-node" {
		list = append(list, map[string]any{"topologyManagerPolicy": "restricted"})
	}
	if s.misfit() {
		list = append(list, map[string]any{"topologyManagerPolicy": "best-effort"})
	}
	if hasPodLevel(s.m.Pod) && !s.base.config.GateEnabled(gatePodLevelManagers) {
		gate := map[string]any{gatePodLevelManagers: true}
		list = append(list, map[string]any{"featureGates": gate},
			map[string]any{"featureGates": gate, "topologyManagerPolicy": "best-effort", "topologyManagerScope": "pod"})
	}
	return list
}

// config tries changes of the kubelet's configuration: with the pod as it is,
// else with the pod changed, too.
func (s *search) config(ctx context.Context) error {
	if len(s.found) >= most || s.p.Verdict == NotPlaced {
		return nil
	}
	for _, patch := range s.patches() {
		merged, configEdits, err := patched(s.Config, patch)
		if err != nil {
			return err
		}
		if _, err := s.Decoder.Decode(merged); err != nil {
			continue // it does not go with the rest of the configuration
		}
		outcome, notes, err := s.try(ctx, merged, s.m.Pod)
		if err != nil {
			return err
		}
		if _, policy := patch["cpuManagerPolicy"]; policy && len(notes) == 0 {
			notes = append(notes, "a node that ran with another cpuManagerPolicy has to be drained, and "+statePath+" deleted while the kubelet is stopped")
		}
		if outcome != nil {
			g := Suggestion{Config: configEdits, Notes: notes, Outcome: outcome}
			g.Title = title(&g)
			s.add(g)
			return nil
		}
		before := len(s.found)
		if before > 0 {
			continue // there is a change of the pod alone already
		}
		if err := s.manifestUnder(ctx, merged, configEdits, 1); err != nil {
			return err
		}
		if len(s.found) > before {
			last := &s.found[len(s.found)-1]
			last.Notes = append(last.Notes, notes...)
			return nil
		}
	}
	return nil
}

// patched merges a patch into a configuration and lists what it sets.
func patched(config []byte, patch map[string]any) ([]byte, []Edit, error) {
	data, err := json.Marshal(patch)
	if err != nil {
		return nil, nil, err
	}
	merged, err := scenarios.MergeConfig(config, data)
	if err != nil {
		return nil, nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	before := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.UseNumber()
	if err := decoder.Decode(&before); err != nil {
		return nil, nil, fmt.Errorf("kubelet configuration: %w", err)
	}
	return merged, settings("", before, patch), nil
}

// settings lists the fields that a patch sets.
func settings(path string, before, patch map[string]any) []Edit {
	var list []Edit
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		was := before[key]
		if deeper, ok := patch[key].(map[string]any); ok {
			below, _ := was.(map[string]any)
			list = append(list, settings(path+key+".", below, deeper)...)
			continue
		}
		e := Edit{Path: path + key, To: fmt.Sprint(patch[key])}
		if was != nil {
			e.From = fmt.Sprint(was)
		}
		list = append(list, e)
	}
	return list
}
