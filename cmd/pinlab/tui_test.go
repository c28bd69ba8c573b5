package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/pinlab/pinlab/e2e/verify"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui"
	"github.com/pinlab/pinlab/tui/paint"
)

// console is the explorer on a terminal in memory, with the real managers.
type console struct {
	t      *testing.T
	screen *vt.SafeEmulator
	keys   io.Writer
	done   chan error
}

func openConsole(t *testing.T, f tuiFlags, opts tui.Options) *console {
	t.Helper()
	asPinlab(t)
	tools, err := newToolchain()
	if err != nil {
		t.Fatal(err)
	}
	if f.root == "" {
		f.root = "/"
	}
	deps, err := newTUIDeps(tools, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(deps.close)
	opts.Theme = paint.Dark
	m, err := tui.New(context.Background(), deps.Deps, opts)
	if err != nil {
		t.Fatal(err)
	}
	const w, h = 120, 40
	in, keys := io.Pipe()
	c := &console{t: t, screen: vt.NewSafeEmulator(w, h), keys: keys, done: make(chan error, 1)}
	go func() { _, _ = io.Copy(io.Discard, c.screen) }() // what the terminal answers
	go func() {
		c.done <- tui.Run(context.Background(), m, in, lineFeeds{c.screen}, tea.WithWindowSize(w, h), tea.WithoutSignalHandler())
	}()
	return c
}

// asPinlab makes this test's program its own child as pinlab.
func asPinlab(t *testing.T) {
	name := os.Args[0]
	os.Args[0] = "pinlab"
	t.Cleanup(func() { os.Args[0] = name })
}

// lineFeeds does what the kernel does for a terminal that is not in raw mode,
// which a pipe is taken for.
type lineFeeds struct{ io.Writer }

func (l lineFeeds) Write(b []byte) (int, error) {
	_, err := io.WriteString(l.Writer, strings.ReplaceAll(string(b), "\n", "\r\n"))
	return len(b), err
}

// shows waits until the screen has a text.
func (c *console) shows(text string) {
	c.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for !strings.Contains(c.screen.String(), text) {
		if time.Now().After(deadline) {
			c.t.Fatalf("the screen does not show %q:\n%s", text, c.screen.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *console) press(keys string) {
	for _, k := range keys { // one by one, as a person does
		_, _ = io.WriteString(c.keys, string(k))
	}
}

func (c *console) leave() {
	c.t.Helper()
	c.press("q")
	select {
	case err := <-c.done:
		if err != nil {
			c.t.Error(err)
		}
	case <-time.After(90 * time.Second):
		c.t.Fatal("q does not leave")
	}
}

// TestTUISavesWhatRuns explores a node with the real managers, breaks it, and
// saves a scenario that a run passes.
func TestTUISavesWhatRuns(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "mine.yaml")
	c := openConsole(t, tuiFlags{}, tui.Options{Profile: "generic-2s4c-smt2"})
	step := func(text, then string) {
		c.press(":")
		c.shows("a step, as in a scenario file")
		c.press(text + "\r")
		c.shows(then)
	}
	c.shows("start kubelet")
	step("createPod: {name: web, containers: [{name: app, cpu: 2, memory: 1Gi}]}", "web/app")
	c.shows("PINNED to CPUs 1,9")
	step("createPod: {name: big, containers: [{name: app, cpu: 40, memory: 1Gi}]}", "rejected big")
	step("createPod: {name: three, replicas: 3, containers: [{name: app, cpu: 2, memory: 1Gi}]}", "three-2/app")
	step("clobberCPUSet: {container: web/app, cpus: \"0-15\"}", "clobber cpuset")
	step("failRuntimeUpdate: {container: three-0/app, error: unable to freeze}", "fail runtime updates")
	step("restartKubelet: {config: {topologyManagerPolicy: single-numa-node}}", "single-numa-node/container")
	step("crashContainer: three-1/app", "exit container")
	step("deletePod: web", "delete pod web")
	step("deleteStateFile: {}", "delete cpu_manager_state")
	step("restartKubelet: {}", "restart kubelet")
	c.press("s")
	c.shows("save the session")
	c.press("\x15" + file + "\r")
	c.shows("pinlab run " + file[:20])
	c.leave()
	var out, problems strings.Builder
	code := run(context.Background(), []string{"run", file}, stdio{in: strings.NewReader(""), out: &out, err: &problems})
	g.Expect(code).To(Equal(exitHeld), out.String()+problems.String())
}

// TestTUIExplainsAsExplain shows the text of 'pinlab explain'.
func TestTUIExplainsAsExplain(t *testing.T) {
	c := openConsole(t, tuiFlags{}, tui.Options{Profile: "xeon-2s24c-smt2", Kubelet: `{"cpuManagerPolicy": "static", "reservedSystemCPUs": "0-1,48-49"}`})
	c.shows("start kubelet")
	c.press("m")
	c.shows("manifest file")
	c.press("../../docs/examples/deployment.yaml\r")
	c.shows("pricing-1/app")
	c.shows("NOT PINNED, because the pod is")
	c.shows("Smallest change")
	c.leave()
}

// TestTUIReplays shows a scenario of the corpus with its violations.
func TestTUIReplays(t *testing.T) {
	c := openConsole(t, tuiFlags{}, tui.Options{View: tui.ViewReplay, Scenario: "unable-to-freeze", Profile: "detected"})
	c.shows("step 1 of 17")
	c.press("n")
	c.shows("△ exclusive-isolated")
	c.press("]")
	c.shows("unable to freeze")
	c.leave()
}

// TestTUIVerifiesReports shows what a run has seen, and looks again when the
// file is written anew.
func TestTUIVerifiesReports(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "run.json")
	write := func(scenario string) {
		var out strings.Builder
		code := run(context.Background(), []string{"run", scenario, "-o", "json"}, stdio{in: strings.NewReader(""), out: &out, err: io.Discard})
		g.Expect(code).To(Equal(exitHeld))
		g.Expect(os.WriteFile(file+".new", []byte(out.String()), 0o600)).To(Succeed())
		g.Expect(os.Rename(file+".new", file)).To(Succeed())
	}
	write("first-pin")
	c := openConsole(t, tuiFlags{report: file}, tui.Options{View: tui.ViewVerify, Profile: "detected"})
	c.shows("first-pin on generic-2s4c-smt2")
	c.shows("as assigned")
	write("clobber-never-repaired")
	c.shows("clobber-never-repaired on")
	c.leave()
}

// TestTUIOpensAudits shows an audit that was made on another machine, and wants to
// know which one.
func TestTUIOpensAudits(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "node-17.json")
	cpus := func(list string) *observe.CPUs { c := observe.CPUs(list); return &c }
	data, err := json.Marshal(verify.Report{
		APIVersion: verify.APIVersion, Kind: verify.Kind,
		Node:    verify.Node{Online: "0-15", NUMANodes: 2},
		Kubelet: verify.Kubelet{State: "running", SharedPool: cpus("0,2-8,10-15"), Config: observe.Config{CPUManagerPolicy: "static"}},
		Containers: []verify.Container{{
			Namespace: "shop", Pod: "db", Container: "app", PodUID: "u", QoS: "Guaranteed", Running: ptr.To(true), Exclusive: true,
			Assigned: cpus("1,9"), CPUs: cpus("0-15"), Effective: cpus("0-15"),
		}},
		Findings: []verify.Finding{{Severity: verify.Critical, Check: "cpuset", What: "shop/db/app can run on 14 CPUs that are not its own"}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(file, data, 0o600)).To(Succeed())
	_, err = reportNode(file, "sockets=1 cores=4")(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("was made on a machine with CPUs 0-15 in 2 NUMA nodes; sockets=1 cores=4 has 0-3 in 1: name the machine with --profile")))
	c := openConsole(t, tuiFlags{report: file, profile: "generic-2s4c-smt2"}, tui.Options{View: tui.ViewVerify, Profile: "generic-2s4c-smt2"})
	c.shows("node-17.json")
	c.shows("DRIFT")
	c.shows("drift 14")
	c.leave()

	g.Expect(os.WriteFile(file, []byte(`{"kind": "BenchReport"}`), 0o600)).To(Succeed())
	_, err = reportNode(file, "detected")(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("not a report in JSON; 'pinlab verify -o json'")))
}

// TestTUIBenchIsCompared stops a bench, saves what it has, and compares the file.
func TestTUIBenchIsCompared(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "bench.json")
	c := openConsole(t, tuiFlags{}, tui.Options{View: tui.ViewBench, Profile: "generic-1s4c"})
	c.shows("enter measures it")
	c.press("\r")
	c.shows("repetition 2 of 8")
	c.press("x")
	c.shows("s saves them")
	c.press("s")
	c.shows("save the samples")
	c.press("\x15" + file + "\r")
	c.shows("compare with")
	c.leave()
	var out, problems strings.Builder
	code := run(context.Background(), []string{"bench", "compare", file, file}, stdio{in: strings.NewReader(""), out: &out, err: &problems})
	g.Expect(code).To(Equal(exitHeld), problems.String())
	g.Expect(out.String()).To(ContainSubstring("single-numa-node"))
	g.Expect(problems.String()).To(ContainSubstring("OLD was interrupted"))
}

