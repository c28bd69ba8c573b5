package hwprofiles

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
	"pgregory.net/rapid"
)

func TestWithOnlineFollowsTheKernel(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("xeon-2s24c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	q, err := p.WithOnline(cpuset.New(1, 30), false)
	g.Expect(err).NotTo(HaveOccurred())
	off, _ := q.CPU(1)
	g.Expect(off.Online).To(BeFalse())
	g.Expect(off.Core).To(Equal(None))
	g.Expect(off.Socket).To(Equal(None))
	g.Expect(off.NUMANode).To(Equal(0))
	g.Expect(off.Siblings.String()).To(Equal("1"))
	sibling, _ := q.CPU(49)
	g.Expect(sibling.Siblings.String()).To(Equal("49"))
	g.Expect(q.UncoreCaches[0].CPUs.String()).To(Equal("0,2-23,48-71"))
	mi, err := q.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mi.NumCores).To(Equal(94))
	g.Expect(Differences(q, mi)).To(Equal([]string{"CPUs 1,30 are offline: the kubelet does not count them"}))
	before, _ := p.CPU(1)
	g.Expect(before.Online).To(BeTrue(), "the original stays as it was")
	g.Expect(before.Siblings.String()).To(Equal("1,49"))
	back, err := q.WithOnline(cpuset.New(1, 30), true)
	g.Expect(err).NotTo(HaveOccurred())
	expectSame(g, back, p)
}

func TestWithOnlineRefuses(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("generic-1s4c")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = p.WithOnline(cpuset.New(7), false)
	g.Expect(err).To(MatchError("there is no CPU 7; the CPUs are 0-3"))
	_, err = p.WithOnline(p.AllCPUs(), false)
	g.Expect(err).To(MatchError(ContainSubstring("no CPU would be online")))
	q, err := p.WithOnline(cpuset.New(2), false)
	g.Expect(err).NotTo(HaveOccurred())
	detected, err := Detect(mapFS(q))
	g.Expect(err).NotTo(HaveOccurred())
	_, err = detected.WithOnline(cpuset.New(2), true)
	g.Expect(err).To(MatchError(ContainSubstring("CPU 2 cannot come online: it was offline when this profile was read")))
}

// Whatever goes offline and comes back in any order, the machine is the same.
func TestOfflineAndBackIsTheSameMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		p, err := ParseShape(drawShape(t))
		g.Expect(err).NotTo(HaveOccurred())
		if rapid.Bool().Draw(t, "no package ids") {
			for i := range p.CPUs {
				p.CPUs[i].Socket = None
			}
		}
		ids := p.AllCPUs().List()
		gone := rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 0, len(ids)-1, rapid.ID).Draw(t, "gone")
		q := p
		for _, id := range gone {
			q, err = q.WithOnline(cpuset.New(id), false)
			g.Expect(err).NotTo(HaveOccurred())
		}
		detected, err := Detect(newMemFS(q))
		g.Expect(err).NotTo(HaveOccurred())
		expectSame(g, detected, q)
		for _, id := range rapid.Permutation(gone).Draw(t, "back") {
			q, err = q.WithOnline(cpuset.New(id), true)
			g.Expect(err).NotTo(HaveOccurred())
		}
		expectSame(g, q, p)
	})
}

func TestWithCPUAdded(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	q, err := p.WithCPUAdded(16, 5)
	g.Expect(err).NotTo(HaveOccurred())
	c, ok := q.CPU(16)
	g.Expect(ok).To(BeTrue())
	g.Expect(c.Siblings.String()).To(Equal("16"))
	g.Expect(c.NUMANode).To(Equal(1))
	g.Expect(c.Socket).To(Equal(1))
	g.Expect(c.Core).To(Equal(4))
	g.Expect(q.UncoreCaches[1].CPUs.String()).To(Equal("4-7,12-16"))
	g.Expect(q.Possible.String()).To(Equal("0-16"))
	g.Expect(p.CPUs).To(HaveLen(16))
	for _, wrong := range [][2]int{{3, 0}, {-1, 0}, {99, 50}, {1 << 20, 0}} {
		_, err := p.WithCPUAdded(wrong[0], wrong[1])
		g.Expect(err).To(HaveOccurred())
	}
}
