package tui

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/charmbracelet/colorprofile"
	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/tui/paint"
)

// frames is a terminal in memory that tells when something was drawn.
type frames struct{ drawn chan struct{} }

func (f frames) Write(b []byte) (int, error) {
	select {
	case f.drawn <- struct{}{}:
	default:
	}
	return len(b), nil
}

// quiet waits until nothing has been drawn for a while.
func (f frames) quiet(d time.Duration) {
	for {
		select {
		case <-f.drawn:
		case <-time.After(d):
			return
		}
	}
}

// program runs a model on a terminal in memory. It returns what takes keys, what
// tells of frames, and what ends it.
func program(tb testing.TB, opts Options, w, h int) (keys io.Writer, out frames, end func()) {
	tb.Helper()
	opts.Theme = paint.Dark
	deps := fakeDeps(tb)
	deps.Audit = func(context.Context) (Node, error) { return auditOf(opts.Profile) }
	m, err := New(context.Background(), deps, opts)
	if err != nil {
		tb.Fatal(err)
	}
	in, keys := io.Pipe()
	out = frames{make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, m, in, out, tea.WithWindowSize(w, h), tea.WithColorProfile(colorprofile.ANSI256), tea.WithoutSignalHandler(), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
	}()
	out.quiet(500 * time.Millisecond)
	return keys, out, func() {
		cancel()
		_ = in.Close()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	}
}

// cpuTime is what this process has used of the CPUs.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFrame is the time from a key press to the frame that shows it, on
// machines of several sizes. The 99th percentile is what a user feels. Each key
// is pressed when a frame was just drawn, and so waits for a whole interval
// between frames: that is the worst moment. cpu-ms is what a frame costs, which
// other work on the machine does not change much.
func BenchmarkFrame(b *testing.B) {
	for _, s := range []struct {
		name, profile, press string
		w, h                 int
		view                 ViewName
		keys                 string // two that change the frame, and undo each other
	}{
		{"96-cpus/80x24", "xeon-2s24c-smt2", "\t\t", 80, 24, ViewExplore, "jk"},
		{"1024-cpus/80x24", "generic-1024", "\t\t", 80, 24, ViewExplore, "jk"},
		{"1024-cpus/120x40", "generic-1024", "\t\t", 120, 40, ViewExplore, "jk"},
		{"1024-cpus/200x60", "generic-1024", "\t\t", 200, 60, ViewExplore, "jk"},
		{"1024-cpus/200x60-every-cpu", "generic-1024", "\t\t++", 200, 60, ViewExplore, "jk"},
		{"1024-cpus/200x60-replay", "generic-1024", "", 200, 60, ViewReplay, "lh"},
		{"1024-cpus/200x60-verify", "generic-1024", "\t", 200, 60, ViewVerify, "jk"},
	} {
		b.Run(s.name, func(b *testing.B) {
			keys, out, end := program(b, Options{Profile: s.profile, View: s.view, Scenario: map[ViewName]string{ViewReplay: s.profile}[s.view]}, s.w, s.h)
			defer end()
			for i := 0; i < 8 && s.view == ViewExplore; i++ { // pods, so that there is something to draw
				_, _ = io.WriteString(keys, "a\r")
				out.quiet(50 * time.Millisecond)
			}
			_, _ = io.WriteString(keys, s.press)
			out.quiet(300 * time.Millisecond)
			times := make([]time.Duration, 0, b.N)
			before := cpuTime(b)
			for i := 0; b.Loop(); i++ {
				began := time.Now()
				_, _ = io.WriteString(keys, s.keys[i%2:i%2+1])
				<-out.drawn
				times = append(times, time.Since(began))
			}
			used := cpuTime(b) - before
			slices.Sort(times)
			b.ReportMetric(float64(used.Microseconds())/1000/float64(len(times)), "cpu-ms")
			b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkDraw is a frame without the terminal: what a key press costs at most.
func BenchmarkDraw(b *testing.B) {
	d := drive(b, Options{Profile: "generic-1024", Theme: paint.Dark}, 200, 60)
	d.press("a", "enter", "tab", "tab", "+", "+")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.m.Update(keyOf([]string{"l", "h"}[i%2]))
		_ = d.m.View()
	}
}

// BenchmarkIdle is what an explorer costs that nobody touches, in percent of one CPU.
// Run it with -benchtime 1x.
func BenchmarkIdle(b *testing.B) {
	_, out, end := program(b, Options{Profile: "generic-1024"}, 200, 60)
	defer end()
	out.quiet(500 * time.Millisecond)
	const watch = 10 * time.Second
	for range b.N {
		before := cpuTime(b)
		time.Sleep(watch)
		b.ReportMetric(100*(cpuTime(b)-before).Seconds()/watch.Seconds(), "cpu-%")
	}
	b.ReportMetric(0, "ns/op")
}
