package hwprofiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

const twoCores = `
	cpu/online: 0-3
	cpu/cpu[0-3]/topology/core_id: $
	cpu/cpu[0-3]/topology/physical_package_id: 0
`

// Old kernels ended some lists with a NUL, and copies of the size of a page
// are filled up with them; other copies have the line ends of Windows.
func TestDetectIgnoresPadding(t *testing.T) {
	want := `
		cpu 0 core 0 socket 0 package 0 node 0 l3 0 siblings 0-1
		cpu 1 core 1 socket 0 package 0 node 0 l3 0 siblings 0-1
		cpu 2 core 2 socket 0 package 0 node 1 l3 0 siblings 2-3
		cpu 3 core 3 socket 0 package 0 node 1 l3 0 siblings 2-3
		node 0 cpus "0-1" memory 1024 MiB distances [10 20]
		node 1 cpus "2-3" memory 1024 MiB distances [20 10]
		l3 0 size 8192 KiB cpus 0-3`
	tree := twoCores + `
		cpu/cpu[0-1]/topology/thread_siblings: 00000000,00000003
		cpu/cpu[2-3]/topology/thread_siblings: 00000000,0000000c
		cpu/cpu[0-3]/cache/index3/level: 3
		cpu/cpu[0-3]/cache/index3/type: Unified
		cpu/cpu[0-3]/cache/index3/id: 0
		cpu/cpu[0-3]/cache/index3/size: 8192K
		cpu/cpu[0-3]/cache/index3/shared_cpu_map: f
		node/online: 0-1
		node/node[0-1]/meminfo: Node $ MemTotal: 1048576 kB\nNode $ MemFree: 0 kB
		node/node0/cpulist: 0-1
		node/node1/cpulist: 2-3
		node/node0/distance: 10 20
		node/node1/distance: 20 10`
	for name, damage := range map[string]func(string) string{
		"none":         func(s string) string { return s },
		"one NUL":      func(s string) string { return s + "\x00" },
		"a page":       func(s string) string { return s + strings.Repeat("\x00", 4096-len(s)) },
		"Windows":      func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"white space":  func(s string) string { return " \t" + s + "\n \n" },
		"no line ends": strings.TrimSpace,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fsys := fixture(tree)
			for _, f := range fsys {
				f.Data = []byte(damage(string(f.Data)))
			}
			p, err := Detect(fsys)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(view(p)).To(Equal(lines(want)))
			mi, err := DetectMachineInfo(fsys)
			g.Expect(err).NotTo(HaveOccurred())
			whole, err := DetectMachineInfo(fixture(tree))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(mi).To(Equal(whole))
		})
	}
}

