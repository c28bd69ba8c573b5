package tui

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
)

func TestAddAndDelete(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	d.press("a", "enter")
	g.Expect(d.text()).To(ContainSubstring("pod-1/app"))
	g.Expect(d.m.explore.story.Steps).To(HaveLen(2))
	d.press("d")
	g.Expect(d.text()).NotTo(ContainSubstring("pod-1/app"))
	g.Expect(d.text()).To(ContainSubstring("delete pod pod-1"))
}

// TestLine takes pods as a person types them.
func TestLine(t *testing.T) {
	for line, want := range map[string]string{
		"web 2":                        "createPod: {name: web, containers: [{name: app, cpu: 2, memory: 1Gi}]}",
		" web 2 4Gi x3 ":               "createPod: {name: web, replicas: 3, containers: [{name: app, cpu: 2, memory: 4Gi}]}",
		"{name: web, containers: [x]}": "createPod: {name: web, containers: [x]}",
	} {
		g := NewWithT(t)
		got, err := podStep(line)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got).To(Equal(want))
	}
	for _, line := range []string{"", "web", "web 2 1Gi x3 more", "web 2} 1Gi", "w:eb 2"} {
		_, err := podStep(line)
		NewWithT(t).Expect(err).To(HaveOccurred(), line)
	}
}

// TestLineInTheList types a line where pods are chosen, without looking for the
// entry that asks for one.
func TestLineInTheList(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	d.press("a", "/", "type:web 2", "enter")
	g.Expect(d.text()).To(ContainSubstring("web/app"))
	d.press("a", "/", "type:web", "enter")
	g.Expect(d.text()).To(And(ContainSubstring("want NAME CPUS"), ContainSubstring("> web")), "it stays to be mended")
}

// TestRefusedStep leaves the session as it was, and says why.
func TestRefusedStep(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	d.press(":", "type:deletePod: nobody", "enter")
	g.Expect(d.m.explore.story.Steps).To(HaveLen(1))
	g.Expect(d.text()).To(ContainSubstring("nobody"))
	d.press(":", "type:expect: {kubelet: running}", "enter")
	g.Expect(d.m.explore.story.Steps).To(HaveLen(1))
	d.press(":", "type:nonsense", "enter")
	g.Expect(d.text()).To(ContainSubstring("want one step"))
}

func TestManifestFile(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "pods.yaml")
	g.Expect(os.WriteFile(file, []byte("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 2\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n      - {name: app, image: x, resources: {requests: {cpu: 2, memory: 1Gi}, limits: {cpu: 2, memory: 1Gi}}}\n"), 0o600)).To(Succeed())
	d := drive(t, Options{}, 80, 24)
	d.press("m", "type:"+file, "enter")
	g.Expect(d.text()).To(And(ContainSubstring("web-0/app"), ContainSubstring("web-1/app")))
	d.press("m", "type:/nowhere.yaml", "enter")
	g.Expect(d.text()).To(ContainSubstring("no such file"))
}

// TestSave writes a scenario that the loader takes, and asks before it
// overwrites.
func TestSave(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "mine.yaml")
	d := drive(t, Options{}, 80, 24)
	d.press("a", "enter", "s", "ctrl+u", "type:"+file, "enter")
	g.Expect(d.text()).To(ContainSubstring("pinlab run"))
	first, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	s, err := scenarios.Loader{}.LoadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Name).To(Equal("mine"))
	g.Expect(s.Steps).To(HaveLen(4), "two events and what was seen after each")
	g.Expect(d.m.explore.unsaved()).To(BeFalse())

	d.press("d", "s", "ctrl+u", "type:"+file, "enter")
	g.Expect(d.text()).To(ContainSubstring("Overwrite"))
	d.press("n")
	same, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(same).To(Equal(first))
	d.press("s", "ctrl+u", "type:"+file, "enter", "y")
	more, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(more)).To(ContainSubstring("deletePod: pod-1"))
}

// TestConfigForm turns changed fields into the patch of a restart.
func TestConfigForm(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	d.press("c", "j", "j", "l", "j", "l", "j", "j", "space", "enter")
	steps := d.m.explore.story.Steps
	g.Expect(steps[len(steps)-1]).To(Equal(`restartKubelet: {config: {"cpuManagerPolicyOptions":{"full-pcpus-only":"true"},"topologyManagerPolicy":"best-effort","topologyManagerScope":"pod"}}`))
	d.press("c", "enter")
	g.Expect(d.m.explore.story.Steps).To(HaveLen(len(steps)))
}

// TestOtherMachine asks before an unsaved session is left, and closes it.
func TestOtherMachine(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	first := d.m.explore.session.(*fakeSession)
	d.press("a", "enter", "p", "/", "type:1024", "enter", "enter", "n")
	g.Expect(d.m.explore.ref).To(Equal("xeon-2s24c-smt2"))
	d.press("p", "/", "type:1024", "enter", "y")
	g.Expect(d.m.explore.ref).To(Equal("generic-1024"))
	g.Expect(first.closed).To(BeTrue())
	d.press("p", "/", "type:sockets=1 cores=3", "enter")
	g.Expect(d.m.explore.ref).To(Equal("sockets=1 cores=3"))
}

