package bench

import (
	"context"
	"os/exec"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench/host"
)

// TestLooksBetweenRepetitions lets the clock be slow during one repetition of
// three, and as it was before and after.
func TestLooksBetweenRepetitions(t *testing.T) {
	g := NewWithT(t)
	p, err := NewPlan(Request{Profiles: []string{"generic-1s4c"}, Fills: []string{"empty"}, Storages: []string{"memory"}, Requests: []int{1}, Samples: 3, Repetitions: 3, Time: time.Millisecond})
	g.Expect(err).NotTo(HaveOccurred())
	p.Command = func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, "/bin/echo", `{"done": {}}`)
	}
	r := newRunner(p, map[Storage]string{StorageMemory: t.TempDir()}, func(Event) {})
	looks := 0
	r.look = func() host.State {
		looks++
		if looks == 3 {
			return host.State{CPUs: 2, MHz: 1500}
		}
		return host.State{CPUs: 2, MHz: 2000}
	}
	r.see()
	g.Expect(r.rounds(t.Context())).To(Succeed())
	g.Expect(looks).To(Equal(4), "before, and after each repetition")
	g.Expect(r.report().Warnings).To(ContainElement(Warning{Text: "the CPU frequency was between 1500 and 2000 MHz"}))
}
