package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/e2e/verify"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

type verifyFlags struct {
	root, config, output string
	skip                 []string
	noRuntime            bool
	timeout              time.Duration
}

func newVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use: "verify", Short: "Audit the CPU pinning of the node this runs on", Args: cobra.NoArgs,
		Long: `Compare what the kubelet promised on this node with what the kernel enforces:
the state file's assignments, the cgroups of all containers, every thread,
memory, interrupts and the processes of the host. Say what is not as it should
be, why that harms, and what to do; and ask the kubelet's own code, on a copy,
whether it would start again with this state file.

It only reads, and works while the node works: nothing is restarted or written,
and nothing goes over a network. The container runtime is asked for names over
its socket. What cannot be read is told as unread; run it as root to read all.

The kubelet's configuration is that of the running kubelet: its file, drop-in
files and flags; of one that does not run, those of its systemd unit. --config
FILE is a file that you mean to put in the place of the node's: the audit says
whether the kubelet would start with it, its drop-in files and flags, and the
state file as it is. Where the node's own is not found, FILE is taken for it.

With --root the node's file system is read elsewhere, as in a privileged pod
with the host mounted at /host, or at /proc/PID/root for a node that is itself
a container. The pod should have hostPID.

Exit codes: 0 nothing found, notes aside; 1 a critical finding or a warning;
2 bad input or usage; 3 there is nothing to audit, or nothing was found and the
state files, the configuration, cgroups, processes or the topology could not be
read: the report is printed then, and says what is missing.`,
		Example: `  # on the node
  sudo pinlab verify

  # before a change: would the kubelet start with this configuration?
  sudo pinlab verify --config new-kubelet.yaml

  # in a privileged pod, for a program, without what is known and accepted
  pinlab verify --root /host -o json --skip interrupts,host-processes`,
		RunE: func(cmd *cobra.Command, _ []string) error { return runVerify(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.root, "root", "/", "where the node's file system is")
	flags.StringVar(&f.config, "config", "", "a KubeletConfiguration to change to, or the node's where it is not found")
	flags.StringSliceVar(&f.skip, "skip", nil, "checks to leave out; may be repeated")
	flags.BoolVar(&f.noRuntime, "no-runtime", false, "do not ask the container runtime for names")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "time for the audit")
	addOutput(cmd, &f.output)
	_ = cmd.RegisterFlagCompletionFunc("skip", cobra.FixedCompletions(verify.Checks(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func runVerify(cmd *cobra.Command, f verifyFlags) error {
	switch f.output {
	case "table", "json", "yaml":
	default:
		return fmt.Errorf("--output %q: want table, json or yaml", f.output)
	}
	if f.timeout <= 0 {
		return fmt.Errorf("--timeout %v: want a positive duration", f.timeout)
	}
	tools, err := newToolchain()
	if err != nil {
		return err
	}
	// Made first and removed last, also when the managers take too long.
	dir, remove, dirErr := sim.LockedDir(sim.StateBase())
	if dirErr == nil {
		defer func() { _ = remove() }()
	}
	o := verify.Options{Root: f.root, Skip: f.skip, NoRuntime: f.noRuntime, Start: startCheck(tools.decoder, dir, dirErr)}
	if f.config != "" {
		data, err := readInput(cmd.Context(), f.config)
		if err != nil {
			return err
		}
		if o.Config, err = tools.loader.KubeletConfig(data, f.config); err != nil {
			return err
		}
		o.ConfigName = f.config
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	r, err := verify.Run(ctx, o)
	var input *verify.InputError
	switch {
	case errors.As(err, &input):
		return input
	case errors.Is(err, context.DeadlineExceeded):
		return harness(errors.New("the audit did not come to its end in time; see --timeout"))
	case err != nil:
		return harness(err)
	}
	w := cmd.OutOrStdout()
	err = report.Any(w, f.output, r, func(w io.Writer) error {
		return verify.WriteTable(w, r, verify.TableOptions{Color: colour(w), Width: width(w)})
	})
	if err != nil {
		return harness(err)
	}
	if !r.Held() {
		return &exitError{code: exitBroken}
	}
	if lacking := r.Incomplete(); len(lacking) > 0 {
		var texts []string
		for _, u := range lacking {
			texts = append(texts, u.What+": "+u.Why)
		}
		return harness(fmt.Errorf("nothing was found, but what matters could not be read: %s", strings.Join(texts, "; ")))
	}
	return nil
}

// startCheck starts the kubelet's managers on copies of state files. They are
// in a directory of their own below dir; problem is why there is none.
func startCheck(decoder *kubelet.ConfigDecoder, dir string, problem error) verify.StartCheck {
	return func(ctx context.Context, config, cpuState, memoryState []byte, p *hwprofiles.Profile) (verify.StartAnswer, error) {
		answer := verify.StartAnswer{Version: kubelet.Version}
		if problem != nil {
			return answer, fmt.Errorf("no place for a copy of the state files: %w", problem)
		}
		dir, err := os.MkdirTemp(dir, "verify-")
		if err != nil {
			return answer, fmt.Errorf("no place for a copy of the state files: %w", err)
		}
		type outcome struct {
			refusal  string
			reserved observe.CPUs
			err      error
		}
		done := make(chan outcome, 1)
		go func() {
			var o outcome
			o.refusal, o.reserved, o.err = startOnce(decoder, filepath.Join(dir, "as-it-is"), config, cpuState, memoryState, p)
			if o.err == nil && o.refusal != "" {
				// Without the files it tells the reserved CPUs, if nothing else.
				_, o.reserved, _ = startOnce(decoder, filepath.Join(dir, "empty"), config, nil, nil, p)
			}
			done <- o
		}()
		select {
		case o := <-done:
			answer.Refusal, answer.Reserved = o.refusal, o.reserved
			answer.Invalid = strings.HasPrefix(o.refusal, invalidConfig)
			return answer, o.err
		case <-ctx.Done():
			return answer, errors.New("the managers did not answer in time")
		}
	}
}

// invalidConfig begins the error with which a kubelet ends whose configuration
// is well-formed and not valid.
const invalidConfig = "failed to validate kubelet configuration"

func startOnce(decoder *kubelet.ConfigDecoder, dir string, config, cpuState, memoryState []byte, p *hwprofiles.Profile) (refusal string, reserved observe.CPUs, err error) {
	cfg, err := decoder.Decode(config)
	if err != nil {
		if strings.HasPrefix(err.Error(), invalidConfig) {
			return err.Error(), "", nil
		}
		return "", "", err // a kubelet of another version may read it
	}
	machine, err := p.MachineInfo()
	if err != nil {
		return "", "", fmt.Errorf("the kubelet cannot read this machine: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", "", err
	}
	for name, data := range map[string][]byte{observe.CPUStateFile: cpuState, observe.MemoryStateFile: memoryState} {
		if data == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return "", "", fmt.Errorf("copy of the state files: %w", err)
		}
	}
	l := kubelet.New(kubelet.Params{Config: cfg, Machine: machine, StateDir: dir, Node: bareNode{}})
	defer l.Stop()
	if err := l.Start(); err != nil {
		var panicked *kubelet.PanicError
		if errors.As(err, &panicked) {
			return "", "", err
		}
		return strings.ReplaceAll(err.Error(), dir, observe.KubeletRoot), "", nil
	}
	return "", l.Snapshot().Reserved, nil
}

// bareNode is a node around a kubelet that has heard of no pod yet: so it is at
// a start, until then it keeps what the state file says.
type bareNode struct{}

func (bareNode) ActivePods() []*corev1.Pod { return nil }

func (bareNode) PodStatus(types.UID) (corev1.PodStatus, bool) { return corev1.PodStatus{}, false }

func (bareNode) UpdateContainer(string, string) error { return nil }

func (bareNode) Containers() []kubelet.ContainerRef { return nil }
