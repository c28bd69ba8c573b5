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
// made if need be; one that holds anything is refused. A write that fails
// leaves nothing behind.
func WriteSysfs(p *Profile, dir string) error {
	return sysfsFiles(p).writeTo(dir, os.WriteFile)
}

// writeTo writes the files beside their place and moves them there when all
// are written.
func (w *sysfsWriter) writeTo(dir string, writeFile func(string, []byte, fs.FileMode) error) (err error) {
	entries, err := os.ReadDir(dir)
	isNew := errors.Is(err, fs.ErrNotExist)
	if err != nil && !isNew {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; give an empty or a new directory", dir)
	}
	var leftover []string
	defer func() {
		for _, name := range leftover {
			if removeErr := os.RemoveAll(name); err != nil {
				err = errors.Join(err, removeErr)
			}
		}
	}()
	if isNew {
		top, err := firstMissing(dir)
		if err != nil {
			return err
		}
		leftover = append(leftover, top)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	part, err := os.MkdirTemp(dir, ".pinlab-")
	if err != nil {
		return err
	}
	leftover = append(leftover, part)
	if err := w.writeFiles(part, writeFile); err != nil {
		return err
	}
	for _, name := range []string{"proc", "sys"} {
		to := filepath.Join(dir, name)
		if err := os.Rename(filepath.Join(part, name), to); err != nil {
			return err
		}
		leftover = append(leftover, to)
	}
	leftover = []string{part}
	return nil
}

// firstMissing returns the outermost directory of a path that is to be made.
func firstMissing(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	for err == nil && filepath.Dir(dir) != dir {
		if _, err = os.Lstat(filepath.Dir(dir)); err == nil {
			return dir, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			dir, err = filepath.Dir(dir), nil
		}
	}
	return dir, err
}

func (w *sysfsWriter) writeFiles(dir string, writeFile func(string, []byte, fs.FileMode) error) error {
	made := map[string]bool{}
	for _, name := range w.order {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if parent := filepath.Dir(full); !made[parent] {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return err
			}
			made[parent] = true
		}
		var err error
		if target, ok := w.links[name]; ok {
			err = os.Symlink(target, full)
		} else {
			err = writeFile(full, []byte(w.files[name]), 0o644)
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
		if c.Online && len(caches) > 0 {
			w.caches(c, caches[c.ID])
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
	if !c.Online {
		return
	}
	dir += "/topology"
	for _, f := range []struct {
		name   string
		id     int
		always bool
	}{
		{"core_id", c.Core, !c.NoTopology},
		{"physical_package_id", c.Socket, !c.NoTopology},
		{"die_id", c.Die, false},
		{"cluster_id", c.Cluster, false},
		{"book_id", c.Book, false},
		{"drawer_id", c.Drawer, false},
	} {
		if f.id != None || f.always {
			w.put(dir+"/"+f.name, strconv.Itoa(f.id))
		}
	}
	if !c.NoTopology || c.Siblings.Size() > 1 {
		w.set(dir+"/core_cpus_list", dir+"/core_cpus", c.Siblings)
		w.set(dir+"/thread_siblings_list", dir+"/thread_siblings", c.Siblings)
	}
	if c.Package != None {
		w.set(dir+"/package_cpus_list", dir+"/package_cpus", siblings)
		w.set(dir+"/core_siblings_list", dir+"/core_siblings", siblings)
	}
}

// caches writes a CPU's cache directories. lscpu stops at the first index that
// is missing, so L1 and L2 have to be there where an L3 is. Nothing is known of
// them: they are taken to be the core's, and their size is 0, which stands for
// an unknown one. (Without a size file, cadvisor sees no cache at all.)
func (w *sysfsWriter) caches(c *CPU, u *UncoreCache) {
	for i, below := range coreCaches() {
		w.cache(c.ID, i, &UncoreCache{ID: lowest(c.Siblings), Level: below.Level, CPUs: c.Siblings}, below.Type)
	}
	if u != nil {
		w.cache(c.ID, uncoreIndex, u, unified)
	}
}

func (w *sysfsWriter) cache(cpu, index int, u *UncoreCache, kind string) {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/cache/index%d", cpu, index)
	if !w.p.NoCacheIDs {
		w.put(dir+"/id", strconv.Itoa(u.ID))
	}
	w.put(dir+"/level", strconv.Itoa(u.Level))
	w.put(dir+"/type", kind)
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
	w.set(dir+"/cpulist", dir+"/cpumap", cpus.Intersection(w.p.OnlineCPUs()).Union(n.AbsentCPUs))
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
	return "model name\t: " + text + "\n"
}
