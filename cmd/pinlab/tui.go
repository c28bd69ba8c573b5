package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/worker"
	"github.com/pinlab/pinlab/tui"
	"github.com/pinlab/pinlab/tui/paint"
)

type tuiFlags struct {
	profile, config, view, theme string
	report, root                 string
	noMouse                      bool
}

func newTUI() *cobra.Command {
	var f tuiFlags
	cmd := &cobra.Command{
		Use: "tui [NAME|FILE]", Short: "Explore a node in the terminal", Args: cobra.MaximumNArgs(1),
		Long: `Explore where pods land, in the terminal: add and delete pods, restart the
kubelet, change its configuration, inject faults, and see at once on a CPU map
what the kubelet's real managers make of it, and why.

Four views: explore a machine, replay a scenario step by step, bench the
managers live, and verify this node. With a scenario's name or file, its replay
is shown. ? shows the keys.

Exit codes: 0 the user left; 2 bad input or usage, no terminal; 3 the harness
could not do its work.`,
		Example: `  # this machine
  pinlab tui

  # another machine, with its own configuration
  pinlab tui --profile epyc-9654-2s-nps4 --config kubelet.yaml

  # step through a scenario
  pinlab tui unable-to-freeze

  # this node as it is; an audit made on another one; what a run in the lab has seen
  sudo pinlab tui --view verify
  pinlab tui --report node-17.json --profile node-17.yaml
  pinlab run --target lab first-pin -o json > lab.json; pinlab tui --report lab.json`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return scenarios.CorpusNames(), cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error { return runTUI(cmd, args, f) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.profile, "profile", "p", worker.Detected, "machine to explore: a profile name, a file, a shape, or 'detected' for this one")
	flags.StringVar(&f.config, "config", "", "KubeletConfiguration to begin with; without it static, with the first core reserved")
	flags.StringVar(&f.view, "view", "", "explore, replay, bench or verify")
	flags.StringVar(&f.report, "report", "", "show a JSON report of verify or run in the verify view instead of this node")
	flags.StringVar(&f.root, "root", "/", "where the node's file system is, for the verify view")
	flags.StringVar(&f.theme, "theme", "auto", "auto, dark, light or none")
	flags.BoolVar(&f.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	_ = cmd.RegisterFlagCompletionFunc("profile", completeProfiles)
	_ = cmd.RegisterFlagCompletionFunc("view", cobra.FixedCompletions(views(), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("theme", cobra.FixedCompletions([]string{"auto", "dark", "light", "none"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func views() []string {
	return []string{string(tui.ViewExplore), string(tui.ViewReplay), string(tui.ViewBench), string(tui.ViewVerify)}
}

func runTUI(cmd *cobra.Command, args []string, f tuiFlags) error {
	opts, err := f.options(cmd, args)
	if err != nil {
		return err
	}
	in, isFile := cmd.InOrStdin().(*os.File)
	out, _ := file(cmd.OutOrStdout())
	if !isFile || !isTerminal(in) || !isTerminal(cmd.OutOrStdout()) {
		return errors.New("tui needs a terminal; without one, 'pinlab run' replays scenarios, 'pinlab explain' explains a pod and 'pinlab verify' audits a node")
	}
	if os.Getenv("TERM") == "dumb" {
		return errors.New("tui needs a terminal that can move its cursor; TERM is dumb")
	}
	tools, err := newToolchain()
	if err != nil {
		return err
	}
	deps, err := newTUIDeps(tools, f)
	if err != nil {
		return err
	}
	defer deps.close()
	m, err := tui.New(cmd.Context(), deps.Deps, opts)
	if err != nil {
		return err
	}
	err = tui.Run(cmd.Context(), m, in, out)
	if m.Unsaved() {
		keepSession(cmd.ErrOrStderr(), m.Save)
	}
	return harness(err)
}

// keepSession writes down what was explored and not saved: leaving is one key,
// and should lose nothing.
func keepSession(w io.Writer, save func(name string) error) {
	f, err := os.CreateTemp("", "pinlab-explored-*.yaml")
	if err != nil {
		return // there is no terminal any more to ask for another place
	}
	if errors.Join(f.Close(), save(f.Name())) == nil {
		fmt.Fprintf(w, "pinlab: the session was not saved; it is kept in %s\n", f.Name())
	}
}

// options checks what was asked for before the screen is taken.
func (f tuiFlags) options(cmd *cobra.Command, args []string) (tui.Options, error) {
	o := tui.Options{Profile: f.profile, View: tui.ViewName(f.view), NoMouse: f.noMouse, Theme: paint.Theme(f.theme)}
	if f.view != "" && !slices.Contains(views(), f.view) {
		return o, fmt.Errorf("--view %q: want %s", f.view, strings.Join(views(), ", "))
	}
	switch f.theme {
	case "auto":
		o.Theme, o.Background = paint.Dark, true
	case "dark", "light", "none":
	default:
		return o, fmt.Errorf("--theme %q: want auto, dark, light or none", f.theme)
	}
	if os.Getenv("NO_COLOR") != "" {
		o.Theme, o.Background, o.NoColor = paint.Plain, false, true
	}
	if _, err := worker.Resolve(f.profile, "/"); err != nil {
		return o, fmt.Errorf("--profile %s: %w", f.profile, err)
	}
	tools, err := newToolchain()
	if err != nil {
		return o, err
	}
	if len(args) == 1 {
		if _, err := find(tools.loader, args); err != nil {
			return o, err
		}
		o.Scenario = args[0]
		if f.view == "" {
			o.View = tui.ViewReplay
		}
	}
	if f.report != "" {
		if _, err := reportNode(f.report, f.profile)(cmd.Context()); err != nil {
			return o, err
		}
		if f.view == "" {
			o.View = tui.ViewVerify
		}
	}
	if f.config != "" {
		data, err := readInput(cmd.Context(), f.config)
		if err != nil {
			return o, err
		}
		config, err := tools.loader.KubeletConfig(data, f.config)
		if err != nil {
			return o, err
		}
		o.Kubelet = string(config)
	}
	return o, nil
}

// profileInfos are the machines to choose from.
func profileInfos() ([]tui.ProfileInfo, error) {
	var list []tui.ProfileInfo
	for _, name := range hwprofiles.Names() {
		p, err := hwprofiles.Load(name)
		if err != nil {
			return nil, harness(err)
		}
		list = append(list, tui.ProfileInfo{Name: name, Description: p.Description, CPUs: len(p.CPUs)})
	}
	return list, nil
}
