package verify

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

func TestParseBoot(t *testing.T) {
	for line, want := range map[string][2]string{
		"quiet":                              {"", ""},
		"isolcpus=2-7,10 nohz_full=2-7":      {"2-7,10", "2-7"},
		"isolcpus=domain,managed_irq,2-3":    {"2-3", ""},
		"isolcpus=managed_irq,2-3":           {"", ""}, // load is still balanced
		"isolcpus=nohz,domain,1-N":           {"1-15", ""},
		"isolcpus=0-7:2/4":                   {"0-1,4-5", ""},
		"nohz_full=all":                      {"", "0-15"},
		"nohz-full=8-N isolcpus=1":           {"1", "8-15"},
		"isolcpus=1 isolcpus=2":              {"2", ""},
		"init=/x -- isolcpus=4":              {"", ""},
		"BOOT_IMAGE=/v root=UUID=x isolcpus": {"", ""},
	} {
		g := NewWithT(t)
		b, err := parseBoot(line, 15)
		g.Expect(err).NotTo(HaveOccurred(), line)
		g.Expect([2]string{b.isolated.String(), b.nohzFull.String()}).To(Equal(want), line)
	}
	for _, line := range []string{"isolcpus=2-x", "isolcpus=often,2", "isolcpus=3-1", "isolcpus=0-9:3/2", "isolcpus=0-9:1/0", "isolcpus=99999", "nohz_full=-1", "isolcpus=domain"} {
		_, err := parseBoot(line, 15)
		NewWithT(t).Expect(err).To(HaveOccurred(), line)
	}
	_, err := parseBoot("isolcpus=1-N", -1)
	NewWithT(t).Expect(err).To(HaveOccurred(), "the last CPU is not known")
}

func TestParseMemory(t *testing.T) {
	g := NewWithT(t)
	m, err := parseNUMAStat([]byte("anon N0=4096 N1=8192\nfile N0=4096 N1=0\nkernel_stack N0=5 N1=5\n"), cgroup.V2, 4096)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m).To(Equal(byNode{0: 8192, 1: 8192}))
	m, err = parseNUMAStat([]byte("total=5 N0=3 N1=2\nfile=2 N0=1 N1=1\nanon=3 N0=2 N1=1\nhierarchical_anon=9 N0=9\n"), cgroup.V1, 4096)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m).To(Equal(byNode{0: 3 * 4096, 1: 2 * 4096}))
	_, err = parseNUMAStat(nil, cgroup.V2, 4096)
	g.Expect(err).To(MatchError("neither anon nor file in it"))
	_, err = parseNUMAStat([]byte("anon N0=x\n"), cgroup.V2, 4096)
	g.Expect(err).To(HaveOccurred())

	m, err = parseNUMAMaps([]byte("7f00 default anon=3 dirty=3 N0=1 N1=2 kernelpagesize_kB=4\n7f10 default file=/N0=9 huge N1=1 kernelpagesize_kB=2048\n7f20 default\n"), 4096)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m).To(Equal(byNode{0: 4096, 1: 2*4096 + 2<<20}))

	m, err = parseHugeStat([]byte("total=4194304 N0=2097152 N1=2097152\nhierarchical_total=4194304 N0=1 N1=1\n"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m).To(Equal(byNode{0: 2 << 20, 1: 2 << 20}))
}

// TestNUMAMapsWithoutNUMAStat reads the processes where the cgroup tells
// nothing, and says so where neither does.
func TestNUMAMapsWithoutNUMAStat(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[1])
	tr.file("proc/100/numa_maps", "7f00 default anon=4 N0=3 N1=1 kernelpagesize_kB=4\n")
	tr.file("sys/fs/cgroup/memory"+tr.group["logs"]+"/memory.numa_stat", "total=2 N0=1 N1=1\nanon=2 N0=1 N1=1\n")
	r := tr.audit()
	g.Expect(r.Containers[0].Memory).To(HaveValue(And(HaveField("From", "numa_maps"), HaveField("Local", 0.75))))
	g.Expect(r.Containers[2].Memory).To(HaveValue(And(HaveField("From", "memory.numa_stat"), HaveField("Local", 1.0))), "its CPUs are everywhere")
	tr.file("proc/100/status", "Name:\tapp\n")
	tr.remove("proc/100/numa_maps")
	g.Expect(tr.audit().Containers[0].Unread).To(ContainElement("memory: neither memory.numa_stat nor numa_maps"))
}

func TestParseFlags(t *testing.T) {
	g := NewWithT(t)
	g.Expect(parseFlags([]string{"--config", "/a", "--config=/b", "--v=2", "--fail-swap-on", "--root_dir=/x", "-v", "3", "--", "--config=/c"})).To(Equal(map[string]string{
		"config": "/b", "v": "2", "fail-swap-on": "true", "root-dir": "/x",
	}))
}