func TestReplayKeys(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{View: ViewReplay, Scenario: "made-up"}, 120, 40)
	g.Expect(d.text()).To(ContainSubstring("step 1 of 6"))
	d.press("l", "right", "space")
	g.Expect(d.text()).To(ContainSubstring("step 4 of 6"))
	d.press("h", "N", "g")
	g.Expect(d.text()).To(ContainSubstring("step 1 of 6"))
	d.press("n")
	g.Expect(d.text()).To(And(ContainSubstring("step 4 of 6"), ContainSubstring("cgroup-in-sync")))
	d.press("G")
	g.Expect(d.text()).To(And(ContainSubstring("step 6 of 6"), ContainSubstring("holds")))
	d.send(tea.MouseClickMsg{X: 3, Y: 2, Button: tea.MouseLeft})
	g.Expect(d.text()).To(ContainSubstring("step 2 of 6"))
}

func TestMouse(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 120, 40)
	d.press("a", "enter")
	lines := strings.Split(d.text(), "\n")
	for y, line := range lines {
		if x := strings.Index(line, "a 1"); x >= 0 && strings.Contains(line, "node 0") {
			d.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft})
		}
	}
	g.Expect(d.m.explore.focus).To(Equal(onMap))
	g.Expect(d.text()).To(ContainSubstring("owned by pod-1/app"))
	d.send(tea.MouseClickMsg{X: 22, Y: 0, Button: tea.MouseLeft})
	g.Expect(d.m.view).To(Equal(ViewReplay))
	d.send(tea.MouseWheelMsg{X: 3, Y: 3, Button: tea.MouseWheelDown})
}

// TestAnything presses keys at random and resizes: nothing panics, and the
// screen stays within the terminal.
func TestAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 11))
	d := drive(t, Options{}, 80, 24)
	dir := t.TempDir()
	t.Chdir(dir) // what is saved is saved here
	names := []string{
		"enter", "esc", "tab", "shift+tab", "up", "down", "left", "right", "backspace", "pgup", "pgdown", "home", "end", "space", "ctrl+u", "ctrl+d",
	}
	letters := "1234?/thjklgG[]zZ+-0pcamdxerSKRf:sonNyq{}~é"
	for range 10_000 {
		switch n := rng.IntN(100); {
		case n < 5:
			d.send(tea.WindowSizeMsg{Width: rng.IntN(260), Height: rng.IntN(90)})
		case n < 10:
			d.send(tea.MouseClickMsg{X: rng.IntN(220), Y: rng.IntN(70), Button: tea.MouseLeft})
		case n < 13:
			d.send(tea.MouseWheelMsg{Button: []tea.MouseButton{tea.MouseWheelUp, tea.MouseWheelDown}[rng.IntN(2)]})
		case n < 15:
			d.send(tea.PasteMsg{Content: "web 2\n世界\x1b[31m"})
		case n < 45:
			d.press(names[rng.IntN(len(names))])
		default:
			r := []rune(letters)
			d.press(string(r[rng.IntN(len(r))]))
		}
		if w, h := d.m.screen().Size(); w != d.m.w || h != d.m.h {
			t.Fatalf("screen %d×%d on a terminal of %d×%d", w, h, d.m.w, d.m.h)
		}
	}
}

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// TestFlat explores for long: what is remembered does not grow without bound.
func TestFlat(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{Profile: "sockets=1 cores=4 threads=2"}, 80, 24)
	cycle := func(n int) {
		for range n {
			d.run(d.m.do("createPod: {name: a, containers: [{name: app, cpu: 2, memory: 1Gi}]}"))
			d.run(d.m.do("deletePod: a"))
		}
	}
	cycle(maxFrames / 2)
	before := heap()
	cycle(maxFrames)
	g.Expect(len(d.m.explore.frames)).To(BeNumerically("<=", maxFrames))
	g.Expect(heap()).To(BeNumerically("<", before+before/2+4<<20))
	for range 3 {
		d.m.explore.story.Steps = append(d.m.explore.story.Steps, make([]string, 1000)...)
	}
	d.run(d.m.do("reconcile: {}"))
	g.Expect(d.text()).To(ContainSubstring("save the session"))
}

// TestAnHour goes through all four views as a user does in an hour, at a key
// every two seconds: pods come and go, a scenario is stepped through, benches are
// run, the node is audited again, the terminal is resized. The hours after the
// first need no more memory than it did.
func TestAnHour(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24)
	round := []string{
		"1", "a", "enter", "tab", "]", "tab", "j", "+", "-", "z", "Z", "tab", "f", "j", "enter", "enter", "r", "d", "/", "type:pod", "esc", "?", "esc",
		"2", "o", "enter", "l", "n", "]", "h", "G", "g",
		"3", "enter", "]", "[",
		"4", "r", "n", "tab", "tab", "j",
	}
	sizes := [][2]int{{80, 24}, {120, 40}, {200, 60}, {40, 12}}
	halfHour := func() {
		for i := range 30 * 60 / 2 / len(round) {
			size := sizes[i%len(sizes)]
			d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
			d.press(round...)
		}
	}
	halfHour() // what is kept is full then
	halfHour()
	before := heap()
	for range 4 { // the longer, the smaller a leak that is seen
		halfHour()
	}
	g.Expect(d.m.replay.rec).NotTo(BeNil())
	g.Expect(d.m.bench.latest.Done).To(BeTrue())
	g.Expect(d.m.verify.known).To(BeTrue())
	after := heap()
	t.Logf("heap after one hour %.2f MiB, after three %.2f MiB", float64(before)/(1<<20), float64(after)/(1<<20))
	// The steps are kept for saving, some 50 bytes each; a frame too many is 2 KiB.
	g.Expect(after).To(BeNumerically("<", before+256<<10))
}
