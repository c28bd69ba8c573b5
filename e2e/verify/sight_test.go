package verify

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/cgroup"
)

// TestForeignPIDs reads cgroups whose process numbers are those of another PID
// namespace than the node's procfs: of a pod without hostPID that has the host
// mounted, or of a host that looks into a node which is a container. Version 1
// of cgroups leaves out whom it cannot number.
func TestForeignPIDs(t *testing.T) {
	for _, s := range layouts()[:2] {
		t.Run(s.name, func(t *testing.T) {
			g := NewWithT(t)
			tr := newTree(t, s)
			tr.file(tr.dir("web")+"/cgroup.procs", "1\n") // which is systemd there
			tr.file(tr.dir("logs")+"/cgroup.procs", "")
			tr.file(tr.dir("pause")+"/cgroup.procs", "77\n") // which is nobody there
			a := &audit{opts: tr.options(), root: files{Root: tr.root}, reader: cgroup.Reader{Root: tr.root}, report: &Report{}, sight: sight{foreign: true}}
			a.readGroups()
			byName := map[string]cgroup.Group{}
			for _, group := range a.groups {
				byName[group.Path] = group
				g.Expect(group.Unread).To(BeEmpty())
				g.Expect(group.Hidden).To(BeZero())
			}
			for name, pid := range map[string]int{"web": 100, "logs": 200, "pause": 300} {
				g.Expect(byName[tr.group[name]].Processes).To(ConsistOf(HaveField("PID", pid)), name)
			}

			// Where a process does not tell its cgroup it may be anybody's.
			tr.remove("proc/200/cgroup")
			tr.file("proc/200/cgroup/x", "")
			a.readGroups()
			for _, group := range a.groups {
				if group.Path == tr.group["logs"] {
					g.Expect(runs(group)).To(BeNil())
				}
			}
		})
	}
}

// TestNarrowSight does not call a kubelet stopped that it could not see.
func TestNarrowSight(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[1])
	tr.file(tr.dir("logs")+"/cgroup.procs", "")
	a := &audit{opts: tr.options(), root: files{Root: tr.root}, reader: cgroup.Reader{Root: tr.root}, report: &Report{}, sight: sight{narrow: true}}
	a.readGroups()
	for _, group := range a.groups {
		if group.Path == tr.group["logs"] {
			g.Expect(runs(group)).To(BeNil())
			g.Expect(group.Unread).To(ConsistOf("cgroup.procs: processes may be out of sight of this PID namespace"))
		} else {
			g.Expect(runs(group)).To(HaveValue(BeTrue()))
		}
	}
}
