package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/scenarios"
)

// hold takes the effect from the reconcile loop, except for some ticks. Not the
// loop itself can be stopped in a real kubelet, but each update of a container
// that it asks the runtime for fails, and is tried again at the next tick; in a
// tick it asks for at most one of each container.
func (t *Target) hold(ctx context.Context, ticks int) error {
	return t.call(ctx, "HoldUpdates", agent.Hold{Updates: t.manual, Allow: ticks}, &agent.None{})
}

// ticksOf counts the ticks of the reconcile loop that an event stands for.
func (t *Target) ticksOf(event scenarios.Event) int {
	switch e := event.(type) {
	case scenarios.Reconcile:
		return e.Times
	case scenarios.Advance:
		t.passed += e.Duration
		period := t.reconcilePeriod()
		n := int(t.passed / period)
		t.passed %= period
		return n
	}
	return 0
}

// reconcilePeriod is the one of the scenario's configuration.
func (t *Target) reconcilePeriod() time.Duration {
	var c struct {
		CPUManagerReconcilePeriod metav1.Duration `json:"cpuManagerReconcilePeriod"`
	}
	if json.Unmarshal(t.config, &c) != nil || c.CPUManagerReconcilePeriod.Duration <= 0 {
		return 10 * time.Second // the kubelet's default
	}
	return c.CPUManagerReconcilePeriod.Duration
}

// removable says that a held reconcile loop would all the same remove a pod's
// entries from the state once the pod has ended: that takes no runtime.
func (t *Target) removable(p *pod) error {
	if !t.manual {
		return nil
	}
	state, err := t.state()
	if err != nil || state == nil || len(state.Entries[string(p.spec.UID)]) == 0 {
		return nil
	}
	return fmt.Errorf("%w: reconcile: manual: a real kubelet's loop removes the entries of pod %s when it likes", scenarios.ErrUnsupported, p.spec.Name)
}

// emptied says that a pod was rejected that may have held CPUs for a moment:
// those of the containers before the one that got none, or all of them where the
// node's allocatable resources, which are checked after the CPU manager, did not
// suffice. A held loop has removed them all the same.
func (t *Target) emptied(p *pod) error {
	if p == nil || !p.rejected() {
		return nil
	}
	held := len(p.spec.Spec.InitContainers)+len(p.spec.Spec.Containers) > 1 || strings.HasPrefix(p.status.Reason, "OutOf")
	if !held {
		return nil
	}
	return fmt.Errorf("%w: reconcile: manual: a real kubelet's loop has removed what the rejected pod %s held for a moment", scenarios.ErrUnsupported, p.spec.Name)
}
