package lab_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/verify"
	"github.com/pinlab/pinlab/sim/observe"
)

// TestVerifyOnARealNode audits a node with a real kubelet, containerd and kernel
// from within: as it should be, then with a cgroup that somebody else has written,
// then with a CPU taken offline under a container.
func TestVerifyOnARealNode(t *testing.T) {
	g, binary := NewWithT(t), pinlabBinary(t)
	pinlab := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.Command(binary, args...)
		cmd.Stdin = strings.NewReader(stdin)
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		g.Expect(cmd.Run()).To(Succeed(), "pinlab %s: %s%s", strings.Join(args, " "), &out, &said)
		return out.String()
	}
	pinlab("", "lab", "up", "--profile", "generic-2s4c-smt2")
	t.Cleanup(func() { pinlab("", "lab", "down") })
	pinlab("", "lab", "run", "first-pin")

	// inside runs a command on the node and then the audit. The terminal shows what
	// is typed as well, so the marks are put together by the shell.
	inside := func(command string) *verify.Report {
		t.Helper()
		out := pinlab(command+"; /pinlab/pinlab verify -o json >/tmp/report 2>/tmp/said; echo MARK'ED'; cat /tmp/report /tmp/said; echo MARK'ED'\n", "lab", "shell")
		parts := strings.Split(out, "MARKED")
		g.Expect(parts).To(HaveLen(3), out)
		var r verify.Report
		g.Expect(json.Unmarshal([]byte(parts[1]), &r)).To(Succeed(), parts[1])
		g.Expect(r.Unread).To(BeEmpty())
		return &r
	}
	app := func(r *verify.Report) *verify.Container {
		t.Helper()
		for i := range r.Containers {
			if c := &r.Containers[i]; c.Pod == "a" && c.Container == "app" {
				return c
			}
		}
		t.Fatalf("a/app is not among %v", r.Containers)
		return nil
	}
	found := func(r *verify.Report, s verify.Severity) []string {
		checks := []string{}
		for _, f := range r.Findings {
			if f.Severity == s {
				checks = append(checks, f.Check)
			}
		}
		return checks
	}
	pinned, all := observe.CPUs("1,9"), observe.CPUs("0-15")

	r := inside("true")
	g.Expect(r.Kubelet.State).To(Equal("running"))
	g.Expect(r.Node.CgroupVersion).To(Equal(2))
	g.Expect(r.Node.Online).To(Equal(all))
	c := app(r)
	g.Expect([]*observe.CPUs{c.Assigned, c.CPUs, c.Effective}).To(HaveEach(HaveValue(Equal(pinned))))
	g.Expect(c.Threads).NotTo(BeEmpty())
	for _, thread := range c.Threads {
		g.Expect(thread.CPUs).To(Equal(pinned))
	}
	g.Expect(c.Memory).NotTo(BeNil())
	g.Expect(r.Starts).To(HaveLen(1))
	g.Expect(r.Starts[0].Refusal).To(BeEmpty())
	g.Expect(found(r, verify.Critical)).To(BeEmpty())

	cgroup := "/sys/fs/cgroup" + c.Cgroup + "/cpuset.cpus"
	r = inside("echo 0-15 >" + cgroup)
	g.Expect(app(r).CPUs).To(HaveValue(Equal(all)))
	g.Expect(found(r, verify.Critical)).To(Equal([]string{"cgroup-in-sync"}))

	r = inside("echo 1,9 >" + cgroup + "; echo 0 >/sys/devices/system/cpu/cpu9/online")
	g.Expect(app(r).Effective).To(HaveValue(Equal(observe.CPUs("1"))))
	g.Expect(found(r, verify.Critical)).To(ConsistOf("state-accepted", "pool-accounted"))
	g.Expect(r.Starts[0].Refusal).To(ContainSubstring(`available CPUs "0-8,10-15" doesn't match with CPUs in state "0-15"`))
}
