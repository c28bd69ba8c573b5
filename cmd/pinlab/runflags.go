package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/scenarios"
)

// runOutputs are the formats of a run's report.
func runOutputs() []string { return []string{"table", "json", "yaml", "junit", "github"} }

// addRunOutput adds the -o flag of commands that show a run's report.
func addRunOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "table, json, yaml, junit, or github (annotations, and the job summary)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(runOutputs(), cobra.ShellCompDirectiveNoFileComp))
}

func checkOutput(output string) error {
	if !slices.Contains(runOutputs(), output) {
		return fmt.Errorf("--output %q: want table, json, yaml, junit or github", output)
	}
	return nil
}

// addCI adds the flags for suites and for CI.
func (f *runFlags) addCI(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.suite, "suite", "", "replay a suite: "+strings.Join(scenarios.SuiteNames(), ", ")+", or a file")
	flags.StringVar(&f.shard, "shard", "", "only this part of the suite, like 2/8; 'pinlab report merge' puts the parts together")
	flags.StringVar(&f.resume, "resume", "", "save the suite's results in this file as they come, and do not run again what is in it")
	flags.IntVar(&f.repeat, "repeat", 1, "replay each scenario so many times; one whose replays differ is flaky and fails")
	flags.StringVar(&f.known, "baseline", "", "file with known failures; only others fail the run")
	flags.StringVar(&f.learn, "write-baseline", "", "write what does not hold into this file, for --baseline")
	flags.StringVar(&f.config, "config", "", "merge patch on the scenarios' kubelet configuration: a file, or the patch itself, {…}")
	_ = cmd.RegisterFlagCompletionFunc("suite", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return scenarios.SuiteNames(), cobra.ShellCompDirectiveDefault
	})
}

// validateCI checks them.
func (f runFlags) validateCI(cmd *cobra.Command, args []string) error {
	given := cmd.Flags().Changed
	if f.repeat < 1 || f.repeat > 1000 {
		return fmt.Errorf("--repeat %d: want 1 to 1000", f.repeat)
	}
	if f.known != "" && f.learn != "" {
		return errors.New("--baseline and --write-baseline are both given; want one")
	}
	if f.target != targetSim && (given("suite") || given("repeat") || given("config")) {
		return errors.New("--suite, --repeat and --config are the simulator's; want them without --target")
	}
	if !given("suite") {
		for _, flag := range []string{"shard", "resume"} {
			if given(flag) {
				return fmt.Errorf("--%s is a suite's: want it together with --suite", flag)
			}
		}
		return nil
	}
	if f.suite == "" {
		return fmt.Errorf("--suite is empty: want %s, or a file", strings.Join(scenarios.SuiteNames(), ", "))
	}
	if len(args) > 0 || len(f.profiles) > 0 || f.selector != "" || f.config != "" {
		return errors.New("--suite says itself what is run: want it without scenarios, --profile, --selector and --config")
	}
	if given("shard") && f.shard == "" {
		return errors.New("--shard is empty: want one like 2/8, the second of eight parts")
	}
	_, err := parseShard(f.shard)
	return err
}

// configPatch reads --config: JSON or YAML, itself or in a file.
func configPatch(text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	data := []byte(text)
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		var err error
		if data, err = os.ReadFile(text); err != nil {
			return nil, fmt.Errorf("--config: %w; want a file, or a patch like {cpuManagerPolicy: none}", err)
		}
	}
	patch, err := yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if !strings.HasPrefix(string(patch), "{") {
		return nil, errors.New("--config: want fields of a KubeletConfiguration")
	}
	return patch, nil
}
