package hwprofiles

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
)

func TestDetectNamesTheMalformedFile(t *testing.T) {
	const good = `
		cpu/online: 0-1
		cpu/cpu[0-1]/topology/core_id: $
		cpu/cpu[0-1]/topology/physical_package_id: 0
	`
	for name, c := range map[string]struct{ tree, want string }{
		"no tree":              {"etc/passwd: x", "no sys/devices/system/cpu here"},
		"no CPU":               {"cpu/kernel_max: 63", "sys/devices/system/cpu: there is no CPU here"},
		"garbled online list":  {"cpu/online: 0-\ncpu/cpu0/online: 1", `sys/devices/system/cpu/online: bad list item "0-"`},
		"backward online list": {"cpu/online: 3-0\ncpu/cpu0/online: 1", `sys/devices/system/cpu/online: range "3-0" runs backwards; want 0-3`},
		"huge online list":     {"cpu/online: 0-4000000000\ncpu/cpu0/online: 1", `sys/devices/system/cpu/online: bad list item`},
		"all offline":          {"cpu/cpu0/online: 0", "no CPU is online"},
		"odd online state":     {good + "cpu/cpu1/online: 7", "sys/devices/system/cpu/cpu1/online: 7 is neither 0 nor 1"},
		"core id":              {good + "cpu/cpu1/topology/core_id: zwei", `sys/devices/system/cpu/cpu1/topology/core_id: "zwei" is no number`},
		"sibling mask":         {good + "cpu/cpu1/topology/core_cpus: fffffffff,x", `sys/devices/system/cpu/cpu1/topology/core_cpus: bad mask word "x"`},
		"binary":               {good + "cpu/cpu1/topology/core_cpus_list: 0\x001", "sys/devices/system/cpu/cpu1/topology/core_cpus_list holds binary data"},
		"CPU number":           {good + "cpu/cpu99999999/online: 1", "sys/devices/system/cpu/cpu99999999: no kernel has such a number"},
		"cache size":           {good + "cpu/cpu0/cache/index3/level: 3\ncpu/cpu0/cache/index3/size: big", `sys/devices/system/cpu/cpu0/cache/index3/size: "big" is no cache size`},
		"node list":            {good + "node/node0/cpulist: 0;1", `sys/devices/system/node/node0/cpulist: bad list item "0;1"`},
		"node memory":          {good + "node/node0/meminfo: lots", "sys/devices/system/node/node0/meminfo: there is no line with MemTotal"},
		"node distance":        {good + "node/node0/distance: 10 far", `sys/devices/system/node/node0/distance: "far" is no distance`},
		"huge page size":       {good + "node/node0/hugepages/hugepages-xkB/nr_hugepages: 0", "sys/devices/system/node/node0/hugepages/hugepages-xkB: no page size"},
		"memory":               {good + "proc/meminfo: MemFree: 1 kB", "proc/meminfo: there is no line with MemTotal"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := Detect(fixture(c.tree))
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
			_, err = DetectMachineInfo(fixture(c.tree))
			g.Expect(err).To(HaveOccurred())
		})
	}
}

