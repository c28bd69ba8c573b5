package hwprofiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares a text with a file in testdata, or rewrites the file.
func golden(g *WithT, name string, got []byte) {
	file := filepath.Join("testdata", name)
	if *update {
		g.Expect(os.WriteFile(file, got, 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(want)), "run go test -update if the change is meant")
}

func reportOf(g *WithT, name string) Report {
	p, err := Load(name)
	g.Expect(err).NotTo(HaveOccurred())
	mi, err := p.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	return NewReport(p, mi)
}

func TestWriteTable(t *testing.T) {
	for _, name := range []string{
		"xeon-2s24c-smt2", "epyc-genoa-2s96c-l3numa", "epyc-9754-2s-cxl", "power9-2s20c-offline", "core-ultra-225u", "s390x-lpar", "milkv-pioneer-sg2042", "power10-lpar-1920",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var b bytes.Buffer
			g.Expect(WriteTable(&b, reportOf(g, name))).To(Succeed())
			golden(g, name+".txt", b.Bytes())
		})
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestWriteTableSaysWhenItCannotWrite(t *testing.T) {
	g := NewWithT(t)
	g.Expect(WriteTable(fullDisk{}, reportOf(g, "generic-1s4c"))).To(MatchError("no space"))
}

func TestReportJSON(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	p.NUMANodes[0].HugePages = map[uint64]uint64{2 << 20: 512, 1 << 30: 0}
	p, err = p.WithOnline(cpuset.New(7), false)
	g.Expect(err).NotTo(HaveOccurred())
	mi, err := p.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	text, err := json.MarshalIndent(NewReport(p, mi), "", "  ")
	g.Expect(err).NotTo(HaveOccurred())
	golden(g, "report.json", append(text, '\n'))
}

// The same profile gives the same bytes, however often it is asked.
func TestOutputIsDeterministic(t *testing.T) {
	for _, name := range []string{"nvidia-gb200", "s390x-lpar", "loongson-3c6000-kvm", "kvm-2s2c-smt2-1node", "raspberry-pi-4"} {
		g := NewWithT(t)
		var first []byte
		for range 20 {
			text, err := json.Marshal(reportOf(g, name))
			g.Expect(err).NotTo(HaveOccurred())
			if first == nil {
				first = text
			}
			g.Expect(bytes.Equal(text, first)).To(BeTrue())
		}
	}
}

func TestMachineInfoIsWhatTheKubeletSees(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("epyc-7742-2s-nps4")
	g.Expect(err).NotTo(HaveOccurred())
	mi, err := p.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mi.NumCores).To(Equal(256))
	g.Expect(mi.NumSockets).To(Equal(2))
	// cadvisor counts core ids, which are the same in both sockets.
	g.Expect(mi.NumPhysicalCores).To(Equal(64))
	g.Expect(mi.MemoryCapacity).To(BeEquivalentTo(256 << 30))
	g.Expect(mi.Topology).To(HaveLen(8))
	first := mi.Topology[0]
	g.Expect(first.Memory).To(BeEquivalentTo(32 << 30))
	g.Expect(first.Distances).To(Equal([]uint64{10, 12, 12, 12, 32, 32, 32, 32}))
	g.Expect(first.Cores).To(HaveLen(16))
	threads := cpuset.New()
	for _, core := range first.Cores {
		threads = threads.Union(cpuset.New(core.Threads...))
		g.Expect(core.UncoreCaches).To(HaveLen(1))
		g.Expect(core.UncoreCaches[0].Id).To(Equal(core.Threads[0] % 128 / 4))
	}
	g.Expect(threads.String()).To(Equal("0-15,128-143"))
}

func TestMachineInfoKeepsCadvisorsOrder(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("epyc-genoa-2s96c-l3numa")
	g.Expect(err).NotTo(HaveOccurred())
	mi, err := p.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	var ids []int
	for _, n := range mi.Topology {
		ids = append(ids, n.Id)
	}
	g.Expect(ids[:5]).To(Equal([]int{0, 1, 10, 11, 12}), "nodes come as a glob lists them")
	g.Expect(mi.Topology[0].Caches).To(HaveLen(1), "the L3 of a whole node is a cache of the node")
}
