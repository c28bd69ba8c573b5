package main

import (
	"fmt"
	"os"

	"github.com/pinlab/pinlab/sim/explore"
	"github.com/spf13/cobra"
)

func newExplore() *cobra.Command {
	var seed uint64
	var runs int
	cmd := &cobra.Command{Use: "explore", RunE: func(cmd *cobra.Command, args []string) error {
		tools, err := newToolchain()
		if err != nil {
			return err
		}
		explore.Skeleton(cmd.Context(), tools.decoder, seed, runs, os.Stdout)
		fmt.Println()
		return nil
	}}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "")
	cmd.Flags().IntVar(&runs, "runs", 300, "")
	return cmd
}
