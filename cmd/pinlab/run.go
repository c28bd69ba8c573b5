package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/worker"
)

type runFlags struct {
	profiles []string
	selector string
	target   string
	cgroup   string
	output   string
	timeout  time.Duration
	detail   bool
	logs     bool
	config   string
	suite    string
	shard    string
	resume   string
	repeat   int
	known    string // --baseline
	learn    string // --write-baseline
	kind     kindFlags
}

// The targets that a scenario can be replayed on.
const (
	targetSim  = "sim"
	targetLab  = "lab"
	targetKind = "kind"
)

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [NAME|FILE|DIR...]",
		Short: "Replay scenarios and check the invariants after every step",
		Long: `Replay scenarios against the kubelet's real managers and check the invariants
after every step.

A scenario is a name from the embedded corpus (see 'pinlab scenario list'), a
file, or a directory that is searched for *.yaml. Without one, the whole corpus
is replayed on its own profiles, and the scenarios that hold on any machine also
on this machine. --suite replays many scenarios on many machines under many
kubelet configurations, as a suite file combines them; where a scenario does not
apply it is skipped with the reason.

Exit codes: 0 all held, 1 something did not hold, 2 bad input or usage, 3 the
harness could not do its work (a scenario hung, a process crashed).`,
		Example: `  # everything, on the profiles the scenarios name and on this machine
  pinlab run

  # the heart of the outage, step by step
  pinlab run unable-to-freeze

  # your own scenarios on another server, for CI
  pinlab run ./my-scenarios --profile epyc-9654-2s-nps4 -o junit > report.xml

  # on the machine you are sitting at
  pinlab run portable-pin-one --profile detected

  # on a real kubelet in a container of this machine
  pinlab run --target kind -l portable

  # thousands of runs; the same command again goes on where it was interrupted
  pinlab run --suite regression --resume regression.json

  # one of eight CI machines; new failures only
  pinlab run --suite regression --shard 2/8 --baseline known.yaml -o github`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return scenarios.CorpusNames(), cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runScenarios(cmd, args, f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.profiles, "profile", "p", nil, "machine to replay on instead of the scenario's own: a profile name, a file, a shape, or 'detected'; may be repeated")
	flags.StringVarP(&f.selector, "selector", "l", "", "only scenarios with these labels, as in kubectl: class=topology, 'class in (topology,device)', outage")
	flags.StringVar(&f.cgroup, "cgroup", "", cgroupUsage)
	flags.StringVar(&f.target, "target", targetSim, "what to replay on: sim, lab (a virtual machine with a real kubelet) or kind (a Kubernetes cluster in a container)")
	f.kind.add(cmd)
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "time for one scenario; what takes longer is a hang")
	f.addOutput(cmd)
	f.addCI(cmd)
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append(hwprofiles.Names(), worker.Detected), cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// addOutput adds the flags that say how results are shown.
func (f *runFlags) addOutput(cmd *cobra.Command) {
	addRunOutput(cmd, &f.output)
	flags := cmd.Flags()
	flags.BoolVar(&f.detail, "detail", false, "show every step (default for a single scenario)")
	flags.BoolVar(&f.logs, "logs", false, "show the kubelet's log lines of every step (with -o table)")
}

func (f runFlags) validate() error {
	if err := checkOutput(f.output); err != nil {
		return err
	}
	if !slices.Contains([]string{targetSim, targetLab, targetKind}, f.target) {
		return fmt.Errorf("--target %q: want %s, %s or %s", f.target, targetSim, targetLab, targetKind)
	}
	if err := f.kind.validate(f.target); err != nil {
		return err
	}
	if slices.Contains(f.profiles, "") {
		return errors.New("--profile is empty: want a profile name, a file, a shape, or 'detected'")
	}
	if f.cgroup != "" {
		if f.target != targetLab {
			return errors.New("--cgroup is the lab's: want it together with --target lab")
		}
		if err := checkCgroup(f.cgroup); err != nil {
			return err
		}
	}
	if f.target == targetSim && f.timeout <= 0 {
		return fmt.Errorf("--timeout %v: want a positive duration", f.timeout)
	}
	return nil
}

