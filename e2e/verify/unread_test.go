package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

func (tr *tree) fifo(name string) {
	tr.t.Helper()
	tr.remove(name)
	if err := unix.Mkfifo(filepath.Join(tr.root, name), 0o600); err != nil {
		tr.t.Fatal(err)
	}
}

const stateFile = "var/lib/kubelet/" + observe.CPUStateFile

// TestEssentials takes away what an audit cannot do without: nothing is found,
// and that is not called a node on which nothing is wrong.
func TestEssentials(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*tree)
		what   []string
	}{
		{"cgroups", func(tr *tree) { tr.remove("sys/fs/cgroup") }, []string{"cgroups"}},
		{"a FIFO for cgroups", func(tr *tree) { tr.fifo("sys/fs/cgroup/cgroup.controllers") }, []string{"cgroups"}},
		{"CPUs", func(tr *tree) { tr.remove("sys/devices/system/cpu") }, []string{"topology"}},
		{"processes", func(tr *tree) { tr.remove("proc") }, []string{"kubelet", "kubelet configuration", "processes"}},
		{"procfs not mounted", func(tr *tree) { tr.remove("proc"); tr.file("proc/x", "") }, []string{"kubelet", "kubelet configuration", "processes"}},
		{"configuration", func(tr *tree) { tr.fifo("etc/kubelet.yaml") }, []string{"kubelet configuration"}},
		{"a FIFO for a state file", func(tr *tree) { tr.fifo(stateFile) }, []string{"/" + stateFile}},
		{"a loop for a state file", func(tr *tree) {
			tr.remove(stateFile)
			if err := os.Symlink(observe.CPUStateFile, filepath.Join(tr.root, stateFile)); err != nil {
				tr.t.Fatal(err)
			}
		}, []string{"/" + stateFile}},
		{"a huge state file", func(tr *tree) {
			if err := os.Truncate(filepath.Join(tr.root, stateFile), 3<<30); err != nil {
				tr.t.Fatal(err)
			}
		}, []string{"/" + stateFile}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			tr := newTree(t, layouts()[0])
			// An init container that has ended, whose CPU the app has.
			tr.state(pool, map[string]string{uidWeb + "/app": "1,9", uidWeb + "/setup": "1"})
			c.change(tr)
			r := tr.audit()
			g.Expect(r.Held()).To(BeTrue(), "%+v", r.Findings)
			var what []string
			for _, u := range r.Incomplete() {
				what = append(what, u.What)
			}
			g.Expect(what).To(Equal(c.what))
			for i := range r.Containers {
				g.Expect(r.Containers[i].Running).NotTo(HaveValue(BeFalse()), "nobody can say that it does not run")
			}
			for _, f := range r.Findings {
				g.Expect(f.What).NotTo(ContainSubstring("does not run"))
			}
			var b bytes.Buffer
			g.Expect(WriteTable(&b, r, TableOptions{Width: 200})).To(Succeed())
			g.Expect(b.String()).To(And(ContainSubstring("in what could be read"), ContainSubstring("The audit is incomplete: "+c.what[0])))
		})
	}
}

// TestWithoutCgroups still judges what the state file alone decides.
func TestWithoutCgroups(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	tr.state("2-8,10-15", map[string]string{uidWeb + "/app": "0-1,9"})
	tr.remove("sys/fs/cgroup")
	tr.process(60, "sshd", "/system.slice/sshd.service", "0-15")
	var checks []string
	for _, f := range tr.audit().Findings {
		checks = append(checks, f.Check)
	}
	g.Expect(checks).To(Equal([]string{invariant.ReservedNotExclusive}))
}

