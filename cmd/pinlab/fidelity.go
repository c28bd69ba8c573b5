package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/e2e/fidelity"
	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/worker"
)

func newFidelity() *cobra.Command {
	var f runFlags
	targets := ""
	cmd := &cobra.Command{
		Use:   "fidelity [NAME|FILE|DIR...]",
		Short: "Replay scenarios on the simulator and on a real kubelet, and compare",
		Long: `Replay each scenario on the simulator and on a real kubelet, and compare the two
observation by observation: admissions with their reasons and messages, the
kubelet's state and error, exclusive CPUs, the shared pool, the state file, memory,
the CPUs that the cgroups really allow, broken invariants, and the expectations
that hold on one of the two alone. The simulator is given the machine as the real
one's kernel shows it.

The real kubelet is one of the lab (a virtual machine of the profile), or of a
kind cluster (a container that has this machine's CPUs, or with --in-lab those of
a virtual machine of the profile).

Exit codes: 0 no difference, 1 some difference, 2 bad input or usage, 3 the real
target could not do its work, or no fact could be compared at all.`,
		Example: `  # one scenario
  pinlab fidelity --profile generic-2s4c-smt2 first-pin

  # everything about restarts, on two shapes
  pinlab fidelity -p generic-2s4c-smt2 -p generic-1s4c -l class=state

  # a machine with the old cgroup hierarchies
  pinlab fidelity --cgroup v1 first-pin

  # what holds on any machine, on a kind cluster of this one
  pinlab fidelity --targets sim,kind -l portable`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if f.target, err = realTarget(targets); err != nil {
				return err
			}
			if f.target == targetLab && !cmd.Flags().Changed("profile") {
				f.profiles = []string{"generic-2s4c-smt2"}
			}
			return runFidelity(cmd, args, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&targets, "targets", "sim,lab", "what to compare: sim,lab or sim,kind")
	flags.StringArrayVarP(&f.profiles, "profile", "p", nil, "machine to compare on; may be repeated (default generic-2s4c-smt2 in the lab, this machine or the scenario's with kind)")
	flags.StringVar(&f.cgroup, "cgroup", "", cgroupUsage)
	flags.StringVarP(&f.selector, "selector", "l", "", "only scenarios with these labels, as in kubectl: class=outage")
	flags.StringVarP(&f.output, "output", "o", "table", "table, json or yaml")
	f.kind.add(cmd)
	return cmd
}

// realTarget is the one of the two targets that is not the simulator.
func realTarget(targets string) (string, error) {
	a, b, _ := strings.Cut(targets, ",")
	if b == targetSim {
		a, b = b, a
	}
	if a != targetSim || b != targetLab && b != targetKind {
		return "", fmt.Errorf("--targets %q: want sim,lab or sim,kind", targets)
	}
	return b, nil
}

// realNode is a target with a real kubelet.
type realNode interface {
	Setup(context.Context, *scenarios.Scenario, *hwprofiles.Profile) (scenarios.Target, error)
	// Machine is the machine that the last scenario was set up on; nil when there
	// is none.
	Machine() *hwprofiles.Profile
}

func runFidelity(cmd *cobra.Command, args []string, f runFlags) error {
	f.timeout = time.Minute
	if !slices.Contains([]string{"table", "json", "yaml"}, f.output) {
		return fmt.Errorf("--output %q: want table, json or yaml", f.output)
	}
	if err := f.validate(); err != nil {
		return err
	}
	tools, err := newToolchain()
	if err != nil {
		return err
	}
	jobs, err := selectJobs(tools.loader, args, f)
	if err != nil {
		return err
	}
	if err := f.checkHost(jobs); err != nil {
		return err
	}
	if f.hosts() {
		k := newKind(tools, f.kind, cmd.ErrOrStderr())
		if err := openKind(cmd.Context(), k); err != nil {
			return err
		}
		return closeKind(cmd, k, compareAll(cmd, tools, jobs, f, k, asItIs, func() []lab.BootTime { return nil }))
	}
	if err := checkShapes(jobs, f); err != nil {
		return err
	}
	if err := lab.Missing(); err != nil {
		return harness(err)
	}
	l := newLabTarget(tools, f, cmd.ErrOrStderr())
	err = compareAll(cmd, tools, jobs, f, l, lab.Fit, l.Boots)
	if closing := l.Close(); closing != nil {
		err = errors.Join(err, harness(closing))
	}
	return err
}

// compareAll replays jobs on both targets and tells how far they agree.
func compareAll(cmd *cobra.Command, tools *toolchain, jobs []planned, f runFlags, on realNode, fit fitting, booted func() []lab.BootTime) error {
	var list []fidelity.Comparison
	all := make([]worker.Job, len(jobs)) // too small a machine is no reason not to compare
	for i, j := range jobs {
		all[i] = j.Job
	}
	for i, at := range byMachine(all) {
		c := compareOne(cmd.Context(), on, fit, tools, all[at])
		if cmd.Context().Err() != nil {
			break // what was compared until now is told all the same
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "fidelity: %d/%d %s on %s: %s (%.0fs)\n", i+1, len(jobs), c.Scenario, c.Profile, c.Verdict(), c.RealSeconds)
		list = append(list, c)
		if l, ok := on.(*lab.Lab); ok && (c.Failed != "" || len(c.Differences) > 0) {
			l.Failed() // while its machine is there
		}
	}
	var boots []fidelity.Boot
	for _, b := range booted() {
		boots = append(boots, fidelity.Boot(b))
	}
	r := fidelity.NewReport(list, boots)
	if err := report.Any(cmd.OutOrStdout(), f.output, r, r.Table); err != nil {
		return harness(err)
	}
	switch {
	case cmd.Context().Err() != nil:
		return harness(fmt.Errorf("%w after %d of %d comparisons", cmd.Context().Err(), len(list), len(jobs)))
	case r.Failed() > 0:
		return harness(fmt.Errorf("%d of %d comparisons could not be done", r.Failed(), len(list)))
	case !r.Agree():
		return &exitError{code: exitBroken}
	case r.Facts() == 0:
		return harness(errors.New("nothing was compared: no scenario could be played on both, see the reasons above"))
	}
	return nil
}

// compareOne replays one scenario on both targets.
func compareOne(ctx context.Context, on realNode, fit fitting, tools *toolchain, j worker.Job) fidelity.Comparison {
	fitted := fit(j.Scenario, j.Profile)
	simulate := func(p *hwprofiles.Profile) scenarios.Result {
		return scenarios.Runner{}.RunSetup(ctx, fitted, sim.Setup(sim.Options{Decoder: tools.decoder}), p)
	}
	// Where the simulator has to stop, the real node need not go on.
	first := simulate(j.Profile)
	if n := len(first.Steps); n > 0 && first.Steps[n-1].Skipped != "" {
		cut := *fitted
		cut.Steps = fitted.Steps[:n]
		fitted = &cut
	}
	real := scenarios.Runner{}.RunSetup(ctx, fitted, on.Setup, j.Profile)
	seen := on.Machine()
	if seen == nil {
		seen = j.Profile
	}
	simulated := simulate(seen)
	c := fidelity.Compare(&simulated, &real)
	c.Profile = j.Profile.Name
	return c
}
