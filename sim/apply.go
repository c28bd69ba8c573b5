package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// Apply implements scenarios.Target.
func (n *Node) Apply(ctx context.Context, event scenarios.Event) error {
	n.reconcile = false
	err := n.apply(event)
	if errors.Is(err, kubelet.ErrKilled) {
		n.lost() // a fault of the scenario's: data
		err = nil
	}
	if errors.Is(err, kubelet.ErrCannot) {
		return fmt.Errorf("%w: %w", scenarios.ErrUnsupported, err)
	}
	if errors.Is(err, kubelet.ErrBadState) && !errors.Is(err, scenarios.ErrMisuse) {
		return fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
	}
	if err != nil {
		return err
	}
	if n.scenario.Reconcile != scenarios.ReconcileManual && !ticks(event) {
		return n.tick(ctx, 1)
	}
	return nil
}

// ticks says that an event runs the loop by itself.
func ticks(event scenarios.Event) bool {
	switch event.(type) {
	case scenarios.Reconcile, scenarios.Advance:
		return true
	}
	return false
}

func (n *Node) apply(event scenarios.Event) error {
	switch e := event.(type) {
	case scenarios.StartKubelet:
		n.devicesLate = e.DevicesNotReady
		return n.startKubelet(e.Config, e.SourcesNotReady)
	case scenarios.StopKubelet, scenarios.KillKubelet:
		if !n.running() && !n.failed {
			return fmt.Errorf("%w: the kubelet does not run", scenarios.ErrMisuse)
		}
		n.stopKubelet()
		return nil
	case scenarios.RestartKubelet:
		n.stopKubelet()
		n.devicesLate = e.DevicesNotReady
		return n.startKubelet(e.Config, e.SourcesNotReady)
	case scenarios.SourcesReady:
		return n.sourcesReady()
	case scenarios.DevicesReady:
		n.devicesLate = false
		if n.running() {
			n.life.RegisterDevices()
		}
		return nil
	case scenarios.ResizePod:
		return n.resizePod(e)
	case scenarios.CreatePod:
		return n.createPod(e)
	case scenarios.DeletePod:
		return n.deletePod(e.Pod)
	case scenarios.ExitContainer:
		return n.exitContainer(e)
	case scenarios.AddEphemeralContainer:
		return n.addEphemeral(e)
	case scenarios.DeleteStateFile, scenarios.WriteStateFile, scenarios.EditStateFile:
		n.restart.touch()
		return n.changeStateFile(e)
	case scenarios.Reconcile:
		return n.tick(context.Background(), max(e.Times, 1))
	case scenarios.Advance:
		return n.advance(e.Duration)
	case scenarios.ClobberCPUSet:
		_, c, err := n.container(e.Container)
		if err != nil {
			return err
		}
		c.cgroup.cpus = e.CPUs
		return nil
	default:
		if handled, err := n.applyMachine(event); handled {
			return err
		}
		return n.applyFault(event)
	}
}

// applyMachine handles the machine's events.
func (n *Node) applyMachine(event scenarios.Event) (bool, error) {
	switch e := event.(type) {
	case scenarios.Reboot:
		n.reboot()
		return true, nil
	case scenarios.OfflineCPUs:
		return true, n.setOnline(e.CPUs, false)
	case scenarios.OnlineCPUs:
		return true, n.setOnline(e.CPUs, true)
	case scenarios.AddCPUs:
		p := n.profile
		for _, id := range e.CPUs.Set().List() {
			next, err := p.WithCPUAdded(id, e.Like)
			if err != nil {
				return true, fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
			}
			p = next
		}
		n.setProfile(p)
		return true, nil
	case scenarios.SwapProfile:
		p, err := n.opts.resolve(e.Profile)
		if err != nil {
			return true, fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
		}
		n.reboot() // nobody changes boards or firmware settings under a running machine
		n.setProfile(p)
		return true, nil
	case scenarios.SetHugePages:
		return true, n.setHugePages(e)
	case scenarios.MoveMemory:
		p, err := n.profile.WithMemoryMoved(e.From, e.To, e.Bytes)
		if err != nil {
			return true, fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
		}
		n.setProfile(p)
		return true, nil
	}
	return false, nil
}

func (n *Node) setOnline(cpus observe.CPUs, online bool) error {
	p, err := n.profile.WithOnline(cpus.Set(), online)
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
	}
	n.setProfile(p)
	return nil
}

