package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/scenarios/report"
)

func newReport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Work with the reports of runs",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("report: want a command: merge; see 'pinlab report --help'")
		},
	}
	cmd.AddCommand(newReportMerge())
	return cmd
}

func newReportMerge() *cobra.Command {
	var output, file string
	cmd := &cobra.Command{
		Use:   "merge FILE...",
		Short: "Put the reports of a suite's shards together",
		Long: `Put the reports that 'pinlab run --suite' wrote for its shards (-o json, or the
files of --resume) together. The result is, byte for byte, what one run of the
suite writes. A single report of any run is shown in another format.

Exit codes are those of 'pinlab run'; 3 also when runs of the suite are missing.`,
		Example: `  # two machines of a CI fleet
  pinlab run --suite regression --shard 1/2 -o json > 1.json
  pinlab run --suite regression --shard 2/2 -o json > 2.json
  pinlab report merge 1.json 2.json -o junit > report.xml`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			known, err := openBaseline(file, "")
			if err != nil {
				return err
			}
			parts := make([]report.Part, 0, len(args))
			for _, name := range args {
				data, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				r, err := report.Read(data, name)
				if err != nil {
					return err
				}
				parts = append(parts, report.Part{Name: name, Report: r})
			}
			merged, err := report.Merge(parts)
			if err != nil {
				return err
			}
			if err := known.remark(cmd.ErrOrStderr(), merged); err != nil {
				return harness(err)
			}
			w := cmd.OutOrStdout()
			opts := report.TableOptions{MapOptions: report.MapOptions{Color: colour(w), Width: width(w)}}
			if err := writeRun(w, merged, output, opts); err != nil {
				return harness(err)
			}
			if err := report.Complete(merged); err != nil {
				return harness(err)
			}
			if report.NothingRan(merged) {
				return errNothingRan
			}
			return verdictError(merged.Results)
		},
	}
	addRunOutput(cmd, &output)
	cmd.Flags().StringVar(&file, "baseline", "", "file with known failures, in place of what the reports say is known")
	return cmd
}
