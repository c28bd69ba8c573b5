package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/e2e/lab/machine"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
)

// labServe holds a machine for 'lab up', which listens on descriptor 3 until
// the machine is up.
func labServe(cmd *cobra.Command, p *hwprofiles.Profile, f labFlags) error {
	listener := os.NewFile(3, "listener")
	var up atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, listener)
		if !up.Load() { // nobody waits for this machine any more
			os.Exit(exitHarness)
		}
	}()
	o := labOptions(f.cgroup, cmd.ErrOrStderr())
	o.Say = func(text string) { fmt.Fprintln(listener, "say", text) }
	err := lab.Daemon(cmd.Context(), p, f.profile, o, func(i lab.Info) error {
		up.Store(true)
		_, err := fmt.Fprintf(listener, "ready %s is up after %.0f s: kernel %s, kubelet %s, cgroup v%d, process %d\n", i.Profile, i.BootSeconds, i.Kernel, i.Kubelet, i.Cgroup, i.PID)
		return errors.Join(err, listener.Close())
	})
	if err != nil && !up.Load() {
		kind := "error"
		if errors.Is(err, machine.ErrShape) {
			kind = "usage"
		}
		fmt.Fprintln(listener, kind, err)
	}
	return harness(err)
}

// runOnUp replays scenarios on the machine that is up.
func runOnUp(cmd *cobra.Command, args []string, f runFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	tools, err := newToolchain()
	if err != nil {
		return err
	}
	info, err := lab.Status(cmd.Context())
	if err != nil {
		return err
	}
	f.profiles = []string{info.Ref}
	jobs, err := selectJobs(tools.loader, args, f)
	if err != nil {
		return err
	}
	return runJobs(cmd, runOf{jobs: jobs, replay: func(progress *report.Progress) ([]scenarios.Result, error) {
		return replay(cmd.Context(), toRun(jobs), lab.Attach(nodeOptions(tools)).Setup, lab.Fit, func() {}, progress)
	}}, f)
}
