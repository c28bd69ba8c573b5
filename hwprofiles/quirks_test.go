package hwprofiles

import (
	"testing"

	. "github.com/onsi/gomega"
)

// quirk is a tree with something odd in it, what is detected, and where the
// kubelet sees something else.
type quirk struct {
	name, tree, want string
	differences      []string
}

func TestDetectSurvivesQuirks(t *testing.T) {
	for _, q := range append(cpuQuirks(), append(nodeQuirks(), cacheQuirks()...)...) {
		t.Run(q.name, func(t *testing.T) {
			g := NewWithT(t)
			fsys := fixture(q.tree)
			p, err := Detect(fsys)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(view(p)).To(Equal(lines(q.want)))
			mi, err := DetectMachineInfo(fsys)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(Differences(p, mi)).To(Equal(append([]string{}, q.differences...)))
		})
	}
}

func cpuQuirks() []quirk {
	return []quirk{
		{
			name: "kernel of 2009 with masks only and no lists of CPUs",
			tree: `
				cpu/cpu[0-3]/topology/physical_package_id: 0
				cpu/cpu[0,2]/topology/core_id: 0
				cpu/cpu[1,3]/topology/core_id: 1
				cpu/cpu[0,2]/topology/thread_siblings: 00000000,00000005
				cpu/cpu[1,3]/topology/thread_siblings: 00000000,0000000a
				cpu/cpu[0-3]/topology/core_siblings: 00000000,0000000f
				cpu/cpu[0-3]/cache/index3/level: 3
				cpu/cpu[0-3]/cache/index3/type: Unified
				cpu/cpu[0-3]/cache/index3/size: 8192K
				cpu/cpu[0-3]/cache/index3/shared_cpu_map: 0000000f
				node/node0/cpumap: 0000000f
				node/node0/meminfo: Node 0 MemTotal: 8388608 kB`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 0 siblings 0,2
				cpu 1 core 1 socket 0 package 0 node 0 l3 0 siblings 1,3
				cpu 2 core 0 socket 0 package 0 node 0 l3 0 siblings 0,2
				cpu 3 core 1 socket 0 package 0 node 0 l3 0 siblings 1,3
				node 0 cpus "0-3" memory 8192 MiB distances []
				l3 0 size 8192 KiB cpus 0-3`,
		},
		{
			name: "offline CPUs without topology, known to their node by links",
			tree: `
				cpu/possible: 0-7
				cpu/present: 0-3
				cpu/online: 0,2
				cpu/cpu[1,3]/online: 0
				cpu/cpu2/online: 1
				cpu/cpu[0,2]/topology/core_id: $
				cpu/cpu[0,2]/topology/physical_package_id: 0
				cpu/cpu[0,2]/topology/core_cpus_list: $
				cpu/cpu[0,2]/topology/package_cpus_list: 0,2
				cpu/cpu3/node1 -> ../../node/node1
				node/node0/cpu1 -> ../../cpu/cpu1
				node/node0/cpulist: 0
				node/node1/cpulist: 2`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 -1 siblings 0
				cpu 1 offline node 0
				cpu 2 core 2 socket 0 package 0 node 1 l3 -1 siblings 2
				cpu 3 offline node 1
				node 0 cpus "0-1" memory 0 MiB distances []
				node 1 cpus "2-3" memory 0 MiB distances []`,
			// The copy lost the links to CPUs 0 and 2, so cadvisor finds none.
			differences: []string{"CPUs 1,3 are offline: the kubelet does not count them", "CPUs 0,2 are online, but the kubelet does not see them"},
		},
		{
			name: "online files only, CPU 0 without one",
			tree: `
				cpu/cpu[0-2]/topology/core_id: $
				cpu/cpu[0-2]/topology/physical_package_id: 0
				cpu/cpu1/online: 1
				cpu/cpu2/online: 0`,
			want: `
				cpu 0 core 0 socket 0 package 0 node -1 l3 -1 siblings 0
				cpu 1 core 1 socket 0 package 0 node -1 l3 -1 siblings 1
				cpu 2 offline node -1`,
			// cadvisor looks at the list of online CPUs alone.
			differences: []string{
				"CPU 2 is not online, but the kubelet counts it",
				"the kernel has no NUMA nodes; the kubelet makes a node of each socket id (1), without memory",
			},
		},
		{
			name: "no online file at all, no NUMA (Raspberry Pi)",
			tree: `
				cpu/cpu[0-3]/topology/core_id: $
				cpu/cpu[0-3]/topology/physical_package_id: 0`,
			want: `
				cpu 0 core 0 socket 0 package 0 node -1 l3 -1 siblings 0
				cpu 1 core 1 socket 0 package 0 node -1 l3 -1 siblings 1
				cpu 2 core 2 socket 0 package 0 node -1 l3 -1 siblings 2
				cpu 3 core 3 socket 0 package 0 node -1 l3 -1 siblings 3`,
			differences: []string{"the kernel has no NUMA nodes; the kubelet makes a node of each socket id (1), without memory"},
		},
		{
			name: "package id -1, sockets by core_siblings",
			tree: `
				cpu/online: 0-3
				cpu/cpu[0-3]/topology/core_id: $
				cpu/cpu[0-3]/topology/physical_package_id: -1
				cpu/cpu[0-3]/topology/thread_siblings_list: $
				cpu/cpu[0-1]/topology/core_siblings_list: 0-1
				cpu/cpu[2-3]/topology/core_siblings_list: 2-3
				cpu/cpu[0-3]/topology/book_id: 3
				node/node0/cpulist: 0-3`,
			want: `
				cpu 0 core 0 socket -1 package 0 node 0 l3 -1 siblings 0
				cpu 1 core 1 socket -1 package 0 node 0 l3 -1 siblings 1
				cpu 2 core 2 socket -1 package 1 node 0 l3 -1 siblings 2
				cpu 3 core 3 socket -1 package 1 node 0 l3 -1 siblings 3
				node 0 cpus "0-3" memory 0 MiB distances []`,
			differences: []string{"the kubelet counts 1 socket; the kernel's package masks show 2", "socket -1 of the kubelet is 2 sockets in the kernel's package masks"},
		},
		{
			name: "topology missing for one CPU",
			tree: `
				cpu/online: 0-1
				cpu/cpu0/topology/core_id: 0
				cpu/cpu0/topology/physical_package_id: 0
				cpu/cpu0/topology/core_cpus_list: 0
				cpu/cpu1/online: 1
				node/node0/cpulist: 0-1`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 -1 siblings 0
				cpu 1 core -1 socket -1 package -1 node 0 l3 -1 siblings 1 no topology
				node 0 cpus "0-1" memory 0 MiB distances []`,
			differences: []string{"CPU 1 is online, but the kubelet does not see it: the kernel gives no core_id or physical_package_id"},
		},
		{
			name: "topology missing for one CPU that others name",
			tree: `
				cpu/online: 0-3
				cpu/cpu[0-3]/hotplug/state: 0
				cpu/cpu[0,1,3]/topology/core_id: $
				cpu/cpu[0,1,3]/topology/physical_package_id: 0
				cpu/cpu[0-1]/topology/core_cpus_list: 0-1
				cpu/cpu3/topology/core_cpus_list: 2-3
				cpu/cpu[0,1,3]/topology/package_cpus: f
				node/node0/cpulist: 0-3`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 -1 siblings 0-1
				cpu 1 core 1 socket 0 package 0 node 0 l3 -1 siblings 0-1
				cpu 2 core -1 socket -1 package 0 node 0 l3 -1 siblings 2-3 no topology
				cpu 3 core 3 socket 0 package 0 node 0 l3 -1 siblings 2-3
				node 0 cpus "0-3" memory 0 MiB distances []`,
			differences: []string{
				"CPU 2 is online, but the kubelet does not see it: the kernel gives no core_id or physical_package_id",
				"the kubelet takes the threads of 2 CPUs' cores for cores of their own, such as CPUs 0-1",
			},
		},
		{
			name: "directories of CPUs that are not present, ids with holes",
			tree: `
				cpu/possible: 0-15
				cpu/present: 1,5
				cpu/online: 1,5
				cpu/cpu[0,9]/hotplug/state: 0
				cpu/cpu[1,5]/topology/core_id: 0
				cpu/cpu[1,5]/topology/physical_package_id: 0
				cpu/cpu[1,5]/topology/core_cpus_list: 1,5
				node/node0/cpulist: 0-15`,
			want: `
				cpu 1 core 0 socket 0 package 0 node 0 l3 -1 siblings 1,5
				cpu 5 core 0 socket 0 package 0 node 0 l3 -1 siblings 1,5
				node 0 cpus "1,5" memory 0 MiB distances []`,
		},
		{
			name: "core ids that repeat, cores by masks (SG2042)",
			tree: `
				cpu/online: 0-3
				cpu/cpu[0,2]/topology/core_id: 0
				cpu/cpu[1,3]/topology/core_id: 1
				cpu/cpu[0-3]/topology/physical_package_id: 0
				cpu/cpu[0-3]/topology/thread_siblings_list: $
				node/node0/cpulist: 0-3`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 -1 siblings 0
				cpu 1 core 1 socket 0 package 0 node 0 l3 -1 siblings 1
				cpu 2 core 0 socket 0 package 0 node 0 l3 -1 siblings 2
				cpu 3 core 1 socket 0 package 0 node 0 l3 -1 siblings 3
				node 0 cpus "0-3" memory 0 MiB distances []`,
			differences: []string{
				"the kubelet takes CPUs 0,2 for one core (core id 0 of socket 0); the kernel has 2 cores there",
				"the kubelet takes CPUs 1,3 for one core (core id 1 of socket 0); the kernel has 2 cores there",
			},
		},
		{
			name: "sysfs as the root, white space, empty and unknown files",
			tree: `
				devices/system/cpu/online:   0-1
				devices/system/cpu/present:
				devices/system/cpu/cpufreq/policy0/x: y
				devices/system/cpu/cpu[0-1]/topology/core_id: 0
				devices/system/cpu/cpu[0-1]/topology/physical_package_id: 0
				devices/system/cpu/cpu[0-1]/topology/core_cpus_list:
				devices/system/cpu/cpu[0-1]/topology/core_cpus: 3
				devices/system/node/node0/cpulist: 0-1
				devices/system/node/node0/meminfo:`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 -1 siblings 0-1
				cpu 1 core 0 socket 0 package 0 node 0 l3 -1 siblings 0-1
				node 0 cpus "0-1" memory 0 MiB distances []`,
		},
		{
			name: "the online list and a CPU's own file disagree",
			tree: `
				cpu/online: 0-1
				cpu/cpu1/online: 0
				cpu/cpu[0-1]/topology/core_id: $
				cpu/cpu[0-1]/topology/physical_package_id: 0
				node/node0/cpulist: 0-1`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 -1 siblings 0
				cpu 1 offline node 0
				node 0 cpus "0-1" memory 0 MiB distances []
				note: CPU 1 is in the list of online CPUs, and its own file says it is offline`,
			differences: []string{"CPU 1 is not online, but the kubelet counts it"},
		},
	}
}

func nodeQuirks() []quirk {
	cpus := `
		cpu/online: 0-3
		cpu/cpu[0-3]/topology/core_id: $
		cpu/cpu[0-3]/topology/physical_package_id: 0
		cpu/cpu[0-3]/topology/core_cpus_list: $
	`
	cpu := func(id, node string) string {
		return "cpu " + id + " core " + id + " socket 0 package 0 node " + node + " l3 -1 siblings " + id + "\n"
	}
	return []quirk{
		{
			name: "sparse nodes, without CPUs, without memory, huge pages",
			tree: cpus + `
				node/possible: 0-255
				node/online: 0,8,252
				node/node0/cpulist: 0-1
				node/node0/distance: 10 40 80
				node/node0/meminfo: Node 0 MemTotal:       268435456 kB\nNode 0 MemFree: 1 kB
				node/node0/hugepages/hugepages-2048kB/nr_hugepages: 17
				node/node8/cpumap: 0000000c
				node/node8/distance: 40 10 80
				node/node8/meminfo: Node 8 MemTotal:       0 kB
				node/node252/cpulist:
				node/node252/cpumap: 00000000
				node/node252/distance: 80 80 10
				node/node252/meminfo: Node 252 MemTotal:       15728640 kB`,
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "8") + cpu("3", "8") + `
				node 0 cpus "0-1" memory 262144 MiB distances [10 40 80]
				node 8 cpus "2-3" memory 0 MiB distances [40 10 80]
				node 252 cpus "" memory 15360 MiB distances [80 80 10]`,
		},
		{
			name: "a node list that names CPUs which do not exist",
			tree: cpus + "node/node0/cpulist: 0-140",
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "0") + cpu("3", "0") + `node 0 cpus "0-3" memory 0 MiB distances []`,
		},
		{
			name: "nodes known by links of the CPUs only, stride 2",
			tree: cpus + `
				cpu/cpu[0,2]/node0 -> ../../node/node0
				cpu/cpu[1,3]/node1/meminfo: copied directory
				node/node[0-1]/meminfo: Node $ MemTotal: 1048576 kB`,
			want: cpu("0", "0") + cpu("1", "1") + cpu("2", "0") + cpu("3", "1") + `
				node 0 cpus "0,2" memory 1024 MiB distances []
				node 1 cpus "1,3" memory 1024 MiB distances []`,
		},
		{
			name: "a copy without some nodes keeps the distances of the others",
			tree: cpus + `
				node/online: 0-3
				node/node0/cpulist: 0-1
				node/node0/distance: 10 11 12 13
				node/node2/cpulist: 2-3
				node/node2/distance: 12 14 10 15`,
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "2") + cpu("3", "2") + `
				node 0 cpus "0-1" memory 0 MiB distances [10 12]
				node 2 cpus "2-3" memory 0 MiB distances [12 10]`,
			differences: []string{
				"NUMA node 0 has distances [10 12]; the kubelet reads [10 11 12 13]",
				"NUMA node 2 has distances [12 10]; the kubelet reads [12 14 10 15]",
			},
		},
		{
			name: "distances that fit no nodes",
			tree: cpus + `
				node/node0/cpulist: 0-3
				node/node0/distance: 10 20 30`,
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "0") + cpu("3", "0") + `
				node 0 cpus "0-3" memory 0 MiB distances []
				note: node 0 gives 3 distances where there are 1 nodes; they are left out`,
			differences: []string{"NUMA node 0 has distances []; the kubelet reads [10 20 30]"},
		},
		{
			name: "a CPU in two nodes, and one in none",
			tree: cpus + `
				node/node[0-1]/cpu1/x: y
				node/node0/cpu0/x: y
				node/node1/cpu2/x: y
				node/node0/cpulist: 0-1
				node/node1/cpulist: 1-2`,
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "1") + cpu("3", "-1") + `
				node 0 cpus "0-1" memory 0 MiB distances []
				node 1 cpus "2" memory 0 MiB distances []
				note: CPU 1 is listed in node 0 and in node 1; node 0 is taken
				note: CPU 3 is online and in no NUMA node`,
			differences: []string{
				"CPU 3 is online, but the kubelet does not see it: it is in no NUMA node",
				"CPU 1 is counted more than once by the kubelet",
				"CPU 1: in NUMA node 0 for the kernel, in node 1 for the kubelet",
			},
		},
		{
			name: "no CPU directories, only lists",
			tree: `
				cpu/present: 0-3
				cpu/online: 0-2
				node/node0/cpulist: 0-2`,
			want: `
				cpu 0 core -1 socket -1 package -1 node 0 l3 -1 siblings 0 no topology
				cpu 1 core -1 socket -1 package -1 node 0 l3 -1 siblings 1 no topology
				cpu 2 core -1 socket -1 package -1 node 0 l3 -1 siblings 2 no topology
				cpu 3 offline node -1
				node 0 cpus "0-2" memory 0 MiB distances []`,
			differences: []string{
				"CPU 3 is offline: the kubelet does not count it",
				"CPUs 0-2 are online, but the kubelet does not see them: the kernel gives no core_id or physical_package_id",
			},
		},
	}
}

func cacheQuirks() []quirk {
	cpus := `
		cpu/online: 0-3
		cpu/cpu[0-3]/topology/core_id: $
		cpu/cpu[0-3]/topology/physical_package_id: 0
		cpu/cpu[0-3]/topology/core_cpus_list: $
		cpu/cpu[0-3]/cache/index0/level: 1
		cpu/cpu[0-3]/cache/index0/type: Data
		cpu/cpu[0-3]/cache/index0/id: $
		cpu/cpu[0-3]/cache/index0/size: 32K
		cpu/cpu[0-3]/cache/index0/shared_cpu_map: 1
		node/node0/cpulist: 0-3
	`
	cpu := func(id, l3 string) string {
		return "cpu " + id + " core " + id + " socket 0 package 0 node 0 l3 " + l3 + " siblings " + id + "\n"
	}
	node := "node 0 cpus \"0-3\" memory 0 MiB distances []\n"
	l3 := func(cpus, id, size, mask string) string {
		at := "cpu/cpu[" + cpus + "]/cache/index3/"
		return at + "level: 3\n" + at + "type: Unified\n" + at + "id: " + id + "\n" + at + "size: " + size + "\n" + at + "shared_cpu_map: " + mask + "\n"
	}
	return []quirk{
		{
			name: "no cache above level 1",
			tree: cpus,
			want: cpu("0", "-1") + cpu("1", "-1") + cpu("2", "-1") + cpu("3", "-1") + node,
		},
		{
			name: "two L3 of different size",
			tree: cpus + l3("0-1", "4", "8192K", "3") + l3("2-3", "9", "16384K", "c"),
			want: cpu("0", "4") + cpu("1", "4") + cpu("2", "9") + cpu("3", "9") + node + `
				l3 4 size 8192 KiB cpus 0-1
				l3 9 size 16384 KiB cpus 2-3`,
		},
		{
			name: "low-power cores without L3",
			tree: cpus + l3("0-1", "0", "8192K", "3"),
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "-1") + cpu("3", "-1") + node + "l3 0 size 8192 KiB cpus 0-1",
			differences: []string{
				"to the kubelet CPUs 0-3 share uncore cache 0; the kernel gives CPUs 2-3 no L3 cache",
			},
		},
		{
			name: "caches with the same id",
			tree: cpus + l3("0-1", "0", "8192K", "3") + l3("2-3", "0", "8192K", "c"),
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "1") + cpu("3", "1") + node + `
				l3 0 size 8192 KiB cpus 0-1
				l3 1 size 8192 KiB cpus 2-3
				note: the kernel gives several L3 caches the same id; they are counted from 0 here`,
			differences: []string{"to the kubelet CPUs 0-3 share uncore cache 0; the kernel has 2 L3 caches there: 0-1"},
		},
		{
			name: "an L3 that spans more CPUs than there are, listed by one CPU only",
			tree: cpus + `
				cpu/cpu0/cache/index3/level: 3
				cpu/cpu0/cache/index3/shared_cpu_list: 0-2,64-127`,
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "0") + cpu("3", "-1") + node + "l3 0 size 0 KiB cpus 0-2",
			differences: []string{
				"to the kubelet CPUs 0-3 have no uncore cache of their own and go by socket 0; the kernel gives CPU 3 no L3 cache",
			},
		},
		{
			name: "an L4 above the L3",
			tree: cpus + l3("0-3", "0", "8M", "f") + `
				cpu/cpu[0-3]/cache/index4/level: 4
				cpu/cpu[0-3]/cache/index4/type: Unified
				cpu/cpu[0-3]/cache/index4/size: 131072K
				cpu/cpu[0-3]/cache/index4/shared_cpu_list: 0-3`,
			want: cpu("0", "0") + cpu("1", "0") + cpu("2", "0") + cpu("3", "0") + node + "l3 0 size 8192 KiB cpus 0-3",
		},
		{
			name: "L3 as NUMA: the cache of a whole node is no uncore cache to the kubelet",
			tree: cpus + l3("0-1", "0", "8192K", "3") + l3("2-3", "1", "8192K", "c") + `
				node/node0/cpulist: 0-1
				node/node1/cpulist: 2-3`,
			want: `
				cpu 0 core 0 socket 0 package 0 node 0 l3 0 siblings 0
				cpu 1 core 1 socket 0 package 0 node 0 l3 0 siblings 1
				cpu 2 core 2 socket 0 package 0 node 1 l3 1 siblings 2
				cpu 3 core 3 socket 0 package 0 node 1 l3 1 siblings 3
				node 0 cpus "0-1" memory 0 MiB distances []
				node 1 cpus "2-3" memory 0 MiB distances []
				l3 0 size 8192 KiB cpus 0-1
				l3 1 size 8192 KiB cpus 2-3`,
			differences: []string{
				"to the kubelet CPUs 0-3 have no uncore cache of their own and go by socket 0; the kernel has 2 L3 caches there: 0-1",
			},
		},
	}
}
