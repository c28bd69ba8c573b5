package main

import (
	"context"
	"errors"
	"fmt"
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
	cmd := &cobra.Command{
		Use:   "fidelity [NAME|FILE|DIR...]",
		Short: "Replay scenarios on the simulator and on a real kubelet, and compare",
		Long: `Replay each scenario on the simulator and in the lab (a virtual machine of the
profile with a real kubelet), and compare the two observation by observation:
admissions with their reasons and messages, the kubelet's state and error,
exclusive CPUs, the shared pool, the state file, and the CPUs that the cgroups
really allow. The simulator is given the machine as the lab's kernel shows it.

Exit codes: 0 no difference, 1 some difference, 2 bad input or usage, 3 the lab
could not do its work.`,
		Example: `  # one scenario
  pinlab fidelity --profile generic-2s4c-smt2 first-pin

  # everything about restarts, on two shapes
  pinlab fidelity -p generic-2s4c-smt2 -p generic-1s4c -l class=state

  # a machine with the old cgroup hierarchies
  pinlab fidelity --cgroup v1 first-pin`,
		RunE: func(cmd *cobra.Command, args []string) error { return runFidelity(cmd, args, f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.profiles, "profile", "p", []string{"generic-2s4c-smt2"}, "machine to compare on; may be repeated")
	flags.StringVar(&f.cgroup, "cgroup", "", cgroupUsage)
	flags.StringVarP(&f.selector, "selector", "l", "", "only scenarios with these labels, as in kubectl: class=outage")
	flags.StringVarP(&f.output, "output", "o", "table", "table, json or yaml")
	return cmd
}

func runFidelity(cmd *cobra.Command, args []string, f runFlags) (err error) {
	f.target, f.timeout = targetLab, time.Minute
	if err := f.validate(); err != nil {
		return err
	}
	if f.output == "junit" {
		return errors.New("--output junit: want table, json or yaml")
	}
	tools, err := newToolchain()
	if err != nil {
		return err
	}
	jobs, err := selectJobs(tools.loader, args, f)
	if err != nil {
		return err
	}
	if err := checkShapes(jobs, f); err != nil {
		return err
	}
	if err := lab.Missing(); err != nil {
		return harness(err)
	}
	l := lab.New(labOptions(f.cgroup, cmd.ErrOrStderr()), nodeOptions(tools))
	defer func() {
		if e := l.Close(); e != nil {
			err = errors.Join(err, harness(e))
		}
	}()
	var list []fidelity.Comparison
	all := make([]worker.Job, len(jobs)) // too small a machine is no reason not to compare
	for i, j := range jobs {
		all[i] = j.Job
	}
	for i, at := range byMachine(all) {
		c := compareOne(cmd.Context(), l, tools, all[at])
		if cmd.Context().Err() != nil {
			break // what was compared until now is told all the same
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "fidelity: %d/%d %s on %s: %s (%.0fs)\n", i+1, len(jobs), c.Scenario, c.Profile, c.Verdict(), c.RealSeconds)
		list = append(list, c)
	}
	var boots []fidelity.Boot
	for _, b := range l.Boots() {
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
	}
	return nil
}

// compareOne replays one scenario on both targets.
func compareOne(ctx context.Context, l *lab.Lab, tools *toolchain, j worker.Job) fidelity.Comparison {
	fitted := lab.Fit(j.Scenario, j.Profile)
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
	real := scenarios.Runner{}.RunSetup(ctx, fitted, l.Setup, j.Profile)
	seen := l.Machine()
	if seen == nil {
		seen = j.Profile
	}
	simulated := simulate(seen)
	c := fidelity.Compare(&simulated, &real)
	c.Profile = j.Profile.Name
	return c
}
