package explain

import (
	"context"
	"strconv"
	"strings"
)

// refused answers for a kubelet that does not start: its own error, what to do,
// and, when that was found, what would be after it.
func (x *explainer) refused(ctx context.Context) error {
	k := &x.report.Kubelet
	k.Error = x.base.startErr.Error()
	if x.State != nil {
		fresh, err := x.sandbox.run(ctx, trial{config: x.Config, pods: x.pods()})
		if err != nil {
			return err
		}
		if fresh.startErr == nil {
			k.Remedied, x.stateRefused, x.base = true, true, fresh
			k.Remedy = []string{
				"drain the node: deleting the state file under running pods takes their CPUs from them",
				"stop the kubelet",
				"delete " + statePath,
				"start the kubelet",
			}
			return nil
		}
	}
	if steps, patch := x.advice(k.Error); steps != nil {
		k.Remedy = steps
		_, err := x.cure(ctx, patch)
		return err
	}
	if strings.Contains(k.Error, "reserv") {
		return x.reserve(ctx)
	}
	k.Remedy = []string{"change what the kubelet complains of in its configuration"}
	return nil
}

// reserve tries the commonest cure for a configuration that a static policy
// does not start with: reserving a CPU.
func (x *explainer) reserve(ctx context.Context) error {
	k := &x.report.Kubelet
	k.Remedy = []string{"reserve other CPUs in the kubelet's configuration (reservedSystemCPUs, or cpu in kubeReserved)"}
	for _, patch := range []map[string]any{
		{"kubeReserved": map[string]any{"cpu": "1"}},
		{"reservedSystemCPUs": "", "kubeReserved": map[string]any{"cpu": "1"}},
	} {
		list, err := x.cure(ctx, patch)
		if err != nil {
			return err
		}
		if list != nil {
			k.Remedy = []string{"set " + listWords(settingTexts(list)) + " in the kubelet's configuration"}
			return nil
		}
	}
	return nil
}

// cure tries a change of the configuration. When the kubelet starts with it,
// the report goes on from there, and what was set is returned.
func (x *explainer) cure(ctx context.Context, patch map[string]any) ([]Edit, error) {
	if len(patch) == 0 {
		return nil, nil
	}
	merged, list, err := patched(x.Config, patch)
	if err != nil {
		return nil, err
	}
	if _, err := x.Decoder.Decode(merged); err != nil {
		return nil, nil // it does not go with the rest of the configuration
	}
	o, err := x.sandbox.run(ctx, trial{config: merged, state: x.State, pods: x.pods()})
	if err != nil || o.startErr != nil {
		return nil, err
	}
	k := &x.report.Kubelet
	k.Remedied, x.base, x.Config, k.Config = true, o, merged, o.config.Observed()
	return list, nil
}

func settingTexts(list []Edit) []string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.Path + " to " + strconv.Quote(e.To)
	}
	return texts
}
