package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// startKubelet begins a lifetime and does what a kubelet does then: it rebuilds
// its container map from the runtime, admits the pods bound to the node again
// in the order of their creation, and kills the containers of pods that are
// gone. A start that fails is data.
func (n *Node) startKubelet(patch json.RawMessage, sourcesNotReady bool) error {
	if n.running() {
		return fmt.Errorf("%w: the kubelet runs already", scenarios.ErrMisuse)
	}
	if err := n.patchConfig(patch); err != nil {
		return err
	}
	n.restart.starting()
	err := n.begin()
	if errors.Is(err, kubelet.ErrKilled) || errors.Is(err, kubelet.ErrCannot) || errors.Is(err, kubelet.ErrBadState) {
		n.endLife()
		return err
	}
	n.failed, n.started = err != nil, true
	n.lastError = ""
	n.restart.started(err == nil)
	if err != nil {
		n.endLife()
		n.lastError = n.mask(err.Error())
		var panicked *kubelet.PanicError
		if errors.As(err, &panicked) {
			return err
		}
		return nil
	}
	n.apiSeen = false
	if sourcesNotReady {
		return nil
	}
	return n.sourcesReady()
}

func (n *Node) begin() error {
	cfg, err := n.opts.Decoder.Decode(n.configJSON)
	if err != nil {
		return err
	}
	if n.machine == nil {
		if n.machine, err = n.profile.MachineInfo(); err != nil {
			return err
		}
	}
	n.config = cfg
	n.life = kubelet.New(kubelet.Params{
		Config: cfg, Machine: n.machine, StateDir: n.stateDir, Node: n, Devices: n.allDevs,
		OnWrite: n.onWrite, AllocatedDevices: n.devices, DevicesNotReady: n.devicesLate, Paths: n.opts.Paths,
	})
	n.working.Store(n.life)
	return n.limited(func() error { return n.denied(n.life.Start) })
}

// sourcesReady delivers the API server's pods. As in the kubelet, the pods are
// admitted before the managers are told that all sources have been heard.
func (n *Node) sourcesReady() error {
	if !n.running() {
		return fmt.Errorf("%w: the kubelet does not run", scenarios.ErrMisuse)
	}
	if n.apiSeen {
		return fmt.Errorf("%w: the sources are ready already", scenarios.ErrMisuse)
	}
	bound := slices.Clone(n.pods)
	slices.SortStableFunc(bound, func(a, b *pod) int {
		return a.spec.CreationTimestamp.Compare(b.spec.CreationTimestamp.Time)
	})
	for _, p := range bound {
		if p.deleted || p.known {
			continue
		}
		ranBefore := p.admitted || p.rejected
		if p.rejected {
			continue // its status is Failed for good
		}
		if err := n.admit(p, ranBefore); err != nil {
			return err
		}
	}
	n.apiSeen = true
	n.restart.heard()
	n.life.SetSourcesReady(true)
	for _, p := range bound {
		if p.deleted {
			if err := n.stopContainers(p); err != nil {
				return err
			}
			n.forget(p)
		}
	}
	return nil
}
