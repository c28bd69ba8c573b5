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
		fresh, err := x.sandbox.run(ctx, trial{x.Config, nil, x.pods()})
		if err != nil {
			return err
		}
		if fresh.startErr == nil {
			k.Remedied, x.stateRefused, x.base = true, true, fresh
			k.Remedy = []string{
				"drain the node: deleting the state file under running pods takes their CPUs from them",
				"stop the kubelet",
				"delete " + kubeletRoot + "/" + stateFile,
				"start the kubelet",
			}
			return nil
		}
	}
	if strings.Contains(k.Error, "reserv") {
		return x.reserve(ctx)
	}
	k.Remedy = []string{"change the kubelet's configuration: it does not go with this machine"}
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
		merged, list, err := patched(x.Config, patch)
		if err != nil {
			return err
		}
		if _, err := x.Decoder.Decode(merged); err != nil {
			continue // it does not go with the rest of the configuration
		}
		o, err := x.sandbox.run(ctx, trial{merged, x.State, x.pods()})
		if err != nil {
			return err
		}
		if o.startErr == nil {
			k.Remedied, x.base, x.Config, k.Config = true, o, merged, o.config.Observed()
			k.Remedy = []string{"set " + listWords(settingTexts(list)) + " in the kubelet's configuration"}
			return nil
		}
	}
	return nil
}

func settingTexts(list []Edit) []string {
	texts := make([]string, len(list))
	for i, e := range list {
		texts[i] = e.Path + " to " + strconv.Quote(e.To)
	}
	return texts
}