func (n *Node) applyFault(event scenarios.Event) error {
	switch e := event.(type) {
	case scenarios.FailRuntimeUpdate:
		n.faults.updates = append(n.faults.updates, &updateFault{e, times(e.Times)})
	case scenarios.FailCheckpointRead:
		n.faults.unreadable = append(n.faults.unreadable, string(e.File))
		n.restart.touch()
	case scenarios.FailCheckpointWrite:
		if _, ok := errnos[e.Errno]; !ok {
			return fmt.Errorf("%w: errno %s", scenarios.ErrMisuse, e.Errno)
		}
		n.faults.writes = append(n.faults.writes, &writeFault{e, times(e.Times)})
	case scenarios.KillAtCheckpointWrite:
		n.faults.kill = &killFault{KillAtCheckpointWrite: e}
	case scenarios.LimitOpenFiles:
		if !n.opts.OwnProcess {
			return fmt.Errorf("%w: limitOpenFiles: the simulator limits the managers alone, in a process of their own; a real kubelet runs out of files elsewhere first", scenarios.ErrUnsupported)
		}
		n.faults.openFiles = &e.Free
		n.restart.touch()
	case scenarios.Exhaust:
		return fmt.Errorf("%w: exhaust: the simulated node shares this machine's kernel and takes no %s from it; --target lab has a kernel of its own", scenarios.ErrUnsupported, e.Sysctl)
	case scenarios.ClearFaults:
		n.faults = faults{}
	default:
		return fmt.Errorf("%w: event %T", scenarios.ErrUnsupported, event)
	}
	return nil
}

// tick lets the CPU manager's loop run.
func (n *Node) tick(ctx context.Context, times int) error {
	if !n.running() {
		return nil
	}
	for range times {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		err := n.limited(n.life.Reconcile)
		if errors.Is(err, kubelet.ErrKilled) {
			n.lost()
			return nil
		}
		if err != nil {
			return err
		}
	}
	n.reconcile = n.reconcile || times > 0
	return nil
}

// maxTicks bounds one advance step.
const maxTicks = 100_000

func (n *Node) advance(d time.Duration) error {
	if !n.running() {
		return nil
	}
	period := time.Duration(n.config.ReconcilePeriodSeconds() * float64(time.Second))
	if period <= 0 {
		return fmt.Errorf("%w: cpuManagerReconcilePeriod is %v", scenarios.ErrMisuse, period)
	}
	n.clock += d
	times := int64(n.clock / period)
	if times > maxTicks {
		return fmt.Errorf("%w: %v are %d reconcile periods of %v; at most %d in one step", scenarios.ErrMisuse, d, times, period, maxTicks)
	}
	n.clock %= period
	return n.tick(context.Background(), int(times))
}

// lost takes note of a kubelet that was killed while it worked.
func (n *Node) lost() { n.endLife() }

func (n *Node) endLife() {
	if n.life == nil {
		return
	}
	n.drainLog()
	n.life.Stop()
	n.devices = n.life.AllocatedDevices()
	n.life = nil
	n.clock = 0
	for _, p := range n.pods {
		p.known = false
	}
}

func (n *Node) stopKubelet() {
	n.endLife()
	n.failed, n.lastError = false, ""
}

func (n *Node) reboot() {
	n.endLife()
	n.failed, n.lastError = false, ""
	n.bootHugePages()
	// What was wrong with processes and the running kernel is over; what is wrong
	// with the disk is not.
	n.faults.openFiles, n.faults.updates = nil, nil
	n.faults.writes = slices.DeleteFunc(n.faults.writes, func(w *writeFault) bool { return w.Errno == "EMFILE" || w.Errno == "ENFILE" })
	for _, p := range n.pods {
		for _, c := range p.containers {
			if c.state == observe.StateRunning {
				c.state, c.exitCode, c.cgroup.Running = observe.StateTerminated, 255, false
			} else if c.kind == observe.KindInit && c.state == observe.StateTerminated {
				c.rerun = true // a new sandbox runs them again
			}
		}
		p.changed()
	}
}

func (n *Node) changeStateFile(event scenarios.Event) error {
	n.file.replaced = false
	var file scenarios.StateFile
	switch e := event.(type) {
	case scenarios.DeleteStateFile:
		if err := os.Remove(n.path(e.File)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	case scenarios.WriteStateFile:
		file = e.File
	case scenarios.EditStateFile:
		file = e.File
	}
	data, err := os.ReadFile(n.path(file))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	data, err = StateContent(event, data, func(name string) string {
		if p := n.byName[name]; p != nil {
			return p.uid
		}
		return name
	})
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: there is no %s to edit", scenarios.ErrMisuse, file)
	} else if err != nil {
		return err
	}
	return os.WriteFile(n.path(file), data, 0o600)
}
