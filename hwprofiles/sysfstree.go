package hwprofiles

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"
)

// WriteSysfs writes a profile as the files of a machine: sys, and what belongs
// to it in proc. Detect reads the same machine from them. The directory is
// made if need be; one that holds anything is refused.
func WriteSysfs(p *Profile, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; give an empty or a new directory", dir)
	}
	w := sysfsFiles(p)
	made := map[string]bool{}
	mkdir := func(name string) (string, error) {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if parent := filepath.Dir(full); !made[parent] {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return "", err
			}
			made[parent] = true
		}
		return full, nil
	}
	for _, name := range w.order {
		full, err := mkdir(name)
		if err != nil {
			return err
		}
		if target, ok := w.links[name]; ok {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(w.files[name]), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sysfsWriter collects files and links in the order they are made.
type sysfsWriter struct {
	p     *Profile
	bits  int // of a CPU mask
	files map[string]string
	links map[string]string
	order []string
}

// sysfsFiles makes the files of a profile.
func sysfsFiles(p *Profile) *sysfsWriter {
	w := &sysfsWriter{p: p, files: map[string]string{}, links: map[string]string{}}
	possible := p.Possible.Union(p.AllCPUs())
	for _, id := range possible.UnsortedList() {
		w.bits = max(w.bits, id+1)
	}
	cpu := "sys/devices/system/cpu"
	online := p.OnlineCPUs()
	w.put(cpu+"/possible", possible.String())
	w.put(cpu+"/present", p.AllCPUs().String())
	w.put(cpu+"/online", online.String())
	w.put(cpu+"/offline", possible.Difference(online).String())
	w.put(cpu+"/kernel_max", strconv.Itoa(max(w.bits, 64)-1))
	packages := map[int][]int{}
	caches := map[int]*UncoreCache{}
	for i := range p.CPUs {
		packages[p.CPUs[i].Package] = append(packages[p.CPUs[i].Package], p.CPUs[i].ID)
	}
	for i := range p.UncoreCaches {
		for _, id := range p.UncoreCaches[i].CPUs.UnsortedList() {
			caches[id] = &p.UncoreCaches[i]
		}
	}
	packageSets := map[int]cpuset.CPUSet{}
	for id, cpus := range packages {
		packageSets[id] = cpuset.New(cpus...)
	}
	for i := range p.CPUs {
		c := &p.CPUs[i]
		w.cpu(c, packageSets[c.Package])
		if u := caches[c.ID]; u != nil && c.Online {
			w.cache(c.ID, u)
		}
	}
	w.kinds()
	for i := range p.NUMANodes {
		w.node(&p.NUMANodes[i])
	}
	w.nodeLists()
	w.proc()
	return w
}

func (w *sysfsWriter) put(name, text string) {
	w.files[name] = text + "\n"
	w.order = append(w.order, name)
}

func (w *sysfsWriter) link(name, target string) {
	w.links[name] = target
	w.order = append(w.order, name)
}

// set writes a set as list and as mask.
func (w *sysfsWriter) set(list, mask string, set cpuset.CPUSet) {
	w.put(list, set.String())
	w.put(mask, formatMask(set, w.bits))
}

func (w *sysfsWriter) cpu(c *CPU, siblings cpuset.CPUSet) {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d", c.ID)
	if c.ID != 0 || !c.Online {
		state := "0"
		if c.Online {
			state = "1"
		}
		w.put(dir+"/online", state)
	} else {
		w.put(dir+"/uevent", "") // CPU 0 has a directory, too
	}
	if c.NUMANode != None {
		w.link(fmt.Sprintf("%s/node%d", dir, c.NUMANode), fmt.Sprintf("../../node/node%d", c.NUMANode))
	}
	if digits, ok := strings.CutPrefix(c.Kind, capacityKind); ok {
		w.put(dir+"/cpu_capacity", digits)
	}
	if !c.Online || c.NoTopology {
		return
	}
	dir += "/topology"
	w.put(dir+"/core_id", strconv.Itoa(c.Core))
	w.put(dir+"/physical_package_id", strconv.Itoa(c.Socket))
	for _, f := range []struct {
		name string
		id   int
	}{{"die_id", c.Die}, {"cluster_id", c.Cluster}, {"book_id", c.Book}, {"drawer_id", c.Drawer}} {
		if f.id != None {
			w.put(dir+"/"+f.name, strconv.Itoa(f.id))
		}
	}
	w.set(dir+"/core_cpus_list", dir+"/core_cpus", c.Siblings)
	w.set(dir+"/thread_siblings_list", dir+"/thread_siblings", c.Siblings)
	if c.Package != None {
		w.set(dir+"/package_cpus_list", dir+"/package_cpus", siblings)
		w.set(dir+"/core_siblings_list", dir+"/core_siblings", siblings)
	}
}

func (w *sysfsWriter) cache(cpu int, u *UncoreCache) {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index%d", cpu, u.Level)
	if !w.p.NoCacheIDs {
		w.put(dir+"/id", strconv.Itoa(u.ID))
	}
	w.put(dir+"/level", strconv.Itoa(u.Level))
	w.put(dir+"/type", "Unified")
	w.put(dir+"/size", fmt.Sprintf("%dK", u.SizeBytes/1024))
	w.set(dir+"/shared_cpu_list", dir+"/shared_cpu_map", u.CPUs)
}

func (w *sysfsWriter) kinds() {
	for _, k := range hybridKinds() {
		if set := w.p.CPUsWhere(func(c *CPU) bool { return c.Kind == k.kind }); !set.IsEmpty() {
			w.put("sys/devices/"+k.dir+"/cpus", set.String())
		}
	}
}

func (w *sysfsWriter) node(n *NUMANode) {
	dir := fmt.Sprintf("sys/devices/system/node/node%d", n.ID)
	cpus := w.p.CPUsInNode(n.ID)
	w.set(dir+"/cpulist", dir+"/cpumap", cpus.Intersection(w.p.OnlineCPUs()))
	for _, id := range cpus.List() {
		w.link(fmt.Sprintf("%s/cpu%d", dir, id), fmt.Sprintf("../../cpu/cpu%d", id))
	}
	w.put(dir+"/meminfo", fmt.Sprintf("Node %d MemTotal:       %d kB", n.ID, n.MemoryBytes/1024))
	if len(n.Distances) > 0 {
		w.put(dir+"/distance", formatDistances(n.Distances))
	}
	var sizes []uint64
	for size := range n.HugePages {
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	for _, size := range sizes {
		w.put(path.Join(dir, "hugepages", hugePagesDir(size), "nr_hugepages"), strconv.FormatUint(n.HugePages[size], 10))
	}
}

func (w *sysfsWriter) nodeLists() {
	if len(w.p.NUMANodes) == 0 {
		return
	}
	var withCPU, withMemory []int
	for i := range w.p.NUMANodes {
		n := &w.p.NUMANodes[i]
		if !w.p.CPUsInNode(n.ID).IsEmpty() {
			withCPU = append(withCPU, n.ID)
		}
		if n.MemoryBytes > 0 {
			withMemory = append(withMemory, n.ID)
		}
	}
	all := formatSequence(w.p.NodeIDs())
	for name, list := range map[string]string{
		"possible": all, "online": all, "has_cpu": formatSequence(withCPU), "has_memory": formatSequence(withMemory),
	} {
		w.put("sys/devices/system/node/"+name, list)
	}
}

// proc writes what cadvisor and Detect read from proc.
func (w *sysfsWriter) proc() {
	w.put("proc/meminfo", fmt.Sprintf("MemTotal:       %d kB", w.p.MemoryBytes/1024))
	if w.p.Arch != "" {
		w.put("proc/sys/kernel/arch", w.p.Arch)
	}
	model := w.cpuModel()
	var b strings.Builder
	for i := range w.p.CPUs {
		c := &w.p.CPUs[i]
		if !c.Online {
			continue
		}
		fmt.Fprintf(&b, "processor\t: %d\n%s", c.ID, model)
		if isX86(w.p.Arch) && !c.NoTopology {
			fmt.Fprintf(&b, "physical id\t: %d\ncore id\t\t: %d\n", c.Socket, c.Core)
		}
		b.WriteString("\n")
	}
	w.put("proc/cpuinfo", strings.TrimSuffix(b.String(), "\n"))
}

// cpuModel is what proc/cpuinfo says of every CPU. lscpu shows no topology
// without it. A profile knows no model numbers; they are 0.
func (w *sysfsWriter) cpuModel() string {
	text := strings.Join(strings.Fields(cmp.Or(w.p.Description, w.p.Name)), " ")
	switch w.p.Arch {
	case "x86_64", "i386", "i686":
		vendor, family := "GenuineIntel", 6
		for _, v := range []struct {
			word, vendor string
			family       int
		}{{"hygon", "HygonGenuine", 24}, {"amd", "AuthenticAMD", 25}, {"epyc", "AuthenticAMD", 25}, {"ryzen", "AuthenticAMD", 25}, {"threadripper", "AuthenticAMD", 25}} {
			if strings.Contains(strings.ToLower(w.p.Name+" "+text), v.word) {
				vendor, family = v.vendor, v.family
				break
			}
		}
		return fmt.Sprintf("vendor_id\t: %s\ncpu family\t: %d\nmodel\t\t: 0\nmodel name\t: %s\n", vendor, family, text)
	case "s390x":
		return "vendor_id\t: IBM/S390\n"
	case "aarch64":
		return "CPU architecture: 8\nCPU variant\t: 0x0\nCPU revision\t: 0\n"
	case "ppc64le", "ppc64":
		return "cpu\t\t: " + text + "\n"
	case "loongarch64":
		return "CPU Family\t\t: Loongson-64bit\nModel Name\t\t: " + text + "\n"
	}
	return ""
}