// TestBenchInterrupted prints and saves what an interrupted run has. The progress
// line tells when one repetition is done.
func TestBenchInterrupted(t *testing.T) {
	asPinlab(t)
	g := NewWithT(t)
	terminal, tty, err := pty.Open()
	g.Expect(err).NotTo(HaveOccurred())
	defer terminal.Close()
	g.Expect(pty.Setsize(tty, &pty.Winsize{Rows: 24, Cols: 120})).To(Succeed())
	ctx, cancel := context.WithCancel(t.Context())
	told := make(chan string, 1)
	go func() {
		var seen strings.Builder
		part := make([]byte, 1024)
		for {
			n, err := terminal.Read(part)
			seen.Write(part[:n])
			if strings.Contains(seen.String(), "repetition 2 of 8") {
				cancel()
			}
			if err != nil {
				told <- seen.String()
				return
			}
		}
	}()
	file := filepath.Join(t.TempDir(), "bench.json")
	var out strings.Builder
	args := []string{"bench", "--profile", "generic-1s4c", "--fill", "empty", "--storage", "memory", "--request", "1", "--samples", "40000", "--deadline", "1h", "--save", file}
	code := run(ctx, args, stdio{in: strings.NewReader(""), out: &out, err: tty})
	g.Expect(tty.Close()).To(Succeed())
	problems := <-told
	g.Expect(code).To(Equal(exitHarness), problems)
	g.Expect(problems).To(ContainSubstring("marked as interrupted"))
	g.Expect(out.String()).To(ContainSubstring(" of 8 repetitions done"))
	saved, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(saved)).To(ContainSubstring(`"interrupted": true`))
}

