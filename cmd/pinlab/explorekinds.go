package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/explore"
)

func newExploreCrash(f *exploreFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "crash [NAME|FILE|DIR...]",
		Short: "Kill the kubelet at every point of scenarios",
		Long: `crash replays scenarios once for each point at which their kubelet can be killed: after
every event, and before and after every write of a state file. It is started again and
the scenario goes on. What breaks without a crash is not reported. Without arguments
all of the corpus is explored.`,
		Example: `  pinlab explore crash unable-to-freeze
  pinlab explore crash --out findings`,
		RunE: func(cmd *cobra.Command, args []string) error {
			tools, err := newToolchain()
			if err != nil {
				return err
			}
			found, err := find(tools.loader, args)
			if err != nil {
				return err
			}
			list := make([]*scenarios.Scenario, len(found))
			for i := range found {
				list[i] = found[i].Scenario
			}
			search := fmt.Sprintf("crash points of %d scenarios", len(list))
			return exploring(cmd, f, search, false, func(ctx context.Context, x *explore.Explorer) error { return x.Crash(ctx, list) })
		},
	}
}

func newExploreExhaustive(f *exploreFlags) *cobra.Command {
	var depth int
	var budget time.Duration
	cmd := &cobra.Command{
		Use:   "exhaustive",
		Short: "Go through all sequences of events on small machines",
		Long: `exhaustive goes through all sequences of a small alphabet of events up to a depth, on
three small machines under six configurations each. A sequence that leads to a state
visited before is cut off.`,
		Example: `  pinlab explore exhaustive --depth 4`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if depth < 1 || depth > 20 {
				return errors.New("--depth: want 1 to 20")
			}
			f.budget = budget
			return exploring(cmd, f, fmt.Sprintf("all sequences up to depth %d", depth), true, func(ctx context.Context, x *explore.Explorer) error {
				return x.Exhaustive(ctx, explore.Exhaustive{Depth: depth, Starts: explore.SmallStarts(), Enough: f.enough()})
			})
		},
	}
	cmd.Flags().IntVar(&depth, "depth", 3, "events after the kubelet's first start")
	cmd.Flags().DurationVar(&budget, "for", 0, "budget in time, 0 for none")
	return cmd
}
