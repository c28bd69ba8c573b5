package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/explain"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/worker"
)

type explainFlags struct {
	profile string
	config  string
	state   string
	devices []string
	output  string
	timeout time.Duration
}

func newExplain() *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use: "explain POD.yaml", Short: "Say why a pod is or is not pinned, and what to change", Args: oneManifest,
		Long: `Say what a kubelet would do with a pod, before anything is deployed: its QoS
class and the field that decides it, which containers get CPUs of their own and
which ones, what topology admission answers with the arithmetic per NUMA node,
and the smallest change that gets the pod pinned. Every answer is that of the
kubelet's real managers, which are asked about each suggested change as well.

POD.yaml holds Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs,
CronJobs or Lists of them, in any number of documents; - reads standard input.
Several pods are placed one after another on the same node, as if created in
that order.

Without --config the kubelet is assumed to have the static CPU manager policy
with one CPU reserved, and everything else at its defaults. A node's real
configuration is usually its file /var/lib/kubelet/config.yaml; what
'kubectl get --raw /api/v1/nodes/NODE/proxy/configz' prints is taken as well.

Nothing is assumed to be injected when the pod is created. A pod that exists
already is explained as it is: kubectl get pod NAME -o yaml | pinlab explain -

--state takes a copy of a node's /var/lib/kubelet/cpu_manager_state: the pods in
it keep their CPUs. The file is only read.

Exit codes: 0 the kubelet admits every pod, pinned or not; 1 it rejects a pod,
or does not start with this configuration or state file; 2 bad input or usage;
3 the harness could not do its work.`,
		Example: `  # why is this Deployment not pinned, on the machine you are sitting at?
  pinlab explain deployment.yaml

  # on another server, with the node's own configuration and state
  pinlab explain pod.yaml --profile epyc-9654-2s-nps4 --config kubelet.yaml --state cpu_manager_state

  # a pod of the cluster, on a made-up machine
  kubectl get pod web-0 -o yaml | pinlab explain - --profile 'sockets=2 cores=24 threads=2'

  # two devices, near NUMA nodes 0 and 1
  pinlab explain pod.yaml --device nvidia.com/gpu=0 --device nvidia.com/gpu=1`,
		RunE: func(cmd *cobra.Command, args []string) error { return runExplain(cmd, args[0], f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.profile, "profile", "p", worker.Detected, "machine: a profile name, a file, a shape, or 'detected' for this one")
	flags.StringVar(&f.config, "config", "", "the node's KubeletConfiguration, or the output of its /configz")
	flags.StringVar(&f.state, "state", "", "copy of the node's cpu_manager_state file")
	flags.StringArrayVar(&f.devices, "device", nil, "a device and its NUMA node, RESOURCE=NODE; may be repeated")
	flags.DurationVar(&f.timeout, "timeout", time.Minute, "time for the managers to answer")
	addOutput(cmd, &f.output)
	_ = cmd.RegisterFlagCompletionFunc("profile", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return append(hwprofiles.Names(), worker.Detected), cobra.ShellCompDirectiveDefault
	})
	return cmd
}

func oneManifest(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("want a manifest file, or - for stdin")
	case 1:
		return nil
	}
	return fmt.Errorf("want one manifest file, got %d arguments; several manifests may stand in one file", len(args))
}

func runExplain(cmd *cobra.Command, file string, f explainFlags) error {
	switch f.output {
	case "table", "json", "yaml":
	default:
		return fmt.Errorf("--output %q: want table, json or yaml", f.output)
	}
	if f.timeout <= 0 {
		return fmt.Errorf("--timeout %v: want a positive duration", f.timeout)
	}
	o, err := f.options(cmd.Context(), cmd.InOrStdin(), file)
	if err != nil {
		return err
	}
	// Removed here and not where it is used: an answer that takes too long is
	// given up and would leave it behind.
	dir, remove, err := sim.LockedDir(sim.StateBase())
	if err != nil {
		return harness(fmt.Errorf("temporary directory: %w", err))
	}
	defer func() { _ = remove() }() // what a killed explain leaves, the next one removes
	o.TempDir = dir
	ctx, cancel := context.WithTimeout(cmd.Context(), f.timeout)
	defer cancel()
	r, err := explainWithin(ctx, o)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	err = report.Any(w, f.output, r, func(w io.Writer) error {
		return explain.Write(w, r, report.MapOptions{Color: colour(w), Width: width(w)})
	})
	if err != nil {
		return harness(err)
	}
	if !r.Held() {
		return &exitError{code: exitBroken}
	}
	return nil
}