func TestTUIUsage(t *testing.T) {
	for _, args := range [][]string{
		{"tui"},
		{"tui", "--view", "nothing"},
		{"tui", "--theme", "pink"},
		{"tui", "--profile", "no-such-machine"},
		{"tui", "--config", "/nowhere"},
		{"tui", "a", "b"},
		{"tui", "no-such-scenario"},
		{"tui", "./nowhere.yaml"},
		{"tui", "--report", "/nowhere.json"},
	} {
		g := NewWithT(t)
		var out, problems strings.Builder
		code := run(context.Background(), args, stdio{in: strings.NewReader(""), out: &out, err: &problems})
		g.Expect(code).To(Equal(exitUsage), strings.Join(args, " "))
		g.Expect(out.String()).To(BeEmpty())
		g.Expect(problems.String()).To(HavePrefix("pinlab: "))
	}
}

// TestExploredNodeIsFlat lets 400 pods come and go on a node with the real
// managers; a hundred bytes of each stay, in a map of upstream's.
func TestExploredNodeIsFlat(t *testing.T) {
	g := NewWithT(t)
	tools, err := newToolchain()
	g.Expect(err).NotTo(HaveOccurred())
	deps, err := newTUIDeps(tools, tuiFlags{root: "/"})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(deps.close)
	file := filepath.Join(t.TempDir(), "pod.yaml")
	g.Expect(os.WriteFile(file, []byte(`apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: pod}
profile: generic-2s4c-smt2
kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: "0,8"}
steps:
- startKubelet: {}
- createPod: {name: a, containers: [{name: app, cpu: 2, memory: 1Gi}]}
- deletePod: a
- expect: {kubelet: running}
`), 0o600)).To(Succeed())
	s, err := tools.loader.LoadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	p, err := deps.Resolve(s.Profile)
	g.Expect(err).NotTo(HaveOccurred())
	node, err := deps.Open(t.Context(), s, p)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = node.Close() })
	apply := func(step int) {
		_, err := node.Apply(t.Context(), s.Steps[step].Event)
		g.Expect(err).NotTo(HaveOccurred())
	}
	apply(0)
	heapAfter := func(pods int) uint64 {
		for range pods {
			apply(1)
			apply(2)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heapAfter(100)
	g.Expect(heapAfter(300)).To(BeNumerically("<", before+512<<10))
}

// TestTUIInTmux runs the program as a user does: in tmux, at 80×24, resized, and
// leaves the terminal as it was.
func TestTUIInTmux(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("REQUIRE_TMUX") == "1" {
			t.Fatal("tmux is not installed, and REQUIRE_TMUX=1 wants it")
		}
		t.Skip("NOT RUN: the explorer in a real terminal, because tmux is not installed (apt-get install tmux)")
	}
	g := NewWithT(t)
	dir := t.TempDir()
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.Symlink(self, filepath.Join(dir, "pinlab"))).To(Succeed())
	tmux := func(args ...string) string {
		out, err := exec.Command("tmux", append([]string{"-S", filepath.Join(dir, "tmux"), "-f", "/dev/null"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("tmux %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	shows := func(text string) {
		t.Helper()
		screen := ""
		for range 1800 {
			if screen = tmux("capture-pane", "-p"); strings.Contains(screen, text) {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Fatalf("tmux does not show %q:\n%s", text, screen)
	}
	tmux("new-session", "-d", "-x", "80", "-y", "24", "env", "PS1=prompt> ", "TMPDIR="+dir, "sh")
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", filepath.Join(dir, "tmux"), "kill-server").Run() })
	shows("prompt>")
	tmux("send-keys", "cd "+dir+"; stty -g > before; echo above; ./pinlab tui --profile xeon-2s24c-smt2", "Enter")
	shows("start kubelet")
	tmux("send-keys", "a")
	shows("add a pod")
	tmux("send-keys", "Enter")
	shows("pod-1/app")
	tmux("resize-window", "-x", "120", "-y", "40")
	shows("PINNED to CPUs 1,49")
	tmux("send-keys", "?")
	shows("restart the kubelet")
	tmux("send-keys", "?")
	shows("PINNED to CPUs 1,49")
	tmux("send-keys", "q")
	shows("it is kept in")
	shows("above")
	tmux("send-keys", "stty -g > after; cmp before after && echo SAME | tr A-Z a-z", "Enter")
	shows("same\n")
	tmux("send-keys", "NO_COLOR=1 ./pinlab tui --profile xeon-2s24c-smt2", "Enter")
	shows("start kubelet")
	g.Expect(tmux("capture-pane", "-p", "-e")).NotTo(MatchRegexp(`\x1b\[[0-9;]*(3[0-7]|38;|9[0-7])`))
	tmux("send-keys", "C-c")
	shows("prompt>\n")
}
