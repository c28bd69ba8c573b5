package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/pinlab/pinlab/e2e/lab/image"
	"github.com/pinlab/pinlab/e2e/lab/machine"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
)

// Options say how machines are made.
type Options struct {
	// Binary is the pinlab that runs as the agent in the machine; empty means
	// the running program.
	Binary string
	// Cache is where images are kept; empty means the user's cache directory.
	Cache string
	// CgroupV1 boots with the old cgroup hierarchies.
	CgroupV1 bool
	// Kind boots machines in which pinlab makes a kind cluster; their agent is
	// there when the cluster is.
	Kind bool
	// Making, when not nil, is given a machine's agent while that makes its
	// cluster, and returns when it is made or the context ends. Failing, when not
	// nil, is given the agent of a machine on which something has failed.
	Making  func(context.Context, node.Caller)
	Failing func(node.Caller)
	// Wrap, when not nil, stands between a machine and its target.
	Wrap func(node.Machine) node.Machine
	// GoMod and GoSum are what the kubelet is built with.
	GoMod, GoSum []byte
	// Say is told what is being done; nil is silent.
	Say func(string)
}

// Missing says what programs the lab needs and does not find; nil when it can
// run here.
func Missing() error {
	var err error
	for program, pkg := range map[string]string{qemuBinary: "qemu-system-x86", "qemu-img": "qemu-utils"} {
		if _, e := exec.LookPath(program); e != nil {
			err = errors.Join(err, fmt.Errorf("%s is not installed (Debian package %s)", program, pkg))
		}
	}
	return errors.Join(err, image.Requirements())
}

// Check says what of a profile cannot be made; the error wraps machine.ErrShape.
func Check(p *hwprofiles.Profile) error {
	_, err := machine.New(p)
	return err
}

// Start makes the machine of a profile and boots it.
func Start(ctx context.Context, p *hwprofiles.Profile, o Options) (*VM, error) {
	plan, err := machine.New(p)
	if err != nil {
		return nil, err
	}
	spec, err := o.spec(ctx)
	if err != nil {
		return nil, err
	}
	spec.Plan = plan
	vm, err := Boot(ctx, spec)
	if err != nil {
		return nil, errors.Join(err, spec.Pinlab.Close())
	}
	vm.own = spec.Pinlab
	return vm, nil
}

// spec is a machine without a plan: images and accelerator.
func (o Options) spec(ctx context.Context) (Spec, error) {
	s := Spec{CgroupV1: o.CgroupV1, Kind: o.Kind, Making: o.Making, Failing: o.Failing, Say: o.Say}
	if err := Missing(); err != nil {
		return s, err
	}
	if o.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return s, err
		}
		o.Binary = self
	}
	if o.Cache == "" {
		dir, err := image.CacheDir()
		if err != nil {
			return s, err
		}
		o.Cache = dir
	}
	var err error
	if s.Image, err = image.Build(ctx, image.Options{Cache: o.Cache, Say: o.Say, GoMod: o.GoMod, GoSum: o.GoSum, Kind: o.Kind}); err != nil {
		return s, err
	}
	if s.Pinlab, err = pinlabDisk(ctx, o.Binary, o.Cache); err != nil {
		return s, err
	}
	var why string
	if s.Accel, why = accelerator(ctx, qemuBinary); s.Accel != "kvm" {
		s.say("machines are emulated (TCG): %s", why)
	}
	return s, nil
}
