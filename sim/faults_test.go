package sim

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

func TestFDLimitLeavesThatMany(t *testing.T) {
	for _, free := range []int{0, 1, 7} {
		g := NewWithT(t)
		// A hole among the open descriptors counts as a free one.
		hole, err := os.Open(os.DevNull)
		g.Expect(err).NotTo(HaveOccurred())
		above, err := os.Open(os.DevNull)
		g.Expect(err).NotTo(HaveOccurred())
		defer above.Close()
		g.Expect(hole.Close()).To(Succeed())

		n := &Node{faults: faults{openFiles: &free}}
		opened := 0
		g.Expect(n.limited(func() error {
			for {
				f, err := os.Open(os.DevNull)
				if err != nil {
					return nil
				}
				defer f.Close()
				opened++
			}
		})).To(Succeed())
		g.Expect(opened).To(Equal(free))
	}
}

func TestLimitIsLifted(t *testing.T) {
	g := NewWithT(t)
	var before, after unix.Rlimit
	g.Expect(unix.Getrlimit(unix.RLIMIT_NOFILE, &before)).To(Succeed())
	none := 0
	n := &Node{faults: faults{openFiles: &none}}
	g.Expect(n.limited(func() error { return nil })).To(Succeed())
	g.Expect(unix.Getrlimit(unix.RLIMIT_NOFILE, &after)).To(Succeed())
	g.Expect(after).To(Equal(before))
}

func TestUpdateFaults(t *testing.T) {
	g := NewWithT(t)
	f := faults{updates: []*updateFault{{FailRuntimeUpdate: scenarios.FailRuntimeUpdate{Container: "a/app", Error: "unable to freeze"}, left: times(2)}}}
	g.Expect(f.failUpdate("b/app")).To(Succeed())
	for range 2 {
		g.Expect(f.failUpdate("a/app")).To(MatchError("rpc error: code = Unknown desc = unable to freeze"))
	}
	g.Expect(f.failUpdate("a/app")).To(Succeed())
	f.updates[0].left = times(0)
	for range 5 {
		g.Expect(f.failUpdate("a/app")).NotTo(Succeed(), "0 is without end")
	}
}

// A reboot ends what is wrong with processes and the running kernel; what is
// wrong with the disk stays.
func TestFaultsAcrossReboot(t *testing.T) {
	g := NewWithT(t)
	free := 0
	n := &Node{faults: faults{openFiles: &free, unreadable: []string{"cpu_manager_state"}}}
	n.faults.updates = []*updateFault{{scenarios.FailRuntimeUpdate{}, -1}}
	for _, errno := range []string{"EMFILE", "ENOSPC", "ENFILE", "EACCES"} {
		n.faults.writes = append(n.faults.writes, &writeFault{scenarios.FailCheckpointWrite{Errno: errno}, -1})
	}
	n.reboot()
	g.Expect(n.faults.openFiles).To(BeNil())
	g.Expect(n.faults.updates).To(BeEmpty())
	g.Expect(n.faults.unreadable).NotTo(BeEmpty())
	g.Expect(n.faults.writes).To(HaveExactElements(HaveField("Errno", "ENOSPC"), HaveField("Errno", "EACCES")))
}

// What has changed before a start counts until pods have been admitted with it.
func TestUnchangedRestart(t *testing.T) {
	g := NewWithT(t)
	var r restartRecord
	start := func(heard bool) bool {
		r.starting()
		r.started(true)
		if heard {
			r.heard()
		}
		return r.unchanged
	}
	g.Expect(start(true)).To(BeFalse(), "the first")
	g.Expect(start(true)).To(BeTrue())
	r.touch()
	g.Expect(start(false)).To(BeFalse(), "changed")
	g.Expect(start(false)).To(BeFalse(), "changed before a start that heard of no pod")
	g.Expect(start(true)).To(BeFalse(), "and before the first that does")
	g.Expect(start(true)).To(BeTrue())
}

func TestEffectiveCPUs(t *testing.T) {
	g := NewWithT(t)
	r := newRuntime()
	r.online = "0-3"
	c := r.create("uid", "a", "app", "2-3", "")
	g.Expect(r.actual(c)).To(Equal(observe.CPUs("2-3")))
	r.online = "0-2"
	g.Expect(r.actual(c)).To(Equal(observe.CPUs("2")))
	r.online = "0-1"
	g.Expect(r.actual(c)).To(Equal(observe.CPUs("0-1")), "cgroup v2 falls back to the parent's")
	c.cpus = ""
	g.Expect(r.actual(c)).To(Equal(observe.CPUs("0-1")))
}

// TestCanonicalLog gives the two orders in which upstream may collect two
// containers; the result is the same, and single removals are left alone.
func TestCanonicalLog(t *testing.T) {
	g := NewWithT(t)
	removal := func(name, pool string) []observe.LogLine {
		ref := ` podUID="u" containerName="` + name + `"`
		return []observe.LogLine{
			{Text: `"removing container"` + ref},
			{Text: `"RemoveContainer start"` + ref},
			{Text: `"Deleted CPUSet assignment"` + ref},
			{Text: `"Updated default CPUSet" cpuSet="` + pool + `"`},
			{Text: `"RemoveContainer end"` + ref + ` defaultCPUSet="` + pool + `"`},
		}
	}
	head, tail := observe.LogLine{Text: `"before"`}, observe.LogLine{Text: `"after"`}
	story := func(first, second []observe.LogLine) []observe.LogLine {
		return canonicalLog(append(append(append([]observe.LogLine{head}, first...), second...), tail))
	}
	one := story(removal("a", "0-1"), removal("b", "0-3"))
	other := story(removal("b", "0,2-3"), removal("a", "0-3"))
	g.Expect(one).To(Equal(other))
	g.Expect(one[0]).To(Equal(head))
	g.Expect(one[len(one)-1]).To(Equal(tail))
	g.Expect(one).To(ContainElement(observe.LogLine{Text: `"Updated default CPUSet" cpuSet="0-3"`}), "the last pool is kept")
	g.Expect(canonicalLog(removal("a", "0-1"))).To(Equal(removal("a", "0-1")))
}
