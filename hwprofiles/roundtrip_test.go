package hwprofiles

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
	"pgregory.net/rapid"
)

// mapFS holds a profile's files in memory.
func mapFS(p *Profile) fstest.MapFS {
	w := sysfsFiles(p)
	m := fstest.MapFS{}
	for name, text := range w.files {
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o444}
	}
	for name, target := range w.links {
		m[name] = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
	}
	return m
}

// drawShape draws a regular machine.
func drawShape(t *rapid.T) string {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	sockets := rapid.IntRange(1, 4).Draw(t, "sockets")
	per := rapid.IntRange(0, 3).Draw(t, "nodes per socket")
	cores := rapid.IntRange(max(1, per), 7).Draw(t, "cores")
	words := []string{
		fmt.Sprintf("sockets=%d nodes=%d cores=%d", sockets, sockets*per, cores),
		fmt.Sprintf("threads=%d", rapid.IntRange(1, 4).Draw(t, "threads")),
		"numbering=" + pick("numbering", "block", "round-robin", "adjacent", "socket/thread/node/core", "core/node/thread/socket"),
		"l3=" + pick("l3", "socket", "node", "machine", "none", "1", "2", "3"),
		"l3-size=" + pick("l3 size", "0", "32MiB", "36608KiB"),
		"memory=" + pick("memory", "4KiB", "388492316kB", "192GiB"),
		"distance=" + pick("distance", "10,20", "10,12,32"),
		"arch=" + pick("arch", "x86_64", "aarch64", "s390x", "unknown"),
	}
	if rapid.Bool().Draw(t, "core ids") {
		words = append(words, fmt.Sprintf("core-ids=%d-%d", 3, cores+2))
	}
	if rapid.Bool().Draw(t, "socket ids") {
		words = append(words, fmt.Sprintf("socket-ids=%d-%d", 36, 35+sockets))
	}
	if rapid.Bool().Draw(t, "dies") {
		words = append(words, "dies=1")
	}
	if rapid.Bool().Draw(t, "cluster") {
		words = append(words, "cluster=2")
	}
	return strings.Join(words, " ")
}

// drawProfile draws a machine with quirks.
func drawProfile(t *rapid.T) *Profile {
	shape := drawShape(t)
	p, err := ParseShape(shape)
	if err != nil {
		t.Fatalf("shape %q: %v", shape, err)
	}
	some := func(name string) []int {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(p.AllCPUs().List()), 0, min(3, len(p.CPUs)-1), rapid.ID).Draw(t, name)
	}
	if rapid.Bool().Draw(t, "gaps") {
		p = renumbered(p, rapid.IntRange(1, 5).Draw(t, "stride"))
	}
	if rapid.Bool().Draw(t, "plugged") {
		like := rapid.SampledFrom(p.AllCPUs().List()).Draw(t, "like")
		p, err = p.WithCPUAdded(rapid.IntRange(1000, 1010).Draw(t, "new"), like)
		if err != nil {
			t.Fatal(err)
		}
	}
	if rapid.Bool().Draw(t, "more possible") {
		p.Possible = p.Possible.Union(cpuset.New(1100, 1101))
	}
	if len(p.NUMANodes) > 0 {
		if rapid.Bool().Draw(t, "node without CPUs") {
			p.insertNode(len(p.NUMANodes), 255, newShape())
			p.NUMANodes[len(p.NUMANodes)-1].HugePages = map[uint64]uint64{2 << 20: 17, 1 << 30: 0}
		}
		for _, id := range some("moved") {
			i, _ := p.index(id)
			p.CPUs[i].NUMANode = rapid.SampledFrom(append(p.NodeIDs(), None)).Draw(t, "node")
		}
		if rapid.Bool().Draw(t, "absent") {
			p.NUMANodes[0].AbsentCPUs = cpuset.New(1200, 1201)
		}
		if rapid.Bool().Draw(t, "distance") {
			p.NUMANodes[0].Distances[0] = 11
		}
	}
	for _, id := range some("hybrid") {
		i, _ := p.index(id)
		p.CPUs[i].Kind = rapid.SampledFrom([]string{"P", "E", "LP-E"}).Draw(t, "kind")
	}
	for _, id := range some("booked") {
		i, _ := p.index(id)
		p.CPUs[i].Book, p.CPUs[i].Drawer = 1, 4
		p.CPUs[i].Core = 77
	}
	if rapid.Bool().Draw(t, "no package ids") {
		for i := range p.CPUs {
			p.CPUs[i].Socket = None
		}
	}
	if rapid.Bool().Draw(t, "no topology") {
		i := len(p.CPUs) - 1
		siblings, mates := p.CPUs[i].Siblings, p.CPUs[i].Package
		p.dropTopology(i)
		if rapid.Bool().Draw(t, "masks only") {
			for _, id := range siblings.List() {
				j, _ := p.index(id)
				p.CPUs[j].Siblings = siblings
			}
			p.CPUs[i].Package = mates
		}
	}
	p.renumberPackages()
	if rapid.Bool().Draw(t, "no cache ids") {
		p.NoCacheIDs = len(p.UncoreCaches) > 0
		p.recountCaches()
	}
	if p, err = p.WithOnline(cpuset.New(some("offline")...), false); err != nil {
		t.Skip("no CPU left online")
	}
	p.NoCacheIDs = p.NoCacheIDs && len(p.UncoreCaches) > 0
	return p
}