func TestDetectReadsOldCPUInfo(t *testing.T) {
	g := NewWithT(t)
	p, err := Detect(fixture(`
		proc/cpuinfo: processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name : Old Xeon\nphysical id : 0\ncore id : 0\n\nprocessor : 1\nphysical id : 0\ncore id : 0\n\nprocessor : 2\nphysical id : 3\ncore id : 0\n
		proc/meminfo: MemTotal: 4194304 kB`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(view(p)).To(Equal(lines(`
		cpu 0 core 0 socket 0 package 0 node -1 l3 -1 siblings 0-1 no topology
		cpu 1 core 0 socket 0 package 0 node -1 l3 -1 siblings 0-1 no topology
		cpu 2 core 0 socket 3 package 1 node -1 l3 -1 siblings 2 no topology`)))
	g.Expect(p.MemoryBytes).To(BeEquivalentTo(4 << 30))
	g.Expect(p.Arch).To(Equal("x86_64"))
	g.Expect(p.Description).To(Equal("Old Xeon"))
}

func TestDetectFindsTheArchitecture(t *testing.T) {
	const cpu = "cpu/cpu0/topology/core_id: 0\ncpu/cpu0/topology/physical_package_id: 0\n"
	for want, tree := range map[string]string{
		"riscv64": "proc/sys/kernel/arch: riscv64",
		"x86_64":  "cpu/modalias: cpu:type:x86,ven0002fam0019mod0001:feature:,0000",
		"aarch64": "cpu/modalias: cpu:type:aarch64:feature:,0000",
		"s390x":   "proc/cpuinfo: vendor_id       : IBM/S390",
		"ppc64le": "proc/cpuinfo: processor : 0\\ncpu : POWER9, altivec supported",
		"":        "proc/cpuinfo: processor : 0",
	} {
		g := NewWithT(t)
		p, err := Detect(fixture(cpu + tree))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.Arch).To(Equal(want))
	}
}

// A copied tree may hold links that lead anywhere; nothing outside is read.
func TestDetectStaysInsideTheRoot(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	top := t.TempDir()
	root := filepath.Join(top, "root")
	g.Expect(WriteSysfs(p, root)).To(Succeed())
	outside := filepath.Join(top, "secret")
	g.Expect(os.WriteFile(outside, []byte("not a number\n"), 0o644)).To(Succeed())
	for name, target := range map[string]string{
		"sys/devices/system/cpu/cpu1/topology/die_id": outside,
		"sys/devices/system/cpu/cpu2/topology/die_id": "../../../../../../../secret",
		"sys/devices/system/cpu/cpu3/topology/die_id": "nowhere",
		"sys/devices/system/cpu/cpu4/topology/die_id": "die_id",
	} {
		g.Expect(os.Symlink(target, filepath.Join(root, name))).To(Succeed())
	}
	fsys, closer, err := OpenSysroot(root)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(closer.Close()).To(Succeed()) }()
	q, err := Detect(fsys)
	g.Expect(err).NotTo(HaveOccurred())
	expectSame(g, q, p)
	mi, err := DetectMachineInfo(fsys)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(Differences(q, mi)).To(BeEmpty())
	want, err := p.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mi.Topology).To(Equal(want.Topology))
}

func TestOpenSysrootNeedsADirectory(t *testing.T) {
	g := NewWithT(t)
	_, _, err := OpenSysroot(filepath.Join(t.TempDir(), "none"))
	g.Expect(err).To(MatchError(os.ErrNotExist))
}

func TestWriteSysfsRefusesADirectoryInUse(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("generic-1s4c")
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644)).To(Succeed())
	g.Expect(WriteSysfs(p, dir)).To(MatchError(ContainSubstring("is not empty; give an empty or a new directory")))
	entries, err := os.ReadDir(dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(entries).To(HaveLen(1))
}

// This machine: the kernel's own counts are the oracle.
func TestDetectThisMachine(t *testing.T) {
	g := NewWithT(t)
	if runtime.GOOS != "linux" {
		t.Skip("needs a Linux sysfs")
	}
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		t.Skip("no sysfs here")
	}
	fsys, closer, err := OpenSysroot("/")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(closer.Close()).To(Succeed()) }()
	p, err := Detect(fsys)
	g.Expect(err).NotTo(HaveOccurred())
	want, err := ParseCPUList(string(online))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.OnlineCPUs().String()).To(Equal(want.String()))
	g.Expect(p.OnlineCPUs().Size()).To(BeNumerically(">=", runtime.NumCPU()))
	g.Expect(p.MemoryBytes).NotTo(BeZero())
	inNodes := cpuset.New()
	for _, id := range p.NodeIDs() {
		inNodes = inNodes.Union(p.CPUsInNode(id))
	}
	if len(p.NUMANodes) > 0 {
		g.Expect(want.IsSubsetOf(inNodes)).To(BeTrue())
	}
	mi, err := DetectMachineInfo(fsys)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mi.NumCores).To(Equal(want.Size()))
	data, err := p.MarshalProfile()
	g.Expect(err).NotTo(HaveOccurred())
	again, err := Parse(data, "this.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	expectSame(g, again, p)
}
