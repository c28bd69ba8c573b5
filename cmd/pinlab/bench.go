package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/bench"
	benchreport "github.com/pinlab/pinlab/bench/report"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/worker"
)

// benchFlags are what pinlab bench is asked for.
type benchFlags struct {
	request    bench.Request
	options    []string
	optionSets []string
	output     string
	save       string
	html       string
	svgDir     string
}

func newBench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use: "bench", Short: "Measure how long the kubelet's managers take", Args: noBenchArgs,
		Long: `Measure the kubelet's real CPU, topology and memory managers, path by path: the
admission of a pod (hints, merge, allocate, checkpoint), the removal of one, a
reconcile tick, and a restart on a populated state file.

Without flags a small plan is measured that shows how the cost grows with CPUs,
NUMA nodes and pods; it takes about half a minute. With --profile, --policy,
--fill and the like, all combinations of their values are measured.

Each repetition of a configuration is a process of its own, and configurations
take turns. A configuration that is not done within --deadline is ended and
reported as "did not finish"; the others go on.

What may have disturbed the run (load, throttling, a changing clock) is printed
as a warning on stderr; it never changes a result.

Ctrl-c ends a run early: what was measured until then is printed and saved, and
says that it was interrupted.

Exit codes: 0 measured; 2 bad input or usage, or the kubelet refuses a
configuration; 3 the harness could not do its work (a process crashed), or was
interrupted.`,
		Example: `  # a quick look
  pinlab bench

  # one server, as your nodes are configured
  pinlab bench --profile epyc-9654-2s-nps4 --topology-policy single-numa-node \
      --policy-option full-pcpus-only=true --fill half --fill nearly-full --request 8

  # does it matter that NUMA nodes are sought for the pod as a whole?
  pinlab bench --topology-scope container --topology-scope pod --containers 4 --request 8

  # keep the samples, upgrade, and compare
  pinlab bench --save old.json
  pinlab bench --save new.json
  pinlab bench compare old.json new.json --threshold 10

  # for benchstat, and for people
  pinlab bench -o gobench > new.txt
  pinlab bench --html report.html --svg-dir plots

  # how long is too long? 16 NUMA nodes
  pinlab bench --profile 'sockets=2 nodes=16 cores=64' --deadline 20s`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runBench(cmd, f) },
	}
	f.register(cmd)
	cmd.AddCommand(newBenchCompare())
	return cmd
}

func noBenchArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown argument %q: want flags, or 'compare OLD NEW'", args[0])
	}
	return nil
}

func (f *benchFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	r := &f.request
	flags.StringArrayVarP(&r.Profiles, "profile", "p", nil, "machine: a profile name, a file, a shape, or 'detected' for this one; may be repeated")
	flags.StringArrayVar(&r.Policies, "policy", nil, "CPU manager policy: static (default) or none; may be repeated")
	flags.StringArrayVar(&f.options, "policy-option", nil, "CPU manager policy option, NAME=true|false; repeated, they are set together")
	flags.StringArrayVar(&f.optionSets, "policy-option-set", nil, "a set of policy options that is measured by itself, NAME=VALUE,NAME=VALUE or none; may be repeated")
	flags.StringArrayVar(&r.TopologyPolicies, "topology-policy", nil, "none, best-effort (default), restricted or single-numa-node; may be repeated")
	flags.StringArrayVar(&r.TopologyScopes, "topology-scope", nil, "container (default) or pod; may be repeated")
	flags.StringArrayVar(&r.Fills, "fill", nil, "what the node holds: empty, half, fragmented (these three by default), nearly-full, or a share like 25%; may be repeated")
	flags.IntSliceVar(&r.Requests, "request", nil, "CPUs of the pod that comes and goes, and of each resident pod (default 4); may be repeated")
	flags.IntSliceVar(&r.Containers, "containers", nil, "containers over which each pod spreads its CPUs (default 1, or 2 with --topology-scope); may be repeated")
	flags.StringArrayVar(&r.Storages, "storage", nil, "where the state files lie: memory, disk (default both); may be repeated")
	flags.StringArrayVar(&r.Operations, "operation", nil, "admit, hints, merge, allocate, checkpoint, fit, remove, reconcile, restart, readmit (default all); may be repeated")
	flags.IntVar(&r.Repetitions, "repetitions", bench.DefaultRepetitions, "processes for each configuration")
	flags.IntVar(&r.Samples, "samples", 0, "samples of each operation and configuration, instead of --time")
	flags.DurationVar(&r.Time, "time", bench.DefaultTime, "time for taking samples in each configuration, at most 500 of an operation in a repetition")
	flags.DurationVar(&r.Deadline, "deadline", bench.DefaultDeadline, "time for one configuration; what takes longer did not finish")
	flags.StringVar(&r.DiskDir, "disk-dir", "", "directory on a disk, for storage disk (default the temporary directory, or /var/tmp)")
	flags.StringVarP(&f.output, "output", "o", "table", "table, json, yaml or gobench")
	flags.StringVar(&f.save, "save", "", "write all samples to this file, for 'pinlab bench compare'")
	flags.StringVar(&f.html, "html", "", "write a report with plots to this file")
	flags.StringVar(&f.svgDir, "svg-dir", "", "write the plots as SVG files to this directory")
	f.complete(cmd)
}