// renumbered gives the CPUs numbers with gaps.
func renumbered(p *Profile, stride int) *Profile {
	ids := make([]int, len(p.CPUs))
	for i := range ids {
		ids[i] = 2 + i*stride
	}
	q := p.Clone()
	if err := (&reader{}).renumber(&spec{cpus: cpuSpec{ids: &listSpec{ids: ids}}}, q); err != nil {
		panic(err)
	}
	q.Possible = q.AllCPUs()
	return q
}

func TestDetectReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		p := drawProfile(t)
		q, err := Detect(mapFS(p))
		g.Expect(err).NotTo(HaveOccurred())
		expectSame(g, q, p)
	})
}

func TestParseReadsWhatIsMarshalled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		p := drawProfile(t)
		data, err := p.MarshalProfile()
		g.Expect(err).NotTo(HaveOccurred())
		q, err := Parse(data, "p.yaml")
		g.Expect(err).NotTo(HaveOccurred())
		expectSame(g, q, p)
	})
}

// expectSame compares part by part, so that a failure says what differs.
func expectSame(g *WithT, got, want *Profile) {
	for i := range min(len(got.CPUs), len(want.CPUs)) {
		a, b := got.CPUs[i], want.CPUs[i]
		a.home, b.home = nil, nil
		g.Expect(a).To(Equal(b))
	}
	g.Expect(got.NUMANodes).To(HaveLen(len(want.NUMANodes)))
	for i := range got.NUMANodes {
		g.Expect(equalNodes(got.NUMANodes[i], want.NUMANodes[i])).To(BeTrue(), "%+v, want %+v", got.NUMANodes[i], want.NUMANodes[i])
	}
	g.Expect(got.UncoreCaches).To(HaveLen(len(want.UncoreCaches)))
	for i := range got.UncoreCaches {
		g.Expect(equalCaches(got.UncoreCaches[i], want.UncoreCaches[i])).To(BeTrue(), "%+v, want %+v", got.UncoreCaches[i], want.UncoreCaches[i])
	}
	g.Expect(got.Possible.String()).To(Equal(want.Possible.String()))
	g.Expect(got.MemoryBytes).To(Equal(want.MemoryBytes))
	g.Expect(got.Arch).To(Equal(want.Arch))
	g.Expect(got.Equal(want)).To(BeTrue())
}

// The kubelet's view of a profile is the kubelet's view of its files.
func TestMachineInfoIsThatOfTheFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		p := drawProfile(t)
		fromFacts, err := p.MachineInfo()
		g.Expect(err).NotTo(HaveOccurred())
		fromFiles, err := DetectMachineInfo(mapFS(p))
		g.Expect(err).NotTo(HaveOccurred())
		fromFiles.HugePages = fromFacts.HugePages // the files are the nodes' only
		g.Expect(fromFiles).To(Equal(fromFacts))
	})
}
