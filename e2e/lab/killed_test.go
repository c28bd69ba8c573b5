package lab_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// However and whenever pinlab is killed, no machine runs on, nothing is mounted
// and no file of it is left: what it started dies with it, and its files have no
// names. The moments go from its first instructions over the making of disks and
// the boot to a scenario that runs.
func TestKilledAtAnyMoment(t *testing.T) {
	g, binary := NewWithT(t), pinlabBinary(t)
	start := func(tmp string) (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(binary, "run", "--target", "lab", "--profile", "generic-1s4c", "container-restart-keeps-cpus")
		cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
		out := &bytes.Buffer{}
		cmd.Stdout, cmd.Stderr = out, out
		g.Expect(cmd.Start()).To(Succeed())
		return cmd, out
	}

	// To its end once: what is killed below is the real thing, and its duration
	// says where to kill it.
	tmp := t.TempDir()
	began := time.Now()
	whole, out := start(tmp)
	g.Expect(whole.Wait()).To(Succeed(), out.String())
	took := time.Since(began)
	g.Expect(left(g, tmp)).To(BeEmpty(), "after it ended by itself")

	mounted, caught := mounts(g), 0
	for _, part := range []float64{0.005, 0.03, 0.15, 0.4, 0.7} {
		moment := time.Duration(part * float64(took))
		tmp := t.TempDir()
		cmd, _ := start(tmp)
		ctx, cancel := context.WithTimeout(t.Context(), moment)
		<-ctx.Done()
		cancel()
		running := left(g, tmp)
		g.Expect(cmd.Process.Kill()).To(Succeed())
		_ = cmd.Wait()
		g.Eventually(func() []string { return left(g, tmp) }).WithTimeout(20*time.Second).Should(BeEmpty(), "killed after %v", moment)
		g.Expect(mounts(g)).To(Equal(mounted), "killed after %v", moment)
		if len(running) > 0 {
			caught++
		}
		t.Logf("killed after %v, %d processes and files gone", moment.Round(time.Millisecond), len(running))
	}
	g.Expect(caught).To(BeNumerically(">=", 3), "most were killed while they ran")
}

// pinlabBinary is the program that is tried; without one the test is left out.
func pinlabBinary(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("PINLAB_BIN")
	if binary == "" {
		t.Skip("boots machines: set PINLAB_BIN to a pinlab binary, as 'make e2e' does")
	}
	binary, err := filepath.Abs(binary)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return binary
}

// left are the processes with this TMPDIR, in pinlab's own process or one that
// it started, and the files in there.
func left(g Gomega, tmp string) []string {
	var out []string
	processes, err := filepath.Glob("/proc/[0-9]*")
	g.Expect(err).NotTo(HaveOccurred())
	for _, p := range processes {
		env, err := os.ReadFile(filepath.Join(p, "environ"))
		if err != nil || !bytes.Contains(env, []byte("TMPDIR="+tmp+"\x00")) {
			continue // it has ended, or is another's
		}
		cmdline, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		out = append(out, filepath.Base(p)+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
	}
	files, err := os.ReadDir(tmp)
	g.Expect(err).NotTo(HaveOccurred())
	for _, f := range files {
		out = append(out, f.Name())
	}
	return out
}

// mounts are the mounts of this process's namespace.
func mounts(g Gomega) string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	g.Expect(err).NotTo(HaveOccurred())
	return string(data)
}