func (f *benchFlags) complete(cmd *cobra.Command) {
	fixed := map[string][]string{
		"policy":          {"none", "static"},
		"topology-policy": {"none", "best-effort", "restricted", "single-numa-node"},
		"topology-scope":  {"container", "pod"},
		"fill":            {"empty", "half", "fragmented", "nearly-full"},
		"storage":         {"memory", "disk"},
		"output":          {"table", "json", "yaml", "gobench"},
	}
	for _, op := range bench.Operations() {
		fixed["operation"] = append(fixed["operation"], string(op))
	}
	for name, values := range fixed {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append(hwprofiles.Names(), worker.Detected), cobra.ShellCompDirectiveDefault
	})
}

// plan checks the flags.
func (f *benchFlags) plan(cmd *cobra.Command) (*bench.Plan, error) {
	switch f.output {
	case "table", "json", "yaml", "gobench":
	default:
		return nil, fmt.Errorf("--output %q: want table, json, yaml or gobench", f.output)
	}
	flags := cmd.Flags()
	if flags.Changed("samples") && flags.Changed("time") {
		return nil, errors.New("--samples and --time: want one of them")
	}
	if flags.Changed("samples") && f.request.Samples < 1 {
		return nil, fmt.Errorf("--samples %d: want at least 1", f.request.Samples)
	}
	if f.request.Repetitions < 1 {
		return nil, fmt.Errorf("--repetitions %d: want at least 1", f.request.Repetitions)
	}
	for name, d := range map[string]time.Duration{"time": f.request.Time, "deadline": f.request.Deadline} {
		if d <= 0 {
			return nil, fmt.Errorf("--%s %v: want a positive duration", name, d)
		}
	}
	if len(f.options) > 0 && len(f.optionSets) > 0 {
		return nil, errors.New("--policy-option and --policy-option-set: want one of them")
	}
	sets := f.optionSets
	if len(f.options) > 0 {
		sets = []string{strings.Join(f.options, ",")}
	}
	for _, text := range sets {
		set, err := parseOptions(text)
		if err != nil {
			return nil, err
		}
		f.request.Options = append(f.request.Options, set)
	}
	p, err := bench.NewPlan(f.request)
	if err != nil {
		return nil, err
	}
	p.Command, p.ProgramBuild = benchCommand, version()
	return p, nil
}

// parseOptions reads NAME=VALUE,NAME=VALUE; none is the empty set.
func parseOptions(text string) (map[string]string, error) {
	set := map[string]string{}
	if text == "none" {
		return set, nil
	}
	for _, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("policy option %q: want NAME=true or NAME=false, like full-pcpus-only=true", part)
		}
		if _, twice := set[name]; twice {
			return nil, fmt.Errorf("policy option %s: given twice", name)
		}
		set[name] = value
	}
	return set, nil
}

func runBench(cmd *cobra.Command, f benchFlags) error {
	p, err := f.plan(cmd)
	if err != nil {
		return err
	}
	files, err := f.files()
	if err != nil {
		return err
	}
	progress := newBenchProgress(cmd.ErrOrStderr(), len(p.Configs))
	r, err := bench.Run(cmd.Context(), p, progress.tell)
	progress.close()
	interrupted := r != nil && errors.Is(err, context.Canceled)
	if err != nil && !interrupted {
		if errors.Is(err, bench.ErrInput) {
			return err
		}
		return harness(err)
	}
	if interrupted && !measured(r) {
		return harness(errors.New("interrupted before anything was measured; no file is written"))
	}
	if err := writeBench(cmd.OutOrStdout(), f.output, r); err != nil {
		return harness(err)
	}
	for _, w := range r.Warnings {
		if w.About != "" {
			continue // in the saved report; the one about all of them says enough
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "pinlab: warning:", w.Text)
	}
	if err := files.write(r); err != nil {
		return harness(err)
	}
	if interrupted {
		return harness(errors.New("interrupted: what was measured until then is shown and saved, marked as interrupted"))
	}
	return benchVerdict(r)
}

// measured says that there are samples of anything.
func measured(r *bench.Report) bool {
	return slices.ContainsFunc(r.Results, func(x bench.Result) bool { return len(x.Series) > 0 })
}

func writeBench(w io.Writer, format string, r *bench.Report) error {
	if format == "gobench" {
		return benchreport.GoBench(w, r)
	}
	return report.Any(w, format, r, func(w io.Writer) error { return benchreport.Table(w, r) })
}

// benchVerdict makes an exit code of configurations that could not be measured.
// One that did not finish in time is an answer.
func benchVerdict(r *bench.Report) error {
	code := exitHeld
	var texts []string
	for _, result := range r.Results {
		switch result.Status {
		case bench.StatusRefused:
			code = max(code, exitUsage)
		case bench.StatusFailed:
			code = max(code, exitHarness)
		default:
			continue
		}
		texts = append(texts, fmt.Sprintf("%s: %s", result.Config.Name(), result.Reason))
	}
	if code == exitHeld {
		return nil
	}
	return &exitError{code: code, cause: errors.New(strings.Join(texts, "\n"))}
}

// benchCommand runs this program as a child that measures.
func benchCommand(ctx context.Context) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cmd := exec.CommandContext(ctx, self, benchWorkerName)
	cmd.Args[0] = os.Args[0] // one program may go by several names
	return cmd
}

const benchWorkerName = "bench-worker"

func newBenchWorker() *cobra.Command {
	return &cobra.Command{
		Use: benchWorkerName, Hidden: true, Args: cobra.NoArgs,
		Short: "Measure the configuration that a parent process sends",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return harness(bench.Serve(cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
}