func runScenarios(cmd *cobra.Command, args []string, f runFlags) error {
	if err := errors.Join(f.validate(), f.validateCI(cmd, args)); err != nil {
		return err
	}
	if f.suite != "" {
		return runSuite(cmd, f)
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
	if f.target == targetLab || f.kind.inLab {
		if err := checkShapes(jobs, f); err != nil {
			return err
		}
	}
	if f.target == targetKind && !f.kind.inLab {
		return runOnKind(cmd, tools, jobs, f)
	}
	return runJobs(cmd, runOf{jobs: jobs, replay: func(progress *report.Progress) ([]scenarios.Result, error) {
		if f.target != targetSim {
			return runOnLab(cmd.Context(), tools, toRun(jobs), f, cmd.ErrOrStderr(), progress)
		}
		pool := simPool(tools, f, progress)
		return pool.Run(cmd.Context(), toRun(jobs))
	}}, f)
}

// runOf is one run of the command: what is replayed, and how.
type runOf struct {
	jobs   []planned
	replay func(*report.Progress) ([]scenarios.Result, error)
	// suite is set for the runs of one; more are its results that are there
	// already, finished is given all of them.
	suite    *scenarios.SuiteInfo
	more     []scenarios.Result
	keys     map[scenarios.Key]bool // of all its runs
	finished func([]scenarios.Result) error
	// plain is the time between two lines of progress without a terminal.
	plain time.Duration
}

// runJobs shows the progress of a replay of the jobs, then its results.
func runJobs(cmd *cobra.Command, run runOf, f runFlags) error {
	known, err := openBaseline(f.known, f.learn)
	if err != nil {
		return err
	}
	progress := report.NewProgress(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr()), colour(cmd.ErrOrStderr()), width(cmd.ErrOrStderr()))
	progress.Plainly(run.plain)
	for _, j := range toRun(run.jobs) {
		progress.Add(j.Scenario.Name, j.Profile.Name)
	}
	started := time.Now()
	results, err := run.replay(progress)
	progress.Close()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("interrupted")
		}
		return harness(err)
	}
	all := merge(run.jobs, results)
	hints := misfits(run.jobs, all)
	all = append(all, run.more...)
	if err := known.apply(cmd.ErrOrStderr(), all, run.keys); err != nil {
		return harness(err)
	}
	if run.finished != nil { // with what the baseline knows, for those who merge it
		if err := run.finished(all); err != nil {
			return harness(err)
		}
	}
	if err := write(cmd.OutOrStdout(), all, run, f, time.Since(started)); err != nil {
		return harness(err)
	}
	for _, hint := range hints {
		fmt.Fprintln(cmd.ErrOrStderr(), "pinlab:", hint)
	}
	if report.NothingRan(scenarios.RunReport{Suite: run.suite, Results: all}) {
		return errNothingRan
	}
	return verdictError(all)
}

// errNothingRan is bad input: such a suite would be green whatever happens.
var errNothingRan = errors.New("every run of the suite was skipped, so that nothing was checked; the reasons are above")

// workerCommand runs this program as a worker.
func workerCommand(ctx context.Context) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, self, "worker")
	cmd.Args[0] = os.Args[0] // one program may go by several names
	return cmd
}

func write(w io.Writer, results []scenarios.Result, run runOf, f runFlags, elapsed time.Duration) error {
	if run.suite != nil {
		results = inOrder(results, f.output)
	}
	r := scenarios.NewRunReport(results)
	r.Suite = run.suite
	profiles := map[string]*hwprofiles.Profile{}
	for _, j := range run.jobs {
		profiles[j.Profile.Name] = j.Profile
	}
	return writeRun(w, r, f.output, report.TableOptions{
		MapOptions: report.MapOptions{Color: colour(w), Width: width(w)},
		Durations:  true, Elapsed: elapsed, Detail: f.detail || f.logs || len(results) == 1, Logs: f.logs,
		Profile: func(r *scenarios.Result) *hwprofiles.Profile { return profiles[r.Profile] },
	})
}

// inOrder puts the results of a suite into their order. How long they took is
// only for those formats that are not compared.
func inOrder(results []scenarios.Result, output string) []scenarios.Result {
	took := map[scenarios.Key]float64{}
	for i := range results {
		took[results[i].Key()] = results[i].DurationSeconds
	}
	out := report.Comparable(results)
	if output == "junit" {
		for i := range out {
			out[i].DurationSeconds = took[out[i].Key()]
		}
	}
	return out
}

// verdictError turns the verdicts into the exit code.
func verdictError(results []scenarios.Result) error {
	code := exitHeld
	for _, r := range results {
		if r.Known {
			continue
		}
		switch r.Verdict {
		case scenarios.Fail:
			code = max(code, exitBroken)
		case scenarios.Hang:
			code = max(code, exitHarness)
		case scenarios.Errored:
			if r.Misuse {
				code = max(code, exitUsage)
			} else {
				code = max(code, exitHarness)
			}
		}
	}
	if code == exitHeld {
		return nil
	}
	return &exitError{code: code}
}

// parseSelector reads a label selector as kubectl does; an empty one selects
// everything.
func parseSelector(text string) (labels.Selector, error) {
	selector, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("--selector %q: %w; want a label selector as in kubectl: class=topology, 'class in (topology,device)', outage", text, err)
	}
	return selector, nil
}
