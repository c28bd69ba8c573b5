package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/agent"
)

// wrapper is a copy of the script around runc whose paths are in a directory of
// the test. Its runc writes down how it was called.
type wrapper struct {
	*WithT
	dir string
}

const (
	chosen = "5a1c000000000000000000000000000000000000000000000000000000000001"
	other  = "5a1c000000000000000000000000000000000000000000000000000000000002"
)

func newWrapper(t *testing.T) wrapper {
	w := wrapper{NewWithT(t), t.TempDir()}
	paths := strings.NewReplacer(agent.FaultDir, w.dir+"/faults", agent.HoldDir, w.dir+"/hold", "/usr/bin/runc", w.dir+"/runc", "/run/containerd/", w.dir+"/containerd/")
	script := paths.Replace(agent.WrapperScript("/usr/bin/runc"))
	w.Expect(script).NotTo(ContainSubstring("/run/pinlab"), "a path that the test does not know")
	w.write("wrapper", script)
	w.write("runc", "#!/bin/sh\nfor a in \"$@\"; do printf '<%s>' \"$a\"; done >> "+w.dir+"/called\n")
	for id, name := range map[string]string{chosen: "app", other: "side"} {
		w.write("containerd/io.containerd.runtime.v2.task/k8s.io/"+id+"/config.json",
			`{"ociVersion":"1.2.0","annotations":{"io.kubernetes.cri.container-name":"`+name+`","io.kubernetes.cri.container-type":"container",`+
				`"io.kubernetes.cri.sandbox-name":"a","io.kubernetes.cri.sandbox-namespace":"default","io.kubernetes.cri.sandbox-uid":"u"},"linux":{}}`)
	}
	return w
}

func (w wrapper) write(name, text string) {
	file := filepath.Join(w.dir, name)
	w.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	w.Expect(os.WriteFile(file, []byte(text), 0o755)).To(Succeed())
}

// fault makes updates of a container fail.
func (w wrapper) fault(name string, times int, text string) {
	w.write("faults/"+name, fmt.Sprintf("%d\n%s\n", times, text))
}

// run calls the wrapper as containerd's shim calls runc.
func (w wrapper) run(args ...string) (stderr string, err error) {
	cmd := exec.Command("sh", append([]string{w.dir + "/wrapper"}, args...)...)
	var text strings.Builder
	cmd.Stderr = &text
	err = cmd.Run()
	return text.String(), err
}

func (w wrapper) update(id string) (string, error) {
	return w.run("--root", "/run/containerd/runc/k8s.io", "--log", w.dir+"/log.json", "--log-format", "json", "update", "--resources", "-", id)
}

// called says how often runc was called since the last time.
func (w wrapper) called() int {
	data, _ := os.ReadFile(w.dir + "/called") // never called, no file
	_ = os.Remove(w.dir + "/called")
	return strings.Count(string(data), "<--root>")
}

func TestWrapperPassesOn(t *testing.T) {
	w := newWrapper(t)
	_, err := w.run("--root", "/x", "create", "--bundle", "two words", "")
	w.Expect(err).NotTo(HaveOccurred())
	data, err := os.ReadFile(w.dir + "/called")
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(string(data)).To(Equal("<--root></x><create><--bundle><two words><>"))
	w.called()

	_, err = w.update(chosen)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.called()).To(Equal(1))

	w.fault("default_a_app", 0, "no")
	w.fault("all", 0, "no")
	_, err = w.run("--root", "/x", "start", chosen)
	w.Expect(err).NotTo(HaveOccurred(), "only an update fails")
	w.Expect(w.called()).To(Equal(1))
}

// A kind node's control plane is left alone by faults and holds.
func TestWrapperControlPlane(t *testing.T) {
	w := newWrapper(t)
	w.write("containerd/io.containerd.runtime.v2.task/k8s.io/"+other+"/config.json",
		`{"annotations":{"io.kubernetes.cri.container-name":"etcd","io.kubernetes.cri.sandbox-name":"etcd-kind-control-plane","io.kubernetes.cri.sandbox-namespace":"kube-system"}}`)
	w.fault("all", 1, "no")
	w.write("hold/allow", "0\n")
	_, err := w.update(other)
	w.Expect(err).NotTo(HaveOccurred())
	_, err = w.update(chosen)
	w.Expect(err).To(HaveOccurred(), "held")
	w.Expect(os.RemoveAll(w.dir + "/hold")).To(Succeed())
	_, err = w.update(other)
	w.Expect(err).NotTo(HaveOccurred())
	_, err = w.update(chosen)
	w.Expect(err).To(HaveOccurred(), "the only failure was not used up by the other")
	w.Expect(w.called()).To(Equal(2))
}