func TestParseCPUState(t *testing.T) {
	g := NewWithT(t)
	s, err := parseCPUState([]byte(`{"policyName":"static","defaultCpuSet":"0-3","entries":{"u":{"a":"4,5"}},"checksum":7}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.held).To(Equal(map[key]observe.CPUs{{"u", "a"}: "4-5"}))
	s, err = parseCPUState([]byte(`{"policyName":"static","defaultCpuSet":"0-9","data":"{\"policyName\":\"static\",\"defaultCpuSet\":\"0-3\",\"podEntries\":{\"u\":{\"cpuSet\":\"4-7\"}},\"entries\":{\"u\":{\"a\":\"4-5\"}}}"}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.shared).To(Equal(observe.CPUs("0-3")), "what counts from 1.37 on")
	g.Expect(s.pods).To(Equal(map[string]observe.CPUs{"u": "4-7"}))
	for _, bad := range []string{"", "{", "{}", `{"policyName":"static","defaultCpuSet":"0-99999"}`, `{"policyName":"static","data":"{"}`, `{"policyName":"static","entries":{"u":{"a":"x"}}}`} {
		_, err := parseCPUState([]byte(bad))
		g.Expect(err).To(HaveOccurred(), bad)
	}
}

func TestParseBundle(t *testing.T) {
	g := NewWithT(t)
	_, err := parseBundle([]byte(`{"annotations":{}}`))
	g.Expect(err).To(MatchError("no annotations with its names"))
	_, err = parseBundle([]byte(`{`))
	g.Expect(err).To(HaveOccurred())
}

func FuzzBoot(f *testing.F) {
	for _, seed := range []string{"isolcpus=2-7,10 nohz_full=all", "isolcpus=domain,managed_irq,1-N", "isolcpus=0-31:2/4", "isolcpus=,", "isolcpus=0-8191:1/8192", "nohz_full=0-N"} {
		f.Add(seed, 15)
	}
	f.Fuzz(func(t *testing.T, line string, last int) {
		b, err := parseBoot(line, min(last, observe.MaxCPUID))
		if err != nil {
			return
		}
		for _, id := range b.isolated.Union(b.nohzFull).UnsortedList() {
			if id < 0 || id > observe.MaxCPUID {
				t.Fatalf("%q names CPU %d", line, id)
			}
		}
	})
}

func FuzzNUMAMaps(f *testing.F) {
	f.Add([]byte("7f00 default anon=3 N0=1 N1=2 kernelpagesize_kB=4\n"))
	f.Add([]byte("7f00 bind:0 huge N0=18446744073709551615 kernelpagesize_kB=1048576\n"))
	f.Add([]byte("N0= N=1 N99999=1 Nx=1 kernelpagesize_kB=0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseNUMAMaps(data, 4096)
		if err == nil && len(m) > len(data) {
			t.Fatal("more nodes than text")
		}
	})
}

func FuzzNUMAStat(f *testing.F) {
	f.Add([]byte("anon N0=4096 N1=8192\nfile N0=1\n"), 2)
	f.Add([]byte("total=5 N0=3\nanon=3 N0=18446744073709551615\n"), 1)
	f.Fuzz(func(_ *testing.T, data []byte, version int) {
		_, _ = parseNUMAStat(data, version, 4096)
		_, _ = parseHugeStat(data)
	})
}

func FuzzIRQList(f *testing.F) {
	for _, seed := range []string{"0-15\n", "1,9", "", "x", "0-99999999"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseIRQList(data)
		if err != nil {
			return
		}
		again, err := parseIRQList([]byte(set.String()))
		if err != nil || !again.Equals(set) {
			t.Fatalf("%q gives %s, which does not come back: %v", data, set, err)
		}
	})
}

func FuzzState(f *testing.F) {
	f.Add([]byte(`{"policyName":"static","defaultCpuSet":"0-3","entries":{"u":{"a":"4,5"}},"checksum":7}`))
	f.Add([]byte(`{"policyName":"Static","machineState":{"0":{"memoryMap":{"memory":{"free":1}},"cells":[0]}},"entries":{"u":{"a":[{"numaAffinity":[0]}]}}}`))
	f.Add([]byte(`{"policyName":"static","data":"{\"policyName\":\"static\"}"}`))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if s, err := parseCPUState(data); err == nil {
			_ = s.entriesOf("a")
		}
		_, _ = parseMemoryState(data)
		_, _ = parseBundle(data)
	})
}

func FuzzCommandLine(f *testing.F) {
	f.Add("/usr/bin/kubelet\x00--config=/a\x00--reserved-cpus\x000-1\x00")
	f.Add("kubelet\x00--feature-gates=A=true,B\x00--reserved-memory=0:memory=1Gi;x\x00")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = override(map[string]any{}, parseFlags(splitArgs([]byte(strings.Clone(text)))))
	})
}
