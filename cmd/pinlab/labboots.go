package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/e2e/lab/machine"
)

func newLabBoots() *cobra.Command {
	var f labFlags
	times := 20
	cmd := &cobra.Command{
		Use: "boots", Short: "Boot a machine again and again, and count", Args: cobra.NoArgs,
		Long: `Boot a machine, end it, and do that again. It tells whether the lab can be
relied on here: how many boots came up, how many of them only at the second try,
and how long they took from power-on until the agent answered.

Exit codes: 0 every boot came up, 2 bad input or usage, 3 some did not.`,
		Example: `  pinlab lab boots --times 20
  pinlab lab boots --profile "sockets=8 cores=8 memory=64GiB" --times 3`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if times < 1 || times > 1000 {
				return fmt.Errorf("--times %d: want 1 to 1000", times)
			}
			return labBoots(cmd, f, times)
		},
	}
	f.add(cmd)
	cmd.Flags().IntVar(&times, "times", times, "how often to boot")
	return cmd
}

func labBoots(cmd *cobra.Command, f labFlags, times int) error {
	p, err := f.resolve()
	if err != nil {
		return err
	}
	if err := lab.Missing(); err != nil {
		return harness(err)
	}
	var c bootCount
	for i := range times {
		boot := func(ctx context.Context) (float64, bool, error) {
			vm, err := lab.Start(ctx, p, labOptions(f.cgroup, cmd.ErrOrStderr()))
			if err != nil {
				return 0, false, err
			}
			return vm.BootSeconds, vm.Retried, vm.Close()
		}
		seconds, retried, err := boot(cmd.Context())
		if cmd.Context().Err() != nil {
			return harness(cmd.Context().Err())
		}
		text := fmt.Sprintf("%.1f s", seconds)
		switch {
		case err != nil:
			if errors.Is(err, machine.ErrShape) {
				return err // it never will
			}
			text = err.Error()
			c.failed++
		case retried:
			text += " at the second try"
			c.retried++
		}
		if err == nil {
			c.seconds = append(c.seconds, seconds)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "boot %d/%d: %s\n", i+1, times, text)
	}
	if err := c.write(cmd.OutOrStdout()); err != nil {
		return harness(err)
	}
	if c.failed > 0 {
		return harness(fmt.Errorf("%d of %d boots did not come up", c.failed, times))
	}
	return nil
}

// bootCount is what became of a number of boots.
type bootCount struct {
	seconds         []float64 // of those that came up
	retried, failed int
}

func (c bootCount) write(w io.Writer) error {
	total := len(c.seconds) + c.failed
	if len(c.seconds) == 0 {
		_, err := fmt.Fprintf(w, "0 of %d came up\n", total)
		return err
	}
	s := slices.Sorted(slices.Values(c.seconds))
	_, err := fmt.Fprintf(w, "%d of %d came up, %d of them at the second try; %.1f s to %.1f s from power-on, median %.1f s\n",
		len(s), total, c.retried, s[0], s[len(s)-1], s[len(s)/2])
	return err
}
