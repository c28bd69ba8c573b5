package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/kind"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/worker"
)

// kindFlags say which cluster --target kind replays on.
type kindFlags struct {
	cluster, kubeconfig, context, image string
	retain, inLab                       bool
}

func (f *kindFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var((*given)(&f.cluster), "kind-cluster", "with --target kind: an existing cluster of one node instead of a new one")
	flags.Var((*given)(&f.kubeconfig), "kubeconfig", "with --target kind: a kubeconfig that leads to an existing kind cluster")
	flags.Var((*given)(&f.context), "context", "with --target kind: a kubeconfig's context that leads to an existing kind cluster")
	flags.Var((*given)(&f.image), "kind-image", "with --target kind: node image of the new cluster (default kind's own)")
	flags.BoolVar(&f.retain, "retain", false, "with --target kind: keep the new cluster")
	flags.BoolVar(&f.inLab, "in-lab", false, "with --target kind: run kind in a virtual machine of the profile, without a registry and privileges")
}

// given is a flag's value that is not empty when the flag is given: an empty
// variable of a script must not make a new cluster where one was meant.
type given string

// String implements pflag.Value.
func (g *given) String() string { return string(*g) }

// Type implements pflag.Value.
func (*given) Type() string { return "string" }

// Set implements pflag.Value.
func (g *given) Set(text string) error {
	if text == "" {
		return errors.New("is empty; want a value, or the flag left out")
	}
	*g = given(text)
	return nil
}

// validate checks the flags against the target and against each other.
func (f kindFlags) validate(target string) error {
	if target != targetKind {
		if f != (kindFlags{}) {
			return errors.New("--kind-cluster, --kubeconfig, --context, --kind-image, --retain and --in-lab are kind's: want them together with --target kind")
		}
		return nil
	}
	attach := f.cluster != "" || f.kubeconfig != "" || f.context != ""
	switch {
	case f.cluster != "" && (f.kubeconfig != "" || f.context != ""):
		return errors.New("--kind-cluster together with --kubeconfig or --context: want one way to say which cluster")
	case attach && f.image != "":
		return errors.New("--kind-image is for a new cluster: want it without --kind-cluster, --kubeconfig and --context")
	case attach && f.retain:
		return errors.New("--retain is for a new cluster; an existing one is kept anyway")
	case f.inLab && (attach || f.retain || f.image != ""):
		return errors.New("--in-lab makes the node image, the cluster and its machine, and ends them: want it without --kind-cluster, --kubeconfig, --context, --kind-image and --retain")
	}
	return nil
}

// hosts says that the target's machine is the one that pinlab runs on.
func (f runFlags) hosts() bool { return f.target == targetKind && !f.kind.inLab }

// checkHost refuses a machine that was asked for by name and is not this one: the
// results would be said to be its.
func (f runFlags) checkHost(jobs []planned) error {
	if !f.hosts() || len(f.profiles) == 0 {
		return nil
	}
	here, err := worker.Resolve(worker.Detected, "/")
	if err != nil {
		return harness(fmt.Errorf("this machine's CPUs: %w", err))
	}
	for _, j := range jobs {
		if j.ProfileRef == worker.Detected {
			continue
		}
		if err := kind.SameMachine(j.Profile, here); err != nil {
			return fmt.Errorf("--profile %s: %w; want --profile %s, or --in-lab", j.ProfileRef, err, worker.Detected)
		}
	}
	return nil
}

// newKind is the target for these flags, telling what it does on w.
func newKind(tools *toolchain, f kindFlags, w io.Writer) *kind.Kind {
	return kind.New(kind.Options{
		Cluster: f.cluster, Kubeconfig: f.kubeconfig, Context: f.context, Image: f.image, Retain: f.retain,
		Say: func(text string) { fmt.Fprintln(w, "kind:", text) },
	}, nodeOptions(tools))
}

// openKind makes or finds the cluster. A cluster that was asked for and is not
// fit is bad input.
func openKind(ctx context.Context, k *kind.Kind) error {
	err := k.Open(ctx)
	switch {
	case ctx.Err() != nil:
		return harness(errors.New("interrupted"))
	case errors.Is(err, kind.ErrUsage):
		return err
	}
	return harness(err)
}

// runOnKind replays jobs on the node of a kind cluster.
func runOnKind(cmd *cobra.Command, tools *toolchain, jobs []planned, f runFlags) error {
	k := newKind(tools, f.kind, cmd.ErrOrStderr())
	if len(toRun(jobs)) > 0 {
		if err := openKind(cmd.Context(), k); err != nil {
			return err
		}
	}
	err := runJobs(cmd, runOf{jobs: jobs, replay: func(progress *report.Progress) ([]scenarios.Result, error) {
		return replay(cmd.Context(), toRun(jobs), k.Setup, asItIs, func() {}, progress)
	}}, f)
	return closeKind(cmd, k, err)
}

// closeKind ends the target and returns what is to be told of both: an exit code
// of its own says nothing about a cluster that could not be deleted.
func closeKind(cmd *cobra.Command, k *kind.Kind, err error) error {
	closing := k.Close(err != nil)
	if closing == nil {
		return err
	}
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "pinlab:", closing)
		return err
	}
	return harness(closing)
}

func newLabKind() *cobra.Command {
	f := runFlags{target: targetKind, repeat: 1, kind: kindFlags{inLab: true}}
	cmd := &cobra.Command{
		Use: "kind NAME|FILE|DIR...", Short: "Replay scenarios on a kind cluster in a machine of the lab", Args: cobra.MinimumNArgs(1),
		Long: `Boot a machine of the profile with a container engine in it, let kind make a
cluster there, and replay scenarios on the cluster's node: real pods through a
real API server, with the profile's NUMA topology. No registry is asked, and no
container engine is needed here. It is the same as
'pinlab run --target kind --in-lab'.

The first use builds the node image of Go modules and Debian packages, which takes
root, 12 GiB of disk and a quarter of an hour.`,
		Example: `  pinlab lab kind --profile generic-2s4c-smt2 first-pin`,
		RunE:    func(cmd *cobra.Command, args []string) error { return runScenarios(cmd, args, f) },
	}
	cmd.Flags().StringArrayVarP(&f.profiles, "profile", "p", nil, "machine to make instead of the scenario's own; may be repeated")
	f.addOutput(cmd)
	return cmd
}

// serveMember serves the host of a cluster's node over the standard streams.
func serveMember(cmd *cobra.Command) error {
	return harness(agent.Serve(stdStreams{cmd.InOrStdin(), cmd.OutOrStdout()}, agent.NewMember(cmd.Context())))
}

// stdStreams are a command's standard input and output as one stream.
type stdStreams struct {
	io.Reader
	io.Writer
}

// Close implements io.Closer; the streams end with the process.
func (stdStreams) Close() error { return nil }

// newRelay makes a kind cluster in the virtual machine that this runs in. What it
// says goes to the machine's console.
func newRelay(cmd *cobra.Command, image string) *kind.Relay {
	w := cmd.ErrOrStderr()
	return kind.NewRelay(cmd.Context(), kind.Options{Image: image, Say: func(text string) { fmt.Fprintln(w, "kind:", text) }}, w)
}
