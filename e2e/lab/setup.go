package lab

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/lab/machine"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// Lab sets up nodes for scenarios. It keeps one machine and uses it again for
// the next scenario on the same profile. It is not for concurrent use.
type Lab struct {
	opts  Options
	node  node.Options
	spec  *Spec // made at the first boot
	vm    *VM
	of    *hwprofiles.Profile // the profile that vm is made of
	seen  *hwprofiles.Profile // as its kernel shows it
	boots []BootTime
}

// BootTime is one boot that was done.
type BootTime struct {
	Profile string
	// Seconds is the time from power-on until the agent greeted.
	Seconds float64
	// Retried says that a first try stalled.
	Retried bool
}

// stepTime bounds the time that one event may take to settle.
const stepTime = 3 * time.Minute

// New makes a lab whose nodes know what o says. Nothing is built or booted yet.
func New(o Options, n node.Options) *Lab {
	n.Name, n.Resolve, n.Step = "lab", hwprofiles.Resolve, stepTime
	if o.Kind {
		n.Name = "kind"
	}
	return &Lab{opts: o, node: n}
}

// Boots are the boots so far.
func (l *Lab) Boots() []BootTime { return l.boots }

// Close ends the machine.
func (l *Lab) Close() error {
	if l.vm == nil {
		return nil
	}
	err := l.vm.Close()
	l.vm, l.of = nil, nil
	return err
}

// Failed is told when a scenario has failed on the machine that is up.
func (l *Lab) Failed() {
	if l.vm != nil && l.opts.Failing != nil {
		l.opts.Failing(l.vm.Agent)
	}
}

// Setup is a scenarios.Setup.
func (l *Lab) Setup(ctx context.Context, s *scenarios.Scenario, p *hwprofiles.Profile) (scenarios.Target, error) {
	l.seen = nil
	if err := l.boot(ctx, p); err != nil {
		if errors.Is(err, machine.ErrShape) {
			return nil, fmt.Errorf("%w: %w", scenarios.ErrUnsupported, err)
		}
		return nil, err
	}
	var m node.Machine = &labMachine{lab: l}
	if l.opts.Wrap != nil {
		m = l.opts.Wrap(m)
	}
	t, err := node.New(ctx, s, m, l.node)
	if err != nil {
		if !errors.Is(err, scenarios.ErrUnsupported) {
			l.Failed()
			err = errors.Join(err, l.Close())
		}
		return nil, err
	}
	l.seen = t.Profile()
	return t, nil
}

// boot brings up the machine of a profile, unless it is up.
func (l *Lab) boot(ctx context.Context, p *hwprofiles.Profile) error {
	if l.vm != nil && l.of == p {
		return nil
	}
	plan, err := machine.New(p)
	if err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	if l.spec == nil {
		spec, err := l.opts.spec(ctx)
		if err != nil {
			return err
		}
		l.spec = &spec
	}
	spec := *l.spec
	spec.Plan = plan
	spec.say("booting %s: %d CPUs, %d NUMA nodes", p.Name, len(plan.Slot), len(plan.Nodes))
	for _, n := range plan.Notes {
		spec.say("%s", n)
	}
	if l.vm, err = Boot(ctx, spec); err != nil {
		return err
	}
	l.boots = append(l.boots, BootTime{p.Name, l.vm.BootSeconds, l.vm.Retried})
	if err := l.offline(ctx, plan); err != nil {
		return err
	}
	l.of = p // not before: the next scenario takes it as it is
	return nil
}

// offline takes the CPUs offline that are so in the profile, and looks at the
// machine again.
func (l *Lab) offline(ctx context.Context, plan *machine.Plan) error {
	if len(plan.Offline) == 0 {
		return nil
	}
	if err := l.vm.Agent.Call(ctx, "SetOnline", agent.Online{CPUs: plan.Offline}, &agent.None{}); err != nil {
		return err
	}
	var hello agent.Hello // a new one: what is gone from sysfs must not stay
	if err := l.vm.Agent.Call(ctx, "Hello", agent.None{}, &hello); err != nil {
		return err
	}
	l.vm.Hello = hello
	return nil
}

// labMachine is the lab's machine as a node's target sees it.
type labMachine struct{ lab *Lab }

func (m *labMachine) Agent() node.Caller {
	if m.lab.vm == nil {
		return gone{}
	}
	return m.lab.vm.Agent
}

func (m *labMachine) Hello() agent.Hello { return m.lab.vm.Hello }

// errGone says that there is no machine any more.
var errGone = errors.New("the machine is gone: it did not come up after a reboot")

// gone is the agent of a machine that is gone.
type gone struct{}

func (gone) Call(context.Context, string, any, any) error { return errGone }

// Reboot boots again with the same disk.
func (m *labMachine) Reboot(ctx context.Context, offline []int) error {
	return m.lab.reboot(ctx, nil, offline)
}

// Swap boots the machine of another profile with the same disk.
func (m *labMachine) Swap(ctx context.Context, p *hwprofiles.Profile) error {
	plan, err := planSwap(p)
	if err != nil {
		return err
	}
	return m.lab.reboot(ctx, plan, plan.Offline)
}

// planSwap plans the machine of a profile that takes another's place.
func planSwap(p *hwprofiles.Profile) (*machine.Plan, error) {
	plan, err := machine.New(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", scenarios.ErrUnsupported, err)
	}
	return plan, nil
}

// reboot boots the machine again, as it is or by another plan, and takes CPUs
// offline.
func (l *Lab) reboot(ctx context.Context, plan *machine.Plan, offline []int) error {
	if l.vm == nil {
		return errGone
	}
	if plan == nil {
		same := *l.vm.spec.Plan
		plan = &same
	}
	plan.Offline = offline
	if err := l.vm.Agent.Call(ctx, "PowerOff", agent.None{}, &agent.None{}); err != nil {
		return errors.Join(fmt.Errorf("shut down before the reboot: %w", err), l.Close())
	}
	next, err := l.vm.Reboot(ctx, plan)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	if !samePlan(plan, l.vm.spec.Plan) {
		l.of = nil // not a machine to be used for the next scenario
	}
	l.vm = next
	l.boots = append(l.boots, BootTime{"reboot", next.BootSeconds, next.Retried})
	return l.offline(ctx, plan)
}

// samePlan says that two plans make the same machine.
func samePlan(a, b *machine.Plan) bool { return reflect.DeepEqual(a, b) }

// Close leaves the machine for the next scenario.
func (m *labMachine) Close() error { return nil }

// Machine is the machine that the last scenario was set up on, as its kernel
// shows it; nil when there is none.
func (l *Lab) Machine() *hwprofiles.Profile { return l.seen }
