package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/klog/v2"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/worker"
)

// Exit codes; docs/cli.md documents them.
const (
	exitHeld    = 0 // everything held
	exitBroken  = 1 // something did not hold
	exitUsage   = 2 // bad input or usage
	exitHarness = 3 // the harness could not do its work
)

// stdio are the program's streams.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// exitError carries an exit code; a nil cause prints nothing.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// harness marks an error as the harness's own failure.
func harness(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: exitHarness, cause: err}
}

// run is the whole program. What commands return without a code of its own is
// bad input or usage.
func run(ctx context.Context, args []string, s stdio) int {
	// What cadvisor says of a machine while it reads it is no output of ours.
	klog.SetLogger(logr.Discard())
	out := &output{Writer: s.out}
	s.out = out
	root := newRoot(s)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if out.failed != nil {
		// Whatever the command made of it: nobody has read all of its answer.
		err = harness(fmt.Errorf("write the output: %w", out.failed))
	}
	if err == nil {
		return exitHeld
	}
	code := exitUsage
	var coded *exitError
	if errors.As(err, &coded) {
		code = coded.code
		if coded.cause == nil {
			return code
		}
	}
	for _, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
		fmt.Fprintln(s.err, "pinlab:", screen.Visible(line, false)) // a file's name may be anything
	}
	return code
}

// output remembers that something could not be written: a table whose end is
// missing must not look like an answer.
type output struct {
	io.Writer
	failed error
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil && o.failed == nil {
		o.failed = err
	}
	return n, err
}

func newRoot(s stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "pinlab",
		Short: "Prove what the kubelet's CPU manager does, before it matters",
		Long: `pinlab replays pod lifecycles against the kubelet's real CPU, memory and
topology managers on any NUMA hardware, detected or synthetic, and says who is
pinned where and why.`,
		SilenceErrors: true, SilenceUsage: true,
		Version: version(),
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w\nsee '%s --help'", err, cmd.CommandPath())
	})
	root.AddCommand(newRun(), newReport(), newExplain(), newVerify(), newProfile(), newScenario(), newLab(), newFidelity(), newTUI(), newBench(), newExplore(), newWorker(), newExploreWorker(), newBenchWorker())
	return root
}

// toolchain is what the commands that touch the kubelet's code share.
type toolchain struct {
	decoder *kubelet.ConfigDecoder
	loader  scenarios.Loader
}

func newToolchain() (*toolchain, error) {
	decoder, err := kubelet.NewConfigDecoder()
	if err != nil {
		return nil, harness(err)
	}
	here := func(ref string) (*hwprofiles.Profile, error) { return worker.Resolve(ref, "/") }
	return &toolchain{decoder: decoder, loader: sim.NewLoader(decoder, here)}, nil
}

func newWorker() *cobra.Command {
	return &cobra.Command{
		Use: "worker", Hidden: true, Args: cobra.NoArgs,
		Short: "Run the scenarios that a parent process sends",
		RunE: func(cmd *cobra.Command, _ []string) error {
			tools, err := newToolchain()
			if err != nil {
				return err
			}
			if err := worker.Serve(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout(), tools.loader, tools.decoder); err != nil {
				return harness(err)
			}
			return nil
		},
	}
}

// isTerminal says whether a stream is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := file(w)
	return ok && term.IsTerminal(int(f.Fd()))
}

// file is the file that a stream writes to.
func file(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	return f, ok
}

// colour says whether output on w may have colours (https://no-color.org).
func colour(w io.Writer) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

// width is the terminal's width, or 80.
func width(w io.Writer) int {
	if f, ok := file(w); ok {
		if cols, _, err := term.GetSize(int(f.Fd())); err == nil && cols > 20 {
			return cols
		}
	}
	return 80
}