// Where a copy's list and mask differ, the mask counts, unless it cannot be.
func TestDetectPrefersMasks(t *testing.T) {
	g := NewWithT(t)
	p, err := Detect(fixture(twoCores + `
		cpu/cpu[0-1]/topology/core_cpus_list: 0-3
		cpu/cpu[0-1]/topology/core_cpus: 3
		cpu/cpu[2-3]/topology/core_cpus_list: 2-3
		cpu/cpu[2-3]/topology/core_cpus: 1
		node/node0/cpulist: 0-1
		node/node0/cpumap: f`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(view(p)).To(Equal(lines(`
		cpu 0 core 0 socket 0 package 0 node 0 l3 -1 siblings 0-1
		cpu 1 core 1 socket 0 package 0 node 0 l3 -1 siblings 0-1
		cpu 2 core 2 socket 0 package 0 node 0 l3 -1 siblings 2-3
		cpu 3 core 3 socket 0 package 0 node 0 l3 -1 siblings 2-3
		node 0 cpus "0-3" memory 0 MiB distances []`)))
}

// Itanium kernels gave the caches of a core that has two threads empty masks.
func TestDetectGivesACacheWithoutCPUsToItsCore(t *testing.T) {
	g := NewWithT(t)
	p, err := Detect(fixture(twoCores + `
		cpu/cpu[0-1]/topology/thread_siblings: 3
		cpu/cpu[2-3]/topology/thread_siblings: c
		cpu/cpu[0-3]/cache/index4/level: 3
		cpu/cpu[0-3]/cache/index4/type: Unified
		cpu/cpu[0-3]/cache/index4/size: 9216K
		cpu/cpu[0-3]/cache/index4/shared_cpu_map: 00000000,00000000`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(view(p)).To(HaveSuffix("l3 0 size 9216 KiB cpus 0-1\nl3 1 size 9216 KiB cpus 2-3\n"))
	g.Expect(p.NoCacheIDs).To(BeTrue())
}

// A node that went offline leaves its column in the others' distances.
func TestDetectKeepsDistancesWhenANodeIsGone(t *testing.T) {
	g := NewWithT(t)
	fsys := fixture(twoCores + `
		node/possible: 0-1
		node/online: 1
		node/node1/cpulist: 0,2-3
		node/node1/distance: 21 10`)
	p, err := Detect(fsys)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(view(p)).To(HaveSuffix(`node 1 cpus "0,2-3" memory 0 MiB distances [10]
note: CPU 1 is online and in no NUMA node
`))
	mi, err := DetectMachineInfo(fsys)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(Differences(p, mi)).To(ContainElement("NUMA node 1 has distances [10]; the kubelet reads [21 10]"))
}

// Kernels for s390x list every possible CPU in a node.
func TestDetectRemembersListedCPUsThatAreAbsent(t *testing.T) {
	g := NewWithT(t)
	p, err := Detect(fixture(twoCores + `
		cpu/possible: 0-140
		node/node0/cpulist: 0-140`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.CPUsInNode(0).String()).To(Equal("0-3"))
	g.Expect(p.NUMANodes[0].AbsentCPUs.String()).To(Equal("4-140"))
	q, err := Detect(mapFS(p))
	g.Expect(err).NotTo(HaveOccurred())
	expectSame(g, q, p)
	plugged, err := p.WithCPUAdded(4, 3)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(plugged.NUMANodes[0].AbsentCPUs.String()).To(Equal("5-140"))
	_, err = Parse([]byte("name: a\nshape: cores=4\nnodes:\n- {id: 0, absent: 3-7}\n"), "a.yaml")
	g.Expect(err).To(MatchError("a.yaml:4: absent names CPU 3, which the machine has; want CPUs that do not exist"))
}

func TestDetectKnowsOldMachines(t *testing.T) {
	for info, want := range map[string]string{
		`Processor : ARMv7 Processor rev 4 (v7l)\nprocessor : 0\n\nprocessor : 1\n\nCPU architecture: 7`: "armv7l ARMv7 Processor rev 4 (v7l)",
		`processor : 0\nmodel name : ARMv6-compatible processor rev 7 (v6l)`:                             "armv6l ARMv6-compatible processor rev 7 (v6l)",
		`processor : 0\ncpu : POWER7 (architected), altivec supported\n\nmodel : IBM,9179-MHB`:           "ppc64 POWER7 (architected), altivec supported",
		`processor : 0\ncpu : POWER9, altivec supported\n\nmodel : 8335-GTW`:                             "ppc64le POWER9, altivec supported",
		`processor : 0\nvendor : GenuineIntel\narch : IA-64\nfamily : Itanium 2\nmodel : 1`:              "ia64 Itanium 2",
		`cpu : TI UltraSparc II  (BlackBird)\ntype : sun4u`:                                              "sparc64 TI UltraSparc II  (BlackBird)",
		`processor : 0\nhart : 1\nuarch : sifive,u74-mc`:                                                 "riscv64 sifive,u74-mc",
	} {
		g := NewWithT(t)
		p, err := Detect(fixture("cpu/cpu0/topology/core_id: 0\nproc/cpuinfo: " + info))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.Arch + " " + p.Description).To(Equal(want))
	}
	g := NewWithT(t)
	p, err := Detect(fixture("cpu/cpu0/topology/core_id: 0\nsys/kernel/cpu_byteorder: big\nproc/cpuinfo: processor : 0\\ncpu : POWER9"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Arch).To(Equal("ppc64"))
}

// lscpu shows no topology of a machine whose proc/cpuinfo names no model.
func TestWriteSysfsNamesAModelEverywhere(t *testing.T) {
	for _, arch := range []string{"x86_64", "aarch64", "s390x", "ppc64le", "ppc64", "loongarch64", "riscv64", "armv7l", unknownArch} {
		g := NewWithT(t)
		p, err := ParseShape("cores=2 arch=" + arch)
		g.Expect(err).NotTo(HaveOccurred())
		info := sysfsFiles(p).files["proc/cpuinfo"]
		g.Expect(info).To(MatchRegexp(`(?i)(model name|vendor_id|cpu|cpu variant)\s*: `), arch)
	}
}

// lscpu and hwloc look for index0, index1 … until one is missing.
func TestWriteSysfsNumbersCachesWithoutGaps(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("core-ultra-225u")
	g.Expect(err).NotTo(HaveOccurred())
	files := sysfsFiles(p).files
	for name, want := range map[string]string{
		"cpu1/cache/index0/type": "Data\n", "cpu1/cache/index0/level": "1\n",
		"cpu1/cache/index1/type": "Instruction\n", "cpu1/cache/index1/level": "1\n",
		"cpu1/cache/index2/type": "Unified\n", "cpu1/cache/index2/level": "2\n",
		"cpu1/cache/index0/size": "0K\n", // not known
		"cpu1/cache/index0/id":   "0\n", "cpu4/cache/index0/id": "4\n",
		"cpu1/cache/index2/shared_cpu_list": "0-1\n", "cpu4/cache/index2/shared_cpu_list": "4\n",
		"cpu1/cache/index3/shared_cpu_list": "0-11\n", "cpu1/cache/index3/size": "12288K\n",
		"cpu12/cache/index2/level": "2\n",
	} {
		g.Expect(files).To(HaveKeyWithValue("sys/devices/system/cpu/"+name, want))
	}
	g.Expect(files).NotTo(HaveKey("sys/devices/system/cpu/cpu12/cache/index3/level"))
	p, err = Load("milkv-pioneer-sg2042")
	g.Expect(err).NotTo(HaveOccurred())
	for name := range sysfsFiles(p).files {
		g.Expect(name).NotTo(ContainSubstring("cache"), "nothing is known of this machine's caches")
	}
}

func TestWriteSysfsLeavesNothingHalfWritten(t *testing.T) {
	p, err := Load("generic-1s4c")
	if err != nil {
		t.Fatal(err)
	}
	for name, made := range map[string]bool{"new/tree": false, "empty": true} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			top := t.TempDir()
			dir := filepath.Join(top, name)
			if made {
				g.Expect(os.Mkdir(dir, 0o755)).To(Succeed())
			}
			n := 0
			err := sysfsFiles(p).writeTo(dir, func(name string, data []byte, mode fs.FileMode) error {
				if n++; n > 20 {
					return &fs.PathError{Op: "write", Path: name, Err: syscall.ENOSPC}
				}
				return os.WriteFile(name, data, mode)
			})
			g.Expect(err).To(MatchError(syscall.ENOSPC))
			var pathErr *fs.PathError
			g.Expect(errors.As(err, &pathErr)).To(BeTrue())
			entries, err := os.ReadDir(top)
			g.Expect(err).NotTo(HaveOccurred())
			if made {
				g.Expect(entries).To(HaveLen(1))
				entries, err = os.ReadDir(dir)
				g.Expect(err).NotTo(HaveOccurred())
			}
			g.Expect(entries).To(BeEmpty())

			g.Expect(WriteSysfs(p, dir)).To(Succeed())
			entries, err = os.ReadDir(dir)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(entries).To(HaveLen(2))
			g.Expect(entries[0].Name() + " " + entries[1].Name()).To(Equal("proc sys"))
			q, err := Detect(os.DirFS(dir))
			g.Expect(err).NotTo(HaveOccurred())
			expectSame(g, q, p)
		})
	}
}
