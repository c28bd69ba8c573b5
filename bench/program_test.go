package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// build compiles a command of the module and returns its path.
func build(tb testing.TB, pkg string) string {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), filepath.Base(pkg))
	if msg, err := exec.Command("go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", pkg, err, msg)
	}
	return out
}

func timed(tb testing.TB, name string, args ...string) time.Duration {
	tb.Helper()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	started := time.Now()
	if err := cmd.Run(); err != nil {
		tb.Fatalf("%s %v: %v\n%s", name, args, err, out.String())
	}
	return time.Since(started)
}

// BenchmarkStart compares pinlab run of one small scenario with a bare program
// that links the same packages and exits, taking turns.
func BenchmarkStart(b *testing.B) {
	pinlab, bare := build(b, "../cmd/pinlab"), build(b, "./testdata/bare")
	timed(b, bare) // into the page cache
	timed(b, pinlab, "run", "first-pin")
	var ours, theirs time.Duration
	for b.Loop() {
		theirs += timed(b, bare)
		ours += timed(b, pinlab, "run", "first-pin")
	}
	b.ReportMetric(float64(theirs.Microseconds())/float64(b.N)/1000, "bare-ms")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N)/1000, "run-ms")
	b.ReportMetric(float64(ours)/float64(theirs), "ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkCorpus replays the whole corpus on its own profiles and reports the
// time and the peak of the memory of all of its processes.
func BenchmarkCorpus(b *testing.B) {
	pinlab := build(b, "../cmd/pinlab")
	peak := 0
	for b.Loop() {
		cmd := exec.Command(pinlab, "run", "-o", "json")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { peak = max(peak, watch(cmd.Process.Pid, done)) })
		err := cmd.Wait()
		close(done)
		wg.Wait()
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(peak)/1024, "peak-MiB")
}

// watch returns the largest sum of the resident memory of a process and its
// children, in KiB.
func watch(pid int, done <-chan struct{}) int {
	peak := 0
	for {
		select {
		case <-done:
			return peak
		case <-time.After(10 * time.Millisecond):
		}
		sum := resident(pid)
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		for _, child := range strings.Fields(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				sum += resident(id)
			}
		}
		peak = max(peak, sum)
	}
}

func resident(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, ok := strings.Cut(string(status), "VmRSS:")
	if !ok {
		return 0
	}
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kib
}
