package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/explore"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/worker"
)

// exploreFlags are those of every kind of search.
type exploreFlags struct {
	seed    uint64
	runs    int
	budget  time.Duration
	workers int
	timeout time.Duration
	memory  string
	known   string
	out     string
	output  string

	bytes int64 // memory
}

func newExplore() *cobra.Command {
	var f exploreFlags
	cmd := &cobra.Command{
		Use:   "explore",
		Short: "Search for what nobody wrote down",
		Long: `explore makes up the lives of nodes, replays them on the real managers, checks the
invariants after every event, and shrinks what breaks to the smallest scenario.

Without a subcommand it searches at random, guided by which log statements of the
managers it reaches, over odd machines, policies, options and faults.`,
		Example: `  pinlab explore --for 10m --out findings
  pinlab explore --runs 20000 --seed 7 -o json
  pinlab explore crash unable-to-freeze
  pinlab explore exhaustive --depth 4`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.runs == 0 && f.budget == 0 {
				f.budget = time.Minute
			}
			search := fmt.Sprintf("random search, seed %d", f.seed)
			return exploring(cmd, &f, search, false, func(ctx context.Context, x *explore.Explorer) error {
				return x.Random(ctx, explore.Random{Seed: f.seed, Runs: f.runs, Enough: f.enough()})
			})
		},
	}
	p := cmd.PersistentFlags()
	p.IntVar(&f.workers, "workers", runtime.GOMAXPROCS(0), "processes that replay")
	p.DurationVar(&f.timeout, "timeout", 10*time.Second, "what takes longer is a hang")
	p.StringVar(&f.memory, "memory", "1Gi", "bound of the search and its workers together")
	p.StringVar(&f.known, "known", "", "file of known causes, in place of the one that pinlab comes with")
	p.StringVar(&f.out, "out", "", "directory for the findings: scenario, report and a Go test each; new or empty")
	p.StringVarP(&f.output, "output", "o", "table", "table, json or yaml")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "the same seed and number of runs find the same")
	cmd.Flags().IntVar(&f.runs, "runs", 0, "budget in runs")
	cmd.Flags().DurationVar(&f.budget, "for", 0, "budget in time (1m unless --runs is given)")
	cmd.AddCommand(newExploreCrash(&f), newExploreExhaustive(&f))
	return cmd
}

func (f *exploreFlags) validate() error {
	switch {
	case f.output != "table" && f.output != "json" && f.output != "yaml":
		return fmt.Errorf("--output %q: want table, json or yaml", f.output)
	case f.workers < 1:
		return fmt.Errorf("--workers %d: want at least 1", f.workers)
	case f.timeout <= 0:
		return fmt.Errorf("--timeout %v: want a positive duration", f.timeout)
	case f.runs < 0:
		return fmt.Errorf("--runs %d: want a positive number", f.runs)
	case f.budget < 0:
		return fmt.Errorf("--for %v: want a positive duration", f.budget)
	}
	q, err := resource.ParseQuantity(f.memory)
	if err != nil {
		return fmt.Errorf("--memory %q: %w; want a quantity like 1Gi", f.memory, err)
	}
	const least = 128 << 20
	if f.bytes = q.Value(); f.bytes/least-1 < int64(f.workers) { // without a product that may overflow
		return fmt.Errorf("--memory %s: want at least 128Mi for the search and for each of the %d workers", f.memory, f.workers)
	}
	return nil
}

// enough says when the time is up; nil without a budget in time.
func (f *exploreFlags) enough() func() bool {
	if f.budget == 0 {
		return nil
	}
	end := time.Now().Add(f.budget)
	return func() bool { return time.Now().After(end) }
}

func (f *exploreFlags) knownCauses() (explore.KnownList, error) {
	if f.known == "" {
		return explore.EmbeddedKnown()
	}
	data, err := os.ReadFile(f.known)
	if err != nil {
		return nil, fmt.Errorf("--known: %w", err)
	}
	list, err := explore.ParseKnown(data, f.known)
	if err != nil {
		return nil, fmt.Errorf("--known: %w", err)
	}
	return list, nil
}

