package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/sim/observe"
)

// Log implements scenarios.Target. A log that cannot be read is reported by the
// next call that fails.
func (t *Target) Log() []observe.LogLine {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = t.readLog(ctx)
	lines := t.lines
	t.lines = nil
	return lines
}

// readLog takes in what the kubelet has logged since the last time. Lines about
// held updates tell of the harness, not of the kubelet.
func (t *Target) readLog(ctx context.Context) error {
	var l agent.Log
	if err := t.call(ctx, "ReadLog", t.logAt, &l); err != nil {
		return err
	}
	t.logAt = l.Next
	held := func(line observe.LogLine) bool { return strings.Contains(line.Text, agent.HeldText) }
	t.lines = append(t.lines, slices.DeleteFunc(l.Lines, held)...)
	return nil
}

// markDenied finds in the log which pods a kubelet that has just started did
// not admit. Where containers of such a pod still run, the pod's status says so
// only after the kubelet's next round of house keeping has ended them.
func (t *Target) markDenied(ctx context.Context) error {
	if err := t.readLog(ctx); err != nil {
		return err
	}
	for _, line := range t.lines {
		if !strings.HasPrefix(line.Text, `"Pod admission denied"`) {
			continue
		}
		for _, p := range t.pods {
			if strings.Contains(line.Text, `podUID="`+string(p.spec.UID)+`"`) {
				p.denied = true
			}
		}
	}
	return nil
}
