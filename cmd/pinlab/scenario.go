package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
)

func newScenario() *cobra.Command {
	cmd := &cobra.Command{
		Use: "scenario", Short: "List, show and check scenarios", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newScenarioList(), newScenarioShow(), newScenarioLint())
	return cmd
}

type scenarioLine struct {
	Name    string            `json:"name"`
	Profile string            `json:"profile"`
	Steps   int               `json:"steps"`
	Labels  map[string]string `json:"labels,omitempty"`
	Title   string            `json:"title,omitempty"`
}

func newScenarioList() *cobra.Command {
	var output, selector string
	cmd := &cobra.Command{
		Use: "list", Short: "List the embedded corpus", Args: cobra.NoArgs,
		Example: "  pinlab scenario list\n  pinlab scenario list -l class=init-containers\n  pinlab scenario list -l 'outage, class notin (fd-inotify)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := parseSelector(selector)
			if err != nil {
				return err
			}
			tools, err := newToolchain()
			if err != nil {
				return err
			}
			found, err := find(tools.loader, nil)
			if err != nil {
				return harness(err)
			}
			list := []scenarioLine{}
			for _, s := range found {
				if chosen.Matches(labels.Set(s.Labels)) {
					list = append(list, scenarioLine{Name: s.Name, Profile: s.Profile, Steps: len(s.Steps), Labels: s.Labels, Title: s.Title()})
				}
			}
			return report.Any(cmd.OutOrStdout(), output, list, func(w io.Writer) error {
				tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
				fmt.Fprintln(tw, "NAME\tCLASS\tSTORY")
				for _, l := range list {
					fmt.Fprintf(tw, "%s\t%s\t%s\n", l.Name, l.Labels["class"], l.Title)
				}
				return tw.Flush()
			})
		},
	}
	addOutput(cmd, &output)
	cmd.Flags().StringVarP(&selector, "selector", "l", "", "only scenarios with these labels, as in kubectl: class=topology, 'class in (topology,device)', outage")
	return cmd
}

func newScenarioShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Print a scenario of the corpus", Args: cobra.ExactArgs(1),
		Long:    "Print a scenario of the embedded corpus. It is the file itself: a start for your own.",
		Example: "  pinlab scenario show first-pin > my-scenario.yaml",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return scenarios.CorpusNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			file, ok := scenarios.CorpusFile(args[0])
			if !ok {
				return &scenarios.UnknownScenarioError{Name: args[0]}
			}
			data, err := fs.ReadFile(scenarios.Corpus(), file)
			if err != nil {
				return harness(err)
			}
			_, err = cmd.OutOrStdout().Write(data)
			return err
		},
	}
}

func newScenarioLint() *cobra.Command {
	return &cobra.Command{
		Use: "lint FILE|DIR...", Short: "Check scenario files without running them", Args: cobra.MinimumNArgs(1),
		Example: "  pinlab scenario lint ./my-scenarios",
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				if _, err := os.Stat(arg); err != nil {
					return err
				}
			}
			tools, err := newToolchain()
			if err != nil {
				return err
			}
			list, err := tools.loader.Load(args...)
			if err != nil {
				return err
			}
			for _, s := range list {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: ok, %d steps\n", s.File, len(s.Steps))
			}
			return nil
		},
	}
}
