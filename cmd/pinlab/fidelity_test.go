package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
)

// standIn is a real node that is none.
type standIn struct{ setup scenarios.Setup }

func (s standIn) Setup(ctx context.Context, sc *scenarios.Scenario, p *hwprofiles.Profile) (scenarios.Target, error) {
	return s.setup(ctx, sc, p)
}

func (standIn) Machine() *hwprofiles.Profile { return nil }

// A run of comparisons fails when they differ, and also when there was nothing
// to compare.
func TestFidelityExit(t *testing.T) {
	g := NewWithT(t)
	tools, err := newToolchain()
	g.Expect(err).NotTo(HaveOccurred())
	f := runFlags{output: "table", profiles: []string{"generic-2s4c-smt2"}}
	jobs, err := selectJobs(tools.loader, []string{"first-pin"}, f)
	g.Expect(err).NotTo(HaveOccurred())
	compare := func(setup scenarios.Setup) (code int, out string) {
		var b bytes.Buffer
		cmd := &cobra.Command{}
		cmd.SetOut(&b)
		cmd.SetErr(io.Discard)
		cmd.SetContext(t.Context())
		err := compareAll(cmd, tools, jobs, f, standIn{setup}, asItIs, func() []lab.BootTime { return nil })
		var coded *exitError
		if errors.As(err, &coded) {
			return coded.code, b.String()
		}
		g.Expect(err).NotTo(HaveOccurred())
		return exitHeld, b.String()
	}
	same := sim.Setup(sim.Options{Decoder: tools.decoder})
	code, out := compare(same)
	g.Expect(code).To(Equal(exitHeld), out)
	code, out = compare(func(context.Context, *scenarios.Scenario, *hwprofiles.Profile) (scenarios.Target, error) {
		return nil, fmt.Errorf("%w: no such machine", scenarios.ErrUnsupported)
	})
	g.Expect(code).To(Equal(exitHarness), out)
	g.Expect(out).To(ContainSubstring("no such machine"))
	code, out = compare(func(ctx context.Context, s *scenarios.Scenario, p *hwprofiles.Profile) (scenarios.Target, error) {
		other := *s // what is expected holds on one of the two alone
		other.Kubelet = []byte(`{"cpuManagerPolicy": "none"}`)
		return same(ctx, &other, p)
	})
	g.Expect(code).To(Equal(exitBroken), out)
	g.Expect(out).To(MatchRegexp(`expectations\n    sim   held\n    real  .*want`))
}

// What is no subcommand of a group is an error, not a reason for its help.
func TestGroupsAreStrict(t *testing.T) {
	g := NewWithT(t)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			g.Expect(sub.Runnable()).To(BeTrue(), "%s answers anything with its help", sub.CommandPath())
			visit(sub)
		}
	}
	visit(newRoot(stdio{}))
}
