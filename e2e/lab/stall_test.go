package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/lab/image"
	"github.com/pinlab/pinlab/e2e/lab/machine"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
)

// fakeBoots says, in the environment of a test binary that stands for QEMU, what
// each start of it does: a file with one word a line.
const fakeBoots = "PINLAB_TEST_BOOTS"

func TestMain(m *testing.M) {
	if file := os.Getenv(fakeBoots); file != "" {
		os.Exit(fakeMachine(file))
	}
	os.Exit(m.Run())
}

// fakeMachine takes the next word from the file and does it.
func fakeMachine(file string) int {
	data, err := os.ReadFile(file)
	if err != nil {
		return 1
	}
	word, rest, _ := strings.Cut(string(data), "\n")
	if os.WriteFile(file, []byte(rest), 0o644) != nil {
		return 1
	}
	fmt.Println("SeaBIOS") // on the console
	switch word {
	case "end":
		fmt.Fprintln(os.Stderr, "qemu: no memory")
		return 1
	case "boot":
		_ = agent.Serve(os.NewFile(3, "agent"), healthy{})
	case "hang": // after the greeting
		_ = agent.Serve(os.NewFile(3, "agent"), hung{})
	}
	select {} // silent, until it is killed
}

type healthy struct{}

func (healthy) Alive(agent.None, *agent.None) error { return nil }

func (healthy) SetOnline(agent.Online, *agent.None) error { return nil }

func (healthy) PowerOff(agent.None, *agent.None) error { return nil }

func (healthy) Hello(_ agent.None, h *agent.Hello) error {
	h.Kernel = "6.12"
	return nil
}

type hung struct{}

func (hung) Alive(agent.None, *agent.None) error  { select {} }
func (hung) Hello(agent.None, *agent.Hello) error { select {} }

// A machine that does not come up is ended, tried once more, and told of, with
// what it said on its console.
func TestStalledBoot(t *testing.T) {
	for name, c := range map[string]struct {
		boots   []string
		retried bool
		said    string // of the first boot
		fails   string
	}{
		"boots":                    {boots: []string{"boot"}},
		"silent, then boots":       {boots: []string{"silent", "boot"}, retried: true, said: "the boot stalled: nothing on the console"},
		"ends, then boots":         {boots: []string{"end", "boot"}, retried: true, said: "qemu: no memory"},
		"hangs after the greeting": {boots: []string{"hang", "boot"}, retried: true, said: "no sign of life"},
		"silent twice is no third": {boots: []string{"silent", "silent", "boot"}, said: "the boot stalled", fails: "the boot stalled"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			spec := fakeSpec(t, g, c.boots...)
			disk, err := tempFile(nil)
			g.Expect(err).NotTo(HaveOccurred())
			var said []string
			began := time.Now()
			spec.Say = func(text string) { said = append(said, text) }
			vm, err := bootTwice(t.Context(), spec, disk)
			g.Expect(time.Since(began)).To(BeNumerically("<", 20*time.Second), "it does not wait for the end of all time")
			logs, globErr := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "pinlab", "lab", "console-*.log"))
			g.Expect(globErr).NotTo(HaveOccurred())
			if c.said == "" {
				g.Expect(said).To(BeEmpty())
				g.Expect(logs).To(BeEmpty())
			} else {
				g.Expect(said).To(HaveLen(1))
				g.Expect(said[0]).To(And(ContainSubstring(c.said), ContainSubstring("its console log is "), HaveSuffix("trying once more")))
				text, err := os.ReadFile(logs[0])
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(text)).To(Equal("SeaBIOS\n"))
			}
			if c.fails != "" {
				g.Expect(err).To(And(MatchError(ErrBoot), MatchError(ContainSubstring(c.fails))))
				g.Expect(logs).To(HaveLen(2))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(vm.Retried).To(Equal(c.retried))
			g.Expect(vm.Hello.Kernel).To(Equal("6.12"))
			g.Expect(vm.Close()).To(Succeed())
		})
	}
}

// The machine that is up is booted again for the next scenario when the last one
// has made another of it, and only then.
func TestFresh(t *testing.T) {
	g := NewWithT(t)
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("needs qemu-img (Debian package qemu-utils)")
	}
	spec := fakeSpec(t, g, "boot", "boot", "boot")
	spec.Image.Root = spec.Image.Initrd
	p := shape(g)
	l := New(Options{}, node.Options{})
	l.spec = &spec
	d := &daemon{lab: l, profile: p, ref: "./rack.yaml", down: make(chan struct{})}
	g.Expect(l.boot(t.Context(), p)).To(Succeed())
	fresh := func() Info {
		_, a := d.answer(t.Context(), request{Do: "fresh"})
		g.Expect(a.Error).To(BeEmpty())
		return *a.Info
	}
	g.Expect(fresh()).To(And(HaveField("Profile", p.Name), HaveField("Ref", "./rack.yaml")))
	g.Expect(l.Boots()).To(HaveLen(1), "nothing has changed")
	g.Expect(l.reboot(t.Context(), nil, []int{1})).To(Succeed(), "with a CPU offline")
	g.Expect(l.Boots()).To(HaveLen(2))
	fresh()
	g.Expect(l.Boots()).To(HaveLen(3))
	fresh()
	g.Expect(l.Boots()).To(HaveLen(3))
	g.Expect(l.Close()).To(Succeed())
}

func shape(g Gomega) *hwprofiles.Profile {
	p, err := hwprofiles.ParseShape("sockets=1 cores=2")
	g.Expect(err).NotTo(HaveOccurred())
	return p
}

// fakeSpec is a machine whose starts do what the words say.
func fakeSpec(t *testing.T, g Gomega, boots ...string) Spec {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir) // where consoles are kept
	g.Expect(os.MkdirAll(filepath.Join(dir, "pinlab", "lab"), 0o755)).To(Succeed())
	file, initrd := filepath.Join(dir, "boots"), filepath.Join(dir, "initrd")
	g.Expect(os.WriteFile(file, []byte(strings.Join(boots, "\n")), 0o644)).To(Succeed())
	g.Expect(os.WriteFile(initrd, nil, 0o644)).To(Succeed())
	t.Setenv(fakeBoots, file)
	plan, err := machine.New(shape(g))
	g.Expect(err).NotTo(HaveOccurred())
	pinlab, err := tempFile(nil)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = pinlab.Close() })
	return Spec{Plan: plan, Image: &image.Image{Initrd: initrd}, Pinlab: pinlab, Accel: "tcg", qemu: os.Args[0], stall: time.Second}
}