// TestMalformed tells what the kubelet will not read.
func TestMalformed(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	for text, what := range map[string]string{
		"cpuManagerPolicy: [":   "/etc/kubelet.yaml: malformed: yaml: line 1",
		"cpuManagerPolicy: [1]": "cannot unmarshal array",
		"kind: Pod":             "kind is Pod, want KubeletConfiguration",
	} {
		tr.file("etc/kubelet.yaml", text)
		r := tr.audit()
		g.Expect(found(r, ConfigRefused)).To(ConsistOf(And(HaveField("Severity", Critical), HaveField("What", ContainSubstring(what)))))
		g.Expect(r.Incomplete()).To(BeEmpty(), "it was read")
		g.Expect(r.Starts).To(BeEmpty())
	}
	tr.remove("etc/kubelet.yaml")
	tr.file(stateFile, "{")
	r := tr.audit()
	g.Expect(found(r, invariant.CheckpointInSync)).To(ConsistOf(HaveField("What", "the state file is malformed")))
	g.Expect(r.Incomplete()).To(ConsistOf(HaveField("What", "kubelet configuration")))

	tr.file("etc/kubelet.yaml", "cpuManagerPolicy: static\n")
	tr.state(pool, map[string]string{uidWeb + "/app": "1,9"})
	o := tr.options()
	o.Start = func(context.Context, []byte, []byte, []byte, *hwprofiles.Profile) (StartAnswer, error) {
		return StartAnswer{Refusal: "failed to validate", Invalid: true}, nil
	}
	r, err := Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found(r, ConfigRefused)).To(ConsistOf(HaveField("Where", []string{"/etc/kubelet.yaml"})))
	g.Expect(found(r, StateRefused)).To(BeEmpty(), "to delete the state file would not help")
}

// TestTheEnd ends an audit that waits for the kubelet's code, and one that is
// told to end.
func TestTheEnd(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	o := tr.options()
	release := make(chan struct{})
	defer close(release)
	asked := make(chan struct{}, 1)
	o.Start = func(context.Context, []byte, []byte, []byte, *hwprofiles.Profile) (StartAnswer, error) {
		asked <- struct{}{}
		<-release // whatever the context says
		return StartAnswer{}, nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	_, err := Run(ctx, o)
	g.Expect(err).To(MatchError(context.Canceled))

	o.Start = func(ctx context.Context, _, _, _ []byte, _ *hwprofiles.Profile) (StartAnswer, error) {
		<-ctx.Done()
		return StartAnswer{}, errors.New("no answer in time")
	}
	ctx, cancel = context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	r, err := Run(ctx, o)
	g.Expect(err).NotTo(HaveOccurred(), "the rest of the report is worth having")
	g.Expect(r.Starts[0].Unchecked).To(Equal("no answer in time"))
}

// TestVeryManyEntries bounds what is told of them.
func TestVeryManyEntries(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	entries := map[string]string{}
	for i := range 20_000 {
		entries[fmt.Sprintf("%s/c%d", uidWeb, i)] = fmt.Sprint(1 + i%15)
	}
	tr.state("0", entries)
	r := tr.audit()
	idle := found(r, IdleEntries)
	g.Expect(idle).To(HaveLen(mostFindings + 1))
	g.Expect(idle[mostFindings].What).To(Equal("and 19900 more"))
}

// TestRelativeRoot keeps what is said of the machine free of where it is
// mounted.
func TestRelativeRoot(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[1])
	tr.remove("sys/fs/cgroup/cpuset/cpuset.cpus")
	t.Chdir(filepath.Dir(tr.root))
	g.Expect(os.Rename("host", "t")).To(Succeed())
	o := tr.options()
	o.Root = "t"
	r, err := Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Unread).To(ConsistOf(HaveField("Why", And(HavePrefix("/sys/fs/cgroup: "), ContainSubstring("no cgroup hierarchy with the cpuset controller")))))

	tr.root = "t"
	tr.file("sys/fs/cgroup/cpuset/cpuset.cpus", "0-15\n")
	r, err = Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Unread).To(BeEmpty())
	g.Expect(r.Containers).To(HaveLen(3))
	g.Expect(strings.HasPrefix(r.Containers[0].Cgroup, "/kubepods/")).To(BeTrue())
}
