package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/scenarios"
)

// caller answers the calls of a node's target: what is about pods goes to the
// cluster's API server, everything else to the agent in the node.
type caller struct {
	agent node.Caller
	pods  *pods
}

var _ node.Caller = &caller{}

// Call implements node.Caller.
func (c *caller) Call(ctx context.Context, method string, args, answer any) error {
	if err := unsupported(method, args); err != nil {
		return err
	}
	switch method {
	case "CreatePod":
		uid, err := c.pods.create(ctx, args.(json.RawMessage))
		*answer.(*agent.Created) = agent.Created{UID: string(uid)}
		return err
	case "DeletePod":
		return c.pods.delete(ctx, args.(agent.DeletePod))
	case "PatchPod":
		var err error
		*answer.(*agent.Patched), err = c.pods.patch(ctx, args.(agent.PatchPod))
		return err
	case "Wipe":
		// The kubelet first: it shall not see its pods go.
		if err := c.agent.Call(ctx, method, args, answer); err != nil {
			return err
		}
		return c.pods.wipe(ctx)
	case "Facts":
		return c.facts(ctx, args, answer.(*agent.Facts))
	case "Rest":
		return c.rest(ctx, args.(agent.Rest))
	}
	return c.agent.Call(ctx, method, args, answer)
}

// unsupported says which calls a kind node cannot answer, because they would
// change the machine that it shares with others; the error wraps
// scenarios.ErrUnsupported. It is nil for all others.
func unsupported(method string, args any) error {
	switch method {
	case "SetHugePages":
		return fmt.Errorf("%w: setHugePages: a kind node's memory is its host's", scenarios.ErrUnsupported)
	case "SetOnline":
		return fmt.Errorf("%w: a kind node's CPUs are those of the machine that its cluster is on, which are not taken on or off line under it", scenarios.ErrUnsupported)
	case "Exhaust":
		what := args.(agent.Exhaust).What
		switch what {
		case "nofile":
			return nil
		case "disk":
			return fmt.Errorf("%w: a kind node's disk is that of its cluster and its container engine, which is not filled", scenarios.ErrUnsupported)
		}
		return fmt.Errorf("%w: %s is a limit of the kernel that a kind node shares with its cluster and its container engine", scenarios.ErrUnsupported, what)
	}
	return nil
}

// facts are the agent's and the API server's, without those of pods that are not
// the scenario's: a cluster runs some for itself.
func (c *caller) facts(ctx context.Context, args any, f *agent.Facts) error {
	if err := c.agent.Call(ctx, "Facts", args, f); err != nil {
		return err
	}
	var err error
	if f.Pods, err = c.pods.json(); err != nil {
		return err
	}
	var groups []cgroup.Group
	for _, g := range f.Groups {
		if c.pods.made[types.UID(g.PodUID)] {
			groups = append(groups, g)
		}
	}
	f.Groups = groups
	names := map[string]bool{}
	for _, p := range c.pods.list() {
		names[p.Namespace+"/"+p.Name] = true
	}
	for key := range f.Resources { // NAMESPACE/POD/CONTAINER
		if !names[key[:max(0, strings.LastIndex(key, "/"))]] {
			delete(f.Resources, key)
		}
	}
	return nil
}

// rest waits until neither the node nor the pods in the API server have changed
// for some time.
func (c *caller) rest(ctx context.Context, r agent.Rest) error {
	deadline := time.Now().Add(seconds(r.Most))
	for {
		before := c.pods.changes()
		if err := c.agent.Call(ctx, "Rest", r, &agent.None{}); err != nil {
			return err
		}
		if c.pods.changes() == before || time.Now().After(deadline) {
			return nil
		}
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
