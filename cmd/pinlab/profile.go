package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/google/cadvisor/lib/model"
	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/worker"
)

func newProfile() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "profile",
		Short: "List, show, detect and convert hardware profiles",
		// What is none of its commands is an error.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProfileList(), newProfileShow(), newProfileDetect(), newProfileConvert())
	return cmd
}

func completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return append(hwprofiles.Names(), worker.Detected), cobra.ShellCompDirectiveDefault
}

func newProfileList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Short: "List the embedded profiles", Args: cobra.NoArgs,
		Example: "  pinlab profile list\n  pinlab profile list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []profileLine
			for _, name := range hwprofiles.Names() {
				p, err := hwprofiles.Load(name)
				if err != nil {
					return harness(err)
				}
				list = append(list, profileLine{
					Name: name, CPUs: len(p.CPUs), Sockets: p.NumSockets(), NUMANodes: len(p.NUMANodes), SMT: p.SMTLevel(), Description: p.Description,
				})
			}
			return report.Any(cmd.OutOrStdout(), output, list, func(w io.Writer) error {
				tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(tw, "NAME\tCPUS\tSOCKETS\tNUMA NODES\tSMT\tDESCRIPTION")
				for _, l := range list {
					fmt.Fprintf(tw, "%s\t%d\t%d\t%d\t%d\t%s\n", l.Name, l.CPUs, l.Sockets, l.NUMANodes, l.SMT, l.Description)
				}
				return tw.Flush()
			})
		},
	}
	addOutput(cmd, &output)
	return cmd
}

type profileLine struct {
	Name        string `json:"name"`
	CPUs        int    `json:"cpus"`
	Sockets     int    `json:"sockets"`
	NUMANodes   int    `json:"numaNodes"`
	SMT         int    `json:"smt"`
	Description string `json:"description,omitempty"`
}

// addOutput adds the -o flag of commands that show one thing.
func addOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "table, json or yaml")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"table", "json", "yaml"}, cobra.ShellCompDirectiveNoFileComp))
}

// showProfile shows a profile and the kubelet's view of it, or why there is none.
func showProfile(w io.Writer, output string, p *hwprofiles.Profile, mi *model.MachineInfo, miErr error) error {
	r := hwprofiles.NewReport(p, mi)
	if miErr != nil {
		r = hwprofiles.Unreadable(p, miErr)
	}
	return report.Any(w, output, r, func(w io.Writer) error { return hwprofiles.WriteTable(w, r) })
}

func newProfileShow() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "show PROFILE", Short: "Show a profile as the kernel and as the kubelet see it", Args: cobra.ExactArgs(1),
		Long: `Show a profile CPU by CPU: as its kernel describes it, and as the kubelet's own
reader (cadvisor) sees it. PROFILE is a name, a file, a one-line shape, or
"detected" for this machine.`,
		Example:           "  pinlab profile show xeon-2s24c-smt2\n  pinlab profile show ./my-server.yaml -o json",
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := worker.Resolve(args[0], "/")
			if err != nil {
				return err
			}
			mi, err := p.MachineInfo()
			return showProfile(cmd.OutOrStdout(), output, p, mi, err)
		},
	}
	addOutput(cmd, &output)
	return cmd
}

func newProfileDetect() *cobra.Command {
	var output, root string
	cmd := &cobra.Command{
		Use: "detect", Short: "Detect this machine, or the one a sysfs tree was copied from", Args: cobra.NoArgs,
		Long: `Read the topology of this machine, or of any sysfs tree, as the kernel gives it,
and compare it with what the kubelet's own reader (cadvisor) makes of it. It
only reads.`,
		Example: `  pinlab profile detect
  # a tree copied from another machine: DIR/sys/devices/system/...
  pinlab profile detect --sysroot ./node-17 -o json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fsys, closer, err := hwprofiles.OpenSysroot(root)
			if err != nil {
				return err
			}
			defer closer.Close()
			p, err := hwprofiles.Detect(fsys)
			if err != nil {
				return fmt.Errorf("%s: %w", root, err)
			}
			mi, err := hwprofiles.DetectMachineInfo(fsys)
			return showProfile(cmd.OutOrStdout(), output, p, mi, err)
		},
	}
	addOutput(cmd, &output)
	cmd.Flags().StringVar(&root, "sysroot", "/", "directory that holds sys/ (or is a sysfs itself)")
	return cmd
}

func newProfileConvert() *cobra.Command {
	var sysfs string
	cmd := &cobra.Command{
		Use: "convert PROFILE|SYSROOT", Short: "Turn a shape, a profile or a sysfs tree into a profile file or a sysfs tree", Args: cobra.ExactArgs(1),
		Example: `  # a profile file of the machine a tree was copied from
  pinlab profile convert ./node-17 > node-17.yaml
  # a sysfs tree of a profile
  pinlab profile convert epyc-9654-2s-nps4 --to-sysfs ./tree`,
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if sysfs == "" && cmd.Flags().Changed("to-sysfs") {
				return errors.New("--to-sysfs names no directory; want a new or empty one")
			}
			p, err := profileOrTree(args[0])
			if err != nil {
				return err
			}
			if sysfs != "" {
				return hwprofiles.WriteSysfs(p, sysfs)
			}
			data, err := p.MarshalProfile()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(data)
			return err
		},
	}
	cmd.Flags().StringVar(&sysfs, "to-sysfs", "", "write a sysfs tree into this new or empty directory")
	return cmd
}

func profileOrTree(ref string) (*hwprofiles.Profile, error) {
	if st, err := os.Stat(ref); ref == worker.Detected || err != nil || !st.IsDir() {
		return worker.Resolve(ref, "/")
	}
	fsys, closer, err := hwprofiles.OpenSysroot(ref)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	p, err := hwprofiles.Detect(fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return p, nil
}
