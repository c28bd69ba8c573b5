package tui

import (
	"bytes"
	"context"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/exp/teatest/v2"
	. "github.com/onsi/gomega"
)

// started runs the whole program on a terminal in memory.
func started(t *testing.T, opts Options) *teatest.TestModel {
	t.Helper()
	m, err := New(context.Background(), fakeDeps(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	return teatest.NewTestModel(t, m, teatest.WithInitialTermSize(80, 24))
}

// waitFor waits until a text is drawn. Only what changes is, so that a text must
// be new on the screen.
func waitFor(t *testing.T, tm *teatest.TestModel, text string) {
	t.Helper()
	teatest.WaitFor(t, tm.Output(), func(b []byte) bool { return bytes.Contains(b, []byte(text)) }, teatest.WithDuration(20*time.Second))
}

// TestProgram explores by keys alone: a pod, its explanation, a fault, a replay,
// a bench, the audit, and out.
func TestProgram(t *testing.T) {
	tm := started(t, Options{Profile: "xeon-2s24c-smt2"})
	waitFor(t, tm, "start kubelet")
	tm.Type("a")
	waitFor(t, tm, "an odd number")
	tm.Send(keyOf("enter"))
	waitFor(t, tm, "pod-1/app")
	tm.Send(keyOf("enter"))
	waitFor(t, tm, "PINNED to some CPUs")
	tm.Type("f")
	waitFor(t, tm, "unable to freeze")
	tm.Send(keyOf("down"))
	tm.Send(keyOf("enter"))
	waitFor(t, tm, "clobberCPUSet")
	tm.Send(keyOf("enter"))
	waitFor(t, tm, "drift: its cgroup says 0")
	tm.Send(tea.WindowSizeMsg{Width: 120, Height: 40})
	tm.Type("2o")
	waitFor(t, tm, "first-pin")
	tm.Send(keyOf("enter"))
	waitFor(t, tm, "step 1 of 6")
	tm.Type("n")
	waitFor(t, tm, "cgroup-in-sync")
	tm.Type("3")
	waitFor(t, tm, "CPU manager policies")
	tm.Send(keyOf("enter"))
	waitFor(t, tm, "need more")
	tm.Type("4")
	waitFor(t, tm, "critical")
	tm.Type("q")
	tm.WaitFinished(t, teatest.WithFinalTimeout(20*time.Second))
}

// TestIdle draws nothing while nothing happens: no spinner, no clock.
func TestIdle(t *testing.T) {
	_, out, end := program(t, Options{Profile: "xeon-2s24c-smt2"}, 80, 24)
	defer end()
	out.quiet(500 * time.Millisecond)
	select {
	case <-out.drawn:
		t.Error("something was drawn while nothing happened")
	case <-time.After(time.Second):
	}
}

// TestCancelledContext ends the program as ctrl-c does.
func TestCancelledContext(t *testing.T) {
	m, err := New(context.Background(), fakeDeps(t), Options{Profile: "detected"})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	NewWithT(t).Expect(Run(ctx, m, &bytes.Buffer{}, &bytes.Buffer{}, tea.WithoutSignalHandler())).To(Succeed())
}