// options reads everything that is given.
func (f explainFlags) options(ctx context.Context, in io.Reader, file string) (explain.Options, error) {
	o := explain.Options{}
	tools, err := newToolchain()
	if err != nil {
		return o, err
	}
	o.Decoder = tools.decoder
	name := file
	open := func() (io.ReadCloser, error) { return os.Open(file) }
	if file == "-" {
		name = "standard input"
		open = func() (io.ReadCloser, error) { return io.NopCloser(in), nil }
	}
	data, err := readBounded(ctx, name, open)
	if err != nil {
		return o, err
	}
	if o.Pods, err = explain.LoadPods(data, name); err != nil {
		return o, err
	}
	if o.Profile, err = worker.Resolve(f.profile, "/"); err != nil {
		return o, fmt.Errorf("--profile %s: %w", f.profile, err)
	}
	if f.config != "" {
		if data, err = readInput(ctx, f.config); err != nil {
			return o, err
		}
		if o.Config, err = tools.loader.KubeletConfig(data, f.config); err != nil {
			return o, err
		}
	}
	if f.state != "" {
		if o.State, err = readInput(ctx, f.state); err != nil {
			return o, err
		}
		o.StateFile = f.state
	}
	o.Devices, err = parseDevices(f.devices, o.Profile)
	return o, err
}

// readInput reads a file or a pipe.
func readInput(ctx context.Context, name string) ([]byte, error) {
	return readBounded(ctx, name, func() (io.ReadCloser, error) { return os.Open(name) })
}

// readBounded reads something to its end, unless that is farther away than the
// end of a file that a person has written. A pipe may have nobody at its other
// end, so the wait ends with the context.
func readBounded(ctx context.Context, name string, open func() (io.ReadCloser, error)) ([]byte, error) {
	type content struct {
		data []byte
		err  error
	}
	read := make(chan content, 1)
	go func() {
		var c content
		defer func() { read <- c }()
		r, err := open()
		if err != nil {
			c.err = err
			return
		}
		defer r.Close()
		c.data, c.err = io.ReadAll(io.LimitReader(r, scenarios.MaxFileBytes+1))
		if c.err == nil && len(c.data) > scenarios.MaxFileBytes {
			c.err = fmt.Errorf("too large; at most %d bytes", scenarios.MaxFileBytes)
		}
	}()
	var c content
	select {
	case c = <-read:
	case <-ctx.Done():
		c.err = errors.New("interrupted before its end")
	}
	var pathError *fs.PathError
	if errors.As(c.err, &pathError) {
		c.err = pathError.Err
	}
	if c.err != nil {
		return nil, fmt.Errorf("%s: %w", name, c.err)
	}
	return c.data, nil
}

// parseDevices reads RESOURCE=NODE; the devices of a resource are numbered.
func parseDevices(list []string, p *hwprofiles.Profile) ([]kubelet.Device, error) {
	var devices []kubelet.Device
	count := map[string]int{}
	for _, arg := range list {
		resource, text, ok := strings.Cut(arg, "=")
		node, err := strconv.Atoi(text)
		if !ok || err != nil || !strings.Contains(resource, "/") {
			return nil, fmt.Errorf("--device %q: want RESOURCE=NODE, like nvidia.com/gpu=0", arg)
		}
		if errs := validation.IsQualifiedName(resource); len(errs) > 0 {
			return nil, fmt.Errorf("--device %q: resource name: %s", arg, strings.Join(errs, "; "))
		}
		if _, known := p.Node(node); !known {
			return nil, fmt.Errorf("--device %q: %s has no NUMA node %d; it has %v", arg, p.Name, node, p.NodeIDs())
		}
		devices = append(devices, kubelet.Device{Resource: resource, ID: strconv.Itoa(count[resource]), NUMANode: node})
		count[resource]++
	}
	return devices, nil
}

// explainWithin gives up when the managers take too long, as they do with many
// NUMA nodes: their code cannot be interrupted, but the process ends.
func explainWithin(ctx context.Context, o explain.Options) (*explain.Report, error) {
	type answer struct {
		report *explain.Report
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		r, err := explain.Explain(ctx, o)
		done <- answer{r, err}
	}()
	select {
	case a := <-done:
		if errors.Is(a.err, context.DeadlineExceeded) {
			return nil, harness(errors.New("the managers did not answer in time; see --timeout"))
		}
		var input *explain.InputError
		switch {
		case errors.As(a.err, &input):
			return nil, input
		case a.err != nil:
			return nil, harness(a.err)
		}
		return a.report, nil
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, harness(errors.New("the managers did not answer in time; see --timeout"))
		}
		return nil, harness(errors.New("interrupted"))
	}
}