// exploring runs one search and writes what it found.
func exploring(cmd *cobra.Command, f *exploreFlags, search string, states bool, run func(context.Context, *explore.Explorer) error) error {
	if err := f.validate(); err != nil {
		return err
	}
	known, err := f.knownCauses()
	if err != nil {
		return err
	}
	if err := explore.MakeDir(f.out); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	dir, remove, err := sim.LockedDir(sim.StateBase())
	if err != nil {
		return harness(err)
	}
	defer func() { _ = remove() }()
	share := f.bytes / int64(f.workers+1)
	x := &explore.Explorer{
		Known: known, Simple: explore.SimpleMachines(), Prepare: kubelet.PreparePod, Memory: share,
		Resolve: func(ref string) (*hwprofiles.Profile, error) { return worker.Resolve(ref, "/") },
	}
	for range f.workers {
		p := &explore.Process{Command: exploreCommand, Timeout: f.timeout, TempDir: dir, Memory: share, State: states}
		defer p.Close()
		x.Workers = append(x.Workers, p)
	}
	started := time.Now()
	line := newExploreProgress(cmd.ErrOrStderr(), started)
	x.Progress = line.show
	err = run(cmd.Context(), x)
	line.close()
	interrupted := errors.Is(err, context.Canceled)
	if err != nil && !interrupted {
		return harness(err)
	}
	r, err := explore.NewReport(kubelet.Version, search, f.seed, x)
	if err != nil {
		return harness(err)
	}
	if states { // an exhaustive search is told with its rate
		r.SequencesPerSecond = math.Round(float64(r.Stats.Runs) / max(time.Since(started).Seconds(), 0.001))
	}
	err = report.Any(cmd.OutOrStdout(), f.output, r, func(w io.Writer) error { return explore.Table(w, r) })
	if err != nil {
		return harness(err)
	}
	if err := f.save(context.WithoutCancel(cmd.Context()), x, dir); err != nil {
		return err
	}
	if interrupted {
		return harness(errors.New("interrupted; what is above was found before"))
	}
	if r.New() > 0 {
		return &exitError{code: exitBroken}
	}
	return nil
}

// exploreCommand runs this program as a worker of a search.
func exploreCommand(ctx context.Context) *exec.Cmd {
	cmd := workerCommand(ctx)
	cmd.Args[1] = "explore-worker"
	return cmd
}

func newExploreWorker() *cobra.Command {
	return &cobra.Command{
		Use: "explore-worker", Hidden: true, Args: cobra.NoArgs,
		Short: "Replay what a parent process sends",
		RunE: func(cmd *cobra.Command, _ []string) error {
			tools, err := newToolchain()
			if err != nil {
				return err
			}
			return harness(explore.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), tools.decoder))
		},
	}
}

// save writes the findings to --out.
func (f *exploreFlags) save(ctx context.Context, x *explore.Explorer, tempDir string) error {
	if f.out == "" {
		return nil
	}
	tools, err := newToolchain()
	if err != nil {
		return err
	}
	sv := explore.Saver{
		Dir: f.out, KubeletVersion: kubelet.Version, Resolve: x.Resolve, GoMod: pinlab.GoMod, GoSum: pinlab.GoSum,
		Trace: func(s *scenarios.Scenario) []observe.Step {
			p, err := x.Resolve(s.Profile)
			if err != nil {
				return nil
			}
			setup := sim.Setup(sim.Options{Decoder: tools.decoder, TempDir: tempDir, Resolve: x.Resolve})
			result, _ := worker.Watched(ctx, f.timeout, scenarios.Runner{}, s, setup, p)
			return result.Steps
		},
	}
	if err := sv.Save(x.Findings()); err != nil {
		return harness(fmt.Errorf("--out: %w", err))
	}
	return nil
}
