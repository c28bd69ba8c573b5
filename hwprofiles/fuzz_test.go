package hwprofiles

import (
	"strings"
	"testing"
	"testing/fstest"
)

func FuzzParse(f *testing.F) {
	for _, name := range []string{"xeon-6230-2s-snc2", "xeon-e7-4s15c-holes", "core-ultra-225u", "nvidia-gb10", "s390x-lpar", "xeon-l5640-2s"} {
		source, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	f.Add([]byte("name: a\nshape: {cores: 2, threads: 2}\nnodes: [{id: 1, hugePages: {2MiB: 1}}]\ndistances: [10 20, unknown]\ncpus: {unplaced: 1, noTopology: 2, node: {none: 3}}\n"))
	f.Add([]byte("name: a\nshape: &x {cores: 2}\nnodes: *x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data, "f.yaml")
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f.yaml:") {
				t.Fatalf("no file in %q", err)
			}
			return
		}
		checkSound(t, p)
	})
}

func FuzzParseShape(f *testing.F) {
	for _, shape := range []string{
		"sockets=2 nodes=8 cores=64 threads=2 l3=4 distance=10,12,32 memory=32GiB",
		"cores=3,2 sockets=2 numbering=socket/thread/node/core l3=1/2 threads=4",
		"sockets=4 nodes=2 cores=1 socket-ids=9,8,7,6 node-ids=5,0 l3=machine arch=s390x",
		"cores=12 nodes=4 node-cores=5,4,2,1 dies=3 die-ids=7,8,9 cluster=4 core-ids=0-11",
		"cores=4 nodes=0 l3=none", "cores=4:1/2",
	} {
		f.Add(shape)
	}
	f.Fuzz(func(t *testing.T, shape string) {
		p, err := ParseShape(shape)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "shape ") {
				t.Fatalf("error %q does not say what is wrong", err)
			}
			return
		}
		checkSound(t, p)
	})
}

func FuzzCPUList(f *testing.F) {
	for _, list := range []string{"", "\n", "0-3,8\n", "0-31:1/4", "ffffffff,00000001", "0x3", "3-1", "0-99999", ",", "8000000000000001"} {
		f.Add(list)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if set, err := ParseCPUList(text); err == nil {
			back, err := ParseCPUList(set.String())
			if err != nil || !back.Equals(set) {
				t.Fatalf("list %q gives %s, read back %s, %v", text, set, back, err)
			}
		}
		if set, err := ParseCPUMask(text); err == nil {
			back, err := ParseCPUMask(formatMask(set, 64))
			if err != nil || !back.Equals(set) {
				t.Fatalf("mask %q gives %s, read back %s, %v", text, set, back, err)
			}
		}
	})
}

// FuzzDetect makes a tree of the input: each line a path under
// sys/devices/system or proc, a space, and the file's text.
func FuzzDetect(f *testing.F) {
	f.Add("cpu/online 0-1\ncpu/cpu0/topology/core_id 0\ncpu/cpu0/topology/physical_package_id 0\ncpu/cpu1/topology/core_cpus 3\nnode/node0/cpulist 0-1\nnode/node0/distance 10\nnode/node0/meminfo MemTotal: 4 kB")
	f.Add("cpu/cpu0/online 1\ncpu/cpu1/online 0\ncpu/cpu0/node3/x y\nnode/node3/cpumap 00000000,00000003\nnode/node3/hugepages/hugepages-2048kB/nr_hugepages 7\nnode/node5/cpulist\nnode/node5/distance 20 10")
	f.Add("cpu/cpu7/topology/core_id -1\ncpu/cpu7/topology/physical_package_id -1\ncpu/cpu7/cache/index3/level 3\ncpu/cpu7/cache/index3/shared_cpu_map 80\ncpu/cpu7/cache/index3/size 8M\ncpu/cpu7/cache/index3/id 4\ncpu/cpu7/cpu_capacity 512\ncpu/cpu8/cpu_capacity 1024\ncpu/cpu8/topology/book_id 2")
	f.Add("proc/cpuinfo processor : 0\nproc/meminfo MemTotal: 1 kB")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<14 {
			return
		}
		m := fstest.MapFS{}
		for line := range strings.Lines(text) {
			name, content, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			if !strings.HasPrefix(name, "proc/") {
				name = "sys/devices/system/" + name
			}
			m[name] = &fstest.MapFile{Data: []byte(content + "\n")}
		}
		p, err := Detect(m)
		mi, miErr := DetectMachineInfo(m)
		if err != nil {
			if miErr == nil {
				t.Fatalf("the kernel's view fails, %v, and the kubelet's does not", err)
			}
			return
		}
		checkSound(t, p)
		if miErr == nil {
			NewReport(p, mi)
		}
	})
}

// checkSound fails unless every part of the package can work with a profile.
func checkSound(t *testing.T, p *Profile) {
	t.Helper()
	last := -1
	for _, c := range p.CPUs {
		if c.ID <= last {
			t.Fatalf("CPU %d after CPU %d", c.ID, last)
		}
		last = c.ID
		if !c.Siblings.Contains(c.ID) || !c.Siblings.IsSubsetOf(p.AllCPUs()) {
			t.Fatalf("CPU %d has siblings %s", c.ID, c.Siblings)
		}
		if _, ok := p.Node(c.NUMANode); c.NUMANode != None && !ok {
			t.Fatalf("CPU %d is in node %d, which is not there", c.ID, c.NUMANode)
		}
	}
	if len(p.CPUs) > 300 {
		return // the rest takes long on large machines, and is no different
	}
	mi, err := p.MachineInfo()
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteTable(&strings.Builder{}, NewReport(p, mi)); err != nil {
		t.Fatal(err)
	}
	text, err := p.MarshalProfile()
	if err != nil {
		t.Fatalf("marshal: %v", err)
	}
	if _, err := Parse(text, "back.yaml"); err != nil {
		t.Fatalf("read back: %v\n%s", err, text)
	}
}
