package sim_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim"
)

// roleHolder, set in the environment, makes a test process hold a directory
// below that path until it is killed.
const roleHolder = "PINLAB_TEST_HOLD"

func TestMain(m *testing.M) {
	if base := os.Getenv(roleHolder); base != "" {
		dir, _, err := sim.LockedDir(base)
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString(dir + "\n")
		select {}
	}
	os.Exit(m.Run())
}

// TestDirectoriesOfKilledProcesses kills a process with SIGKILL: the next one
// removes its directory, and nothing else.
func TestDirectoriesOfKilledProcesses(t *testing.T) {
	g := NewWithT(t)
	base := t.TempDir()
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	holder := exec.Command(self)
	holder.Env = append(os.Environ(), roleHolder+"="+base)
	out, err := holder.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(holder.Start()).To(Succeed())
	t.Cleanup(func() { _ = holder.Process.Kill() })
	held, err := bufio.NewReader(out).ReadString('\n')
	g.Expect(err).NotTo(HaveOccurred())
	held = held[:len(held)-1]
	g.Expect(os.MkdirAll(filepath.Join(held, "pinlab-1"), 0o700)).To(Succeed())
	others := filepath.Join(base, "pinlab-run-1") // somebody else's
	g.Expect(os.Mkdir(others, 0o700)).To(Succeed())
	outside := t.TempDir()
	g.Expect(os.Symlink(outside, filepath.Join(base, "pinlab-locked-link"))).To(Succeed())

	first, removeFirst, err := sim.LockedDir(base)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(held).To(BeADirectory(), "its process lives")

	g.Expect(holder.Process.Kill()).To(Succeed())
	_ = holder.Wait()
	second, removeSecond, err := sim.LockedDir(base)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(held).NotTo(BeADirectory(), "its process was killed")
	for _, dir := range []string{first, second, others, outside} {
		g.Expect(dir).To(BeADirectory())
	}
	g.Expect(removeFirst()).To(Succeed())
	g.Expect(removeSecond()).To(Succeed())
	left, err := filepath.Glob(filepath.Join(base, "*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(ConsistOf(others, filepath.Join(base, "pinlab-locked-link")))
}

func TestLockedDirNowhere(t *testing.T) {
	_, _, err := sim.LockedDir(filepath.Join(t.TempDir(), "missing"))
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("temporary directory")))
}
