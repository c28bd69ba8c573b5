package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/pinlab/pinlab"
	"github.com/pinlab/pinlab/e2e/kind"
	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/worker"
)

// cgroupUsage is the help for --cgroup.
const cgroupUsage = "cgroup hierarchy of the lab's machine: v1 or v2 (default \"v2\")"

// checkCgroup checks the value of --cgroup; empty is the default.
func checkCgroup(version string) error {
	if version != "" && version != "v1" && version != "v2" {
		return fmt.Errorf("--cgroup %q: want v1 or v2", version)
	}
	return nil
}

// labOptions are the lab's, telling what it does on w.
func labOptions(cgroup string, w io.Writer) lab.Options {
	return lab.Options{CgroupV1: cgroup == "v1", GoMod: pinlab.GoMod, GoSum: pinlab.GoSum, Say: func(text string) { fmt.Fprintln(w, "lab:", text) }}
}

// newLabTarget is the lab for these flags, telling what it does on w.
func newLabTarget(tools *toolchain, f runFlags, w io.Writer) *lab.Lab {
	o := nodeOptions(tools)
	o.Crowded = f.kind.inLab
	return lab.New(labTargetOptions(f, w), o)
}

// labTargetOptions are those of a lab whose machines are targets. With kind in the
// lab its nodes are those of kind clusters in its machines.
func labTargetOptions(f runFlags, w io.Writer) lab.Options {
	o := labOptions(f.cgroup, w)
	if f.kind.inLab {
		say := func(text string) { fmt.Fprintln(w, "kind:", text) }
		o.Kind, o.Wrap = true, kind.Relayed
		o.Making = func(ctx context.Context, relay node.Caller) { kind.Follow(ctx, relay, say) }
		o.Failing = func(relay node.Caller) { kind.KeepRelayed(relay, say) }
	}
	return o
}

// nodeOptions are what a node with a real kubelet takes from the simulator: the
// formats of state files and the reading of manifests.
func nodeOptions(tools *toolchain) node.Options {
	return node.Options{Files: sim.StateContent, Read: sim.ReadState, ReadMemory: sim.ReadMemoryState, Pinning: sim.Pinning(tools.decoder)}
}

// checkShapes refuses a machine that was asked for by name and cannot be made;
// the machines of scenarios are skipped.
func checkShapes(jobs []planned, f runFlags) error {
	if len(f.profiles) == 0 {
		return nil
	}
	for _, j := range jobs {
		if err := lab.Check(j.Profile); err != nil {
			return fmt.Errorf("--profile %s: %w", j.ProfileRef, err)
		}
	}
	return nil
}

// runOnLab replays jobs on machines of the lab.
func runOnLab(ctx context.Context, tools *toolchain, jobs []worker.Job, f runFlags, w io.Writer, progress *report.Progress) (results []scenarios.Result, err error) {
	if err := lab.Missing(); err != nil {
		return nil, err
	}
	l := newLabTarget(tools, f, w)
	defer func() { err = errors.Join(err, l.Close()) }()
	return replay(ctx, jobs, l.Setup, lab.Fit, l.Failed, progress)
}

// replay replays jobs one after the other: a machine of the lab has all of this
// one's CPUs. Fit is what is to be changed about a scenario first; failed is told of one
// that did not hold, as long as its machine is there.
func replay(ctx context.Context, jobs []worker.Job, setup scenarios.Setup, fit fitting, failed func(), progress *report.Progress) ([]scenarios.Result, error) {
	results := make([]scenarios.Result, len(jobs))
	for _, i := range byMachine(jobs) {
		j := jobs[i]
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		runner := scenarios.Runner{Progress: func(p scenarios.Progress) { progress.Step(i, p.Done, p.Total) }}
		result := runner.RunSetup(ctx, fit(j.Scenario, j.Profile), setup, j.Profile)
		progress.Finish(i, result.Verdict)
		if ctx.Err() == nil && verdictError([]scenarios.Result{result}) != nil {
			failed()
		}
		results[i] = result
	}
	return results, nil
}

// fitting makes a scenario fit a machine.
type fitting func(*scenarios.Scenario, *hwprofiles.Profile) *scenarios.Scenario

// asItIs is for machines with all the memory that they show.
func asItIs(s *scenarios.Scenario, _ *hwprofiles.Profile) *scenarios.Scenario { return s }

// byMachine is an order of jobs in which each machine is booted once: that of
// the machines' first use.
func byMachine(jobs []worker.Job) []int {
	first := map[*hwprofiles.Profile]int{}
	order := make([]int, len(jobs))
	for i, j := range jobs {
		if _, seen := first[j.Profile]; !seen {
			first[j.Profile] = i
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return first[jobs[a].Profile] - first[jobs[b].Profile] })
	return order
}
