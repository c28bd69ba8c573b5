package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// Relay stands for the agent of a cluster's node in the machine that the cluster
// is made in: a virtual one, whose host has the target. Its exported methods with
// two arguments are the calls of such a target, see agent.Node.
type Relay struct {
	kind  *Kind
	ready chan error    // what became of the making of the cluster
	made  chan struct{} // closed when that is known
	story *story
}

// NewRelay begins to make a cluster. Hello waits for its end. What the node said
// is written to w when that fails: nobody will see its logs.
func NewRelay(ctx context.Context, o Options, w io.Writer) *Relay {
	k := New(o, node.Options{})
	k.failing = func() { k.tellAll(w) }
	return relay(ctx, k)
}

func relay(ctx context.Context, k *Kind) *Relay {
	r := &Relay{kind: k, ready: make(chan error, 1), made: make(chan struct{}), story: newStory()}
	say := k.opts.Say
	k.opts.Say = func(text string) {
		r.story.add(text)
		if say != nil {
			say(text)
		}
	}
	go func() {
		defer r.story.end()
		err := k.Open(ctx)
		if err == nil {
			err = k.look(ctx)
		}
		close(r.made) // before anybody hears of it and asks for the logs
		r.ready <- err
	}()
	return r
}

// tellAll writes what the nodes of the cluster have to say.
func (k *Kind) tellAll(w io.Writer) {
	all, err := k.provider.ListNodes(k.name)
	if err != nil {
		return
	}
	for _, n := range all {
		_ = n.SerialLogs(w) // what there is of it
		_ = n.Command("journalctl", "--no-pager", "--lines=150").SetStdout(w).SetStderr(w).Run()
	}
}

// call is a call of the node's agent or API server.
func (r *Relay) call(method string, args, answer any) error {
	c := &caller{r.kind.link, r.kind.pods}
	return c.Call(context.Background(), method, args, answer)
}

// Hello is a call.
func (r *Relay) Hello(_ agent.None, h *agent.Hello) error {
	err := <-r.ready
	r.ready <- err // for the next who asks
	if err == nil {
		*h = r.kind.link.hello
	}
	return err
}

// Wipe is a call.
func (r *Relay) Wipe(a agent.None, b *agent.None) error { return r.call("Wipe", a, b) }

// Facts is a call.
func (r *Relay) Facts(a agent.None, f *agent.Facts) error { return r.call("Facts", a, f) }

// Rest is a call.
func (r *Relay) Rest(a agent.Rest, b *agent.None) error { return r.call("Rest", a, b) }

// HoldUpdates is a call.
func (r *Relay) HoldUpdates(h agent.Hold, b *agent.None) error { return r.call("HoldUpdates", h, b) }

// StartKubelet is a call.
func (r *Relay) StartKubelet(s agent.StartKubelet, k *agent.KubeletState) error {
	return r.call("StartKubelet", s, k)
}

// StopKubelet is a call.
func (r *Relay) StopKubelet(s agent.Signal, k *agent.KubeletState) error {
	return r.call("StopKubelet", s, k)
}

// WriteFile is a call.
func (r *Relay) WriteFile(w agent.WriteFile, b *agent.None) error { return r.call("WriteFile", w, b) }

// CreatePod is a call.
func (r *Relay) CreatePod(p json.RawMessage, c *agent.Created) error {
	return r.call("CreatePod", p, c)
}

// DeletePod is a call.
func (r *Relay) DeletePod(d agent.DeletePod, b *agent.None) error { return r.call("DeletePod", d, b) }

// PatchPod is a call.
func (r *Relay) PatchPod(p agent.PatchPod, out *agent.Patched) error {
	return r.call("PatchPod", p, out)
}

// Metrics is a call.
func (r *Relay) Metrics(a agent.None, m *agent.Metrics) error { return r.call("Metrics", a, m) }

// Quotas is a call.
func (r *Relay) Quotas(paths []string, out *map[string]string) error {
	return r.call("Quotas", paths, out)
}

// ExitContainer is a call.
func (r *Relay) ExitContainer(e agent.ExitContainer, b *agent.None) error {
	return r.call("ExitContainer", e, b)
}

// FailUpdate is a call.
func (r *Relay) FailUpdate(f agent.FailUpdate, b *agent.None) error {
	return r.call("FailUpdate", f, b)
}

// SetCPUSet is a call.
func (r *Relay) SetCPUSet(s agent.SetCPUSet, b *agent.None) error { return r.call("SetCPUSet", s, b) }

// SetOnline is a call. The CPUs are those of the machine that the cluster is in,
// and that is pinlab's own. It is not for scenarios, see Relayed.
func (r *Relay) SetOnline(o agent.Online, b *agent.None) error {
	if err := new(agent.Node).SetOnline(o, b); err != nil {
		return err
	}
	var hello agent.Hello // a new one: what is gone from sysfs must not stay
	if err := r.kind.link.Call(context.Background(), "Hello", agent.None{}, &hello); err != nil {
		return err
	}
	r.kind.link.hello = hello
	return nil
}

// Exhaust is a call.
func (r *Relay) Exhaust(e agent.Exhaust, b *agent.None) error { return r.call("Exhaust", e, b) }

// ClearFaults is a call.
func (r *Relay) ClearFaults(a agent.None, b *agent.None) error { return r.call("ClearFaults", a, b) }

// ReadLog is a call.
func (r *Relay) ReadLog(from int64, l *agent.Log) error { return r.call("ReadLog", from, l) }

// Relayed is the node behind a relay in the machine m. What a kind node cannot
// do is refused here: a call's error is only text at the other end.
func Relayed(m node.Machine) node.Machine { return relayed{m} }

type relayed struct{ node.Machine }

// Agent implements node.Machine.
func (r relayed) Agent() node.Caller { return refusing{r.Machine.Agent()} }

// Reboot implements node.Machine.
func (relayed) Reboot(context.Context, []int) error { return errReboot() }

// Swap implements node.Machine.
func (relayed) Swap(context.Context, *hwprofiles.Profile) error { return errSwap() }

type refusing struct{ node.Caller }

// Call implements node.Caller.
func (r refusing) Call(ctx context.Context, method string, args, answer any) error {
	if err := unsupported(method, args); err != nil {
		return err
	}
	return r.Caller.Call(ctx, method, args, answer)
}

func errReboot() error {
	return fmt.Errorf("%w: a kind node is a container; to reboot it would be to reboot the machine that its cluster is on", scenarios.ErrUnsupported)
}

func errSwap() error {
	return fmt.Errorf("%w: a kind node has the machine that its cluster is on, which cannot become another", scenarios.ErrUnsupported)
}