func TestWrapperExitCode(t *testing.T) {
	w := newWrapper(t)
	w.write("runc", "#!/bin/sh\necho not found >&2\nexit 7\n")
	stderr, err := w.update(chosen)
	w.Expect(err).To(MatchError("exit status 7"))
	w.Expect(stderr).To(Equal("not found\n"))
}

func TestWrapperFails(t *testing.T) {
	for name, c := range map[string]struct {
		fault    string
		times    int
		failures int // of three updates of the chosen container
		others   int // of three updates of the other
	}{
		"once":            {"default_a_app", 1, 1, 0},
		"twice":           {"default_a_app", 2, 2, 0},
		"for ever":        {"default_a_app", 0, 3, 0},
		"another":         {"default_b_app", 0, 0, 0},
		"every container": {"all", 0, 3, 3},
		"all, four times": {"all", 4, 3, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWrapper(t)
			w.fault(c.fault, c.times, "unable to freeze")
			count := func(id string) (failures int) {
				for range 3 {
					stderr, err := w.update(id)
					if err == nil {
						continue
					}
					failures++
					w.Expect(err).To(MatchError("exit status 1"))
					w.Expect(stderr).To(Equal("unable to freeze\n"))
				}
				w.Expect(w.called()).To(Equal(3-failures), "runc is called when the update does not fail, and only then")
				return failures
			}
			w.Expect(count(chosen)).To(Equal(c.failures))
			w.Expect(count(other)).To(Equal(c.others))
			log, _ := os.ReadFile(w.dir + "/log.json")
			w.Expect(strings.Count(string(log), `{"level":"error","msg":"unable to freeze","time":`)).To(Equal(c.failures + c.others))
		})
	}
}

// A container of its own has precedence over all.
func TestWrapperOneBeforeAll(t *testing.T) {
	w := newWrapper(t)
	w.fault("default_a_app", 1, "mine")
	w.fault("all", 0, "everybody's")
	for _, want := range []string{"mine\n", "everybody's\n"} {
		stderr, err := w.update(chosen)
		w.Expect(err).To(HaveOccurred())
		w.Expect(stderr).To(Equal(want))
	}
}

// While updates are held they fail, except for as many of each container as are
// let through, and nothing else does.
func TestWrapperHolds(t *testing.T) {
	w := newWrapper(t)
	w.write("hold/allow", "0\n")
	_, err := w.run("--root", "/x", "state", chosen)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.called()).To(Equal(1))
	text, err := w.update(chosen)
	w.Expect(err).To(HaveOccurred())
	w.Expect(text).To(ContainSubstring(agent.HeldText))
	w.Expect(w.called()).To(Equal(0))
	w.write("hold/allow", "2\n")
	for range 4 {
		_, _ = w.update(chosen)
	}
	w.Expect(w.called()).To(Equal(2))
	_, err = w.update(other)
	w.Expect(err).NotTo(HaveOccurred(), "each container has its own")
	w.Expect(w.called()).To(Equal(1))
	w.fault("default_b_b", 1, "no")
	w.Expect(os.RemoveAll(w.dir + "/hold")).To(Succeed())
	_, err = w.update(chosen)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.called()).To(Equal(1))
}

// What the guest runs is at least a script that a shell can read.
func TestScripts(t *testing.T) {
	for _, f := range append(guestFiles(), guestFile{path: "init", content: initScript}) {
		if !strings.HasPrefix(f.content, "#!/bin/sh\n") {
			continue
		}
		t.Run(f.path, func(t *testing.T) {
			g := NewWithT(t)
			cmd := exec.Command("sh", "-n")
			cmd.Stdin = strings.NewReader(f.content)
			out, err := cmd.CombinedOutput()
			g.Expect(err).NotTo(HaveOccurred(), "%s", out)
		})
	}
}
