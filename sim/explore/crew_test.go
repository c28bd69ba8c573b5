package explore

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
)

// idle is a worker that is never asked.
type idle struct{}

func (idle) Replay(context.Context, *scenarios.Scenario) (Outcome, error) { return Outcome{}, nil }
func (idle) Many(context.Context, []job) ([]Outcome, error)               { return nil, nil }

// While one worker is busy with a cause for long, the other does all that there is, and
// what it has made of later causes waits for its turn.
func TestALongShrinkHoldsNobodyUp(t *testing.T) {
	g := NewWithT(t)
	c := newCrew(t.Context(), []Worker{idle{}, idle{}})
	over := make(chan struct{})
	name := func(n string) pending { return pending{from: n} }
	c.shrink([]pending{name("long"), name("short")}, func(_ context.Context, _ Worker, p pending) (*Finding, error) {
		if p.from == "long" {
			<-over
		}
		return &Finding{From: p.from}, nil
	})
	for range 3 { // rounds
		done := make([]bool, 100)
		g.Expect(c.each(len(done), func(_ Worker, i int) error { done[i] = true; return nil })).To(Succeed())
		g.Expect(done).To(HaveEach(true))
	}
	g.Expect(c.take()).To(BeEmpty(), "the first is not done")
	close(over)
	c.shrinking.Wait()
	var order []string
	for _, s := range c.take() {
		order = append(order, s.finding.From)
	}
	g.Expect(order).To(Equal([]string{"long", "short"}))
	g.Expect(c.err()).NotTo(HaveOccurred())
	c.dismiss()
}

// One failure ends the work; what is left is not begun, and nobody waits for ever.
func TestACrewThatFails(t *testing.T) {
	g := NewWithT(t)
	c := newCrew(t.Context(), []Worker{idle{}})
	broken := errors.New("broken")
	begun := 0
	err := c.each(3000, func(Worker, int) error { begun++; return broken })
	g.Expect(err).To(MatchError(broken))
	g.Expect(begun).To(Equal(1))
	c.shrink([]pending{{from: "late"}}, func(context.Context, Worker, pending) (*Finding, error) {
		t.Error("begun after a failure")
		return nil, nil
	})
	c.shrinking.Wait()
	late := c.take()
	g.Expect(late).To(HaveLen(1))
	g.Expect(late[0].finding).To(BeNil())
	c.dismiss()
}
