package hwprofiles

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"
)

// Detect reads a machine from the files of its root directory: sys, and proc
// where it is there. fsys may also be a sysfs itself. It reads live systems
// and copies alike, and relies on no file that some kernel or copy leaves out:
//
//   - a CPU is what has a cpuN directory and is listed as present (where no CPU
//     has a directory: what is listed as present or online);
//   - it is offline when the online list leaves it out or its own online file
//     says 0; without both it is online;
//   - sockets and cores come from the package_cpus and core_cpus files, else
//     from core_siblings and thread_siblings as older kernels name them, each
//     as list or mask, else from the ids;
//   - nodes are the nodeN directories; their CPUs come from cpulist or cpumap,
//     else from the links between nodeN and cpuN, which also tell the node of
//     an offline CPU;
//   - caches are grouped by who shares them; their ids are the kernel's.
//
// CPUs that a list names but that do not exist are left out. A file that is
// there but holds something else than it should is an error naming the file.
func Detect(fsys fs.FS) (*Profile, error) {
	t, err := openTree(fsys)
	if err != nil {
		return nil, err
	}
	d := &detector{tree: t, p: &Profile{Name: "detected", Possible: cpuset.New()}, byID: map[int]*CPU{}}
	for _, step := range []func() error{
		d.readCPUInfo, d.readArch, d.readCPUs, d.readTopology, d.readKinds, d.readCaches, d.readNodes, d.readMemory,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	d.p.renumberPackages()
	return d.p, nil
}

// detector reads a tree into a profile.
type detector struct {
	*tree
	p    *Profile
	byID map[int]*CPU // the CPUs of p
	info []infoBlock  // of proc/cpuinfo
}

func (d *detector) note(format string, args ...any) {
	d.p.Notes = append(d.p.Notes, fmt.Sprintf(format, args...))
}

// infoBlock is what proc/cpuinfo says of one CPU.
type infoBlock map[string]string

// readCPUInfo reads proc/cpuinfo, if there is one.
func (d *detector) readCPUInfo() error {
	text, ok, err := d.read("proc/cpuinfo", maxCPUInfo)
	if err != nil || !ok {
		return err
	}
	block := infoBlock{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(line, ":")
		key = strings.ToLower(strings.TrimSpace(key))
		if !ok {
			if strings.TrimSpace(line) == "" && len(block) > 0 {
				d.info = append(d.info, block)
				block = infoBlock{}
			}
			continue
		}
		value = strings.TrimSpace(value)
		if key == "processor" && !isDigits(value) {
			key = "model name" // of 32-bit Arm: Processor : ARMv7 Processor rev 4 (v7l)
		}
		if _, seen := block[key]; !seen && len(value) < 200 {
			block[key] = value
		}
	}
	if len(block) > 0 {
		d.info = append(d.info, block)
	}
	for _, key := range []string{"model name", "cpu model", "cpu", "model", "uarch", "family"} {
		for _, b := range d.info {
			if name := b[key]; name != "" && !isDigits(name) {
				d.p.Description = strings.ToValidUTF8(clip(name), "?")
				return nil
			}
		}
	}
	return nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// readArch finds the architecture; a tree may not tell.
func (d *detector) readArch() error {
	if arch, ok, err := d.text("proc/sys/kernel/arch"); err != nil {
		return err
	} else if ok && isName(arch) {
		d.p.Arch = arch
		return nil
	}
	alias, _, err := d.text(path.Join(d.cpuDir(), "modalias"))
	if err != nil {
		return err
	}
	_, alias, _ = strings.Cut(alias, "cpu:type:")
	kind, _, _ := strings.Cut(alias, ",")
	kind, _, _ = strings.Cut(kind, ":")
	names := map[string]string{"x86": "x86_64", "aarch64": "aarch64", "s390": "s390x", "loongarch": "loongarch64"}
	if d.p.Arch = names[kind]; d.p.Arch != "" {
		return nil
	}
	order, _, err := d.text(d.path("kernel/cpu_byteorder"))
	if err != nil {
		return err
	}
	for _, b := range d.info {
		if d.p.Arch = b.arch(order); d.p.Arch != "" {
			return nil
		}
	}
	return nil
}

// arch tells the architecture from what proc/cpuinfo says of a CPU.
func (b infoBlock) arch(byteOrder string) string {
	has := func(key string, prefixes ...string) bool {
		value, ok := b[key]
		return ok && slices.ContainsFunc(prefixes, func(p string) bool {
			return strings.HasPrefix(strings.ToLower(value), strings.ToLower(p))
		})
	}
	switch {
	case has("vendor_id", "IBM/S390"):
		return "s390x"
	case has("vendor_id", "GenuineIntel", "AuthenticAMD", "HygonGenuine", "CentaurHauls"):
		if flags := b["flags"]; flags != "" && !strings.Contains(" "+flags+" ", " lm ") {
			return "i686"
		}
		return "x86_64"
	case has("arch", "IA-64"):
		return "ia64"
	case has("cpu architecture", "7"), has("model name", "ARMv7"):
		return "armv7l"
	case has("cpu architecture", "6"), has("model name", "ARMv6"):
		return "armv6l"
	case has("cpu implementer", ""):
		return "aarch64"
	case has("cpu", "POWER4", "POWER5", "POWER6", "POWER7", "PPC970", "Cell"), has("cpu", "POWER") && byteOrder == "big":
		return "ppc64"
	case has("cpu", "POWER"):
		return "ppc64le"
	case has("hart", ""):
		return "riscv64"
	case has("cpu family", "Loongson"):
		return "loongarch64"
	case has("type", "sun4u", "sun4v"):
		return "sparc64"
	}
	return ""
}

// readCPUs finds which CPUs there are and which are online.
func (d *detector) readCPUs() error {
	dirs, err := d.numbered(d.cpuDir(), "cpu")
	if err != nil {
		return err
	}
	sets := map[string]cpuset.CPUSet{}
	for _, name := range []string{"possible", "present", "online"} {
		set, ok, err := d.list(path.Join(d.cpuDir(), name))
		if err != nil {
			return err
		}
		if ok {
			sets[name] = set.CPUSet
		}
	}
	present, hasPresent := sets["present"]
	online, hasOnline := sets["online"]
	var ids []int
	for _, id := range dirs {
		if !hasPresent || present.Contains(id) || online.Contains(id) {
			ids = append(ids, id)
		}
	}
	if len(dirs) == 0 {
		ids = present.Union(online).List()
	}
	if len(ids) == 0 {
		ids = d.infoCPUs()
	}
	if len(ids) == 0 {
		return fmt.Errorf("%s: there is no CPU here; want cpu0 and so on", d.cpuDir())
	}
	d.p.CPUs = make([]CPU, len(ids))
	anyOnline := false
	for i, id := range ids {
		d.p.CPUs[i] = offlineCPU(id, None)
		c := &d.p.CPUs[i]
		d.byID[id] = c
		c.Online = !hasOnline || online.Contains(id)
		name := fmt.Sprintf("%s/cpu%d/online", d.cpuDir(), id)
		state, missing, err := d.number(name)
		if err != nil {
			return err
		}
		if !missing && state != 0 && state != 1 {
			return fmt.Errorf("%s: %d is neither 0 nor 1", name, state)
		}
		if c.Online && !missing && state == 0 {
			if hasOnline {
				d.note("CPU %d is in the list of online CPUs, and its own file says it is offline", id)
			}
			c.Online = false
		}
		anyOnline = anyOnline || c.Online
	}
	if !anyOnline {
		return fmt.Errorf("%s: no CPU is online", d.cpuDir())
	}
	d.p.Possible = sets["possible"].Union(cpuset.New(ids...))
	return nil
}

// infoCPUs returns the CPUs that proc/cpuinfo lists.
func (d *detector) infoCPUs() []int {
	seen := map[int]bool{}
	var ids []int
	for _, b := range d.info {
		if id, err := strconv.Atoi(b["processor"]); err == nil && id >= 0 && id <= maxID && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// readKinds finds the core types of a hybrid machine.
func (d *detector) readKinds() error {
	for _, k := range hybridKinds() {
		set, _, err := d.list(d.path(path.Join("devices", k.dir, "cpus")))
		if err != nil {
			return err
		}
		for _, id := range set.UnsortedList() {
			if c := d.byID[id]; c != nil {
				c.Kind = k.kind
			}
		}
	}
	if isX86(d.p.Arch) && d.p.Arch != "" {
		return nil // capacities there are of favoured cores, not of kinds
	}
	values := map[int]int{}
	distinct := map[int]bool{}
	for i := range d.p.CPUs {
		id := d.p.CPUs[i].ID
		n, missing, err := d.number(fmt.Sprintf("%s/cpu%d/cpu_capacity", d.cpuDir(), id))
		if err != nil {
			return err
		}
		if !missing && n > 0 {
			values[id] = n
			distinct[n] = true
		}
	}
	for id, n := range values {
		if c := d.byID[id]; len(distinct) > 1 && c.Kind == "" {
			c.Kind = capacityKind + strconv.Itoa(n)
		}
	}
	return nil
}

// capacityKind is how the kind of an Arm core begins; its capacity follows.
const capacityKind = "capacity-"

// hybridKinds are the core types that x86 kernels name, and where they do.
func hybridKinds() []struct{ dir, kind string } {
	return []struct{ dir, kind string }{{"cpu_core", "P"}, {"cpu_atom", "E"}, {"cpu_lowpower", "LP-E"}}
}

// isKind says whether a kind is one that sysfs can express.
func isKind(s string) bool {
	for _, k := range hybridKinds() {
		if k.kind == s {
			return true
		}
	}
	digits, ok := strings.CutPrefix(s, capacityKind)
	n, err := parseNumber(digits)
	return ok && err == nil && n > 0
}

// memTotal finds the size in a meminfo file.
func memTotal(name, text string) (uint64, error) {
	m := regexp.MustCompile(`MemTotal:\s*([0-9]+) kB`).FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%s: there is no line with MemTotal in kB", name)
	}
	kib, err := strconv.ParseUint(m[1], 10, 53)
	if err != nil {
		return 0, fmt.Errorf("%s: MemTotal %q is no size", name, clip(m[1]))
	}
	return kib * 1024, nil
}

// readMemory finds the machine's memory: as proc/meminfo says, else the
// nodes' together.
func (d *detector) readMemory() error {
	text, ok, err := d.text("proc/meminfo")
	if err != nil {
		return err
	}
	if ok {
		d.p.MemoryBytes, err = memTotal("proc/meminfo", text)
		return err
	}
	for i := range d.p.NUMANodes {
		d.p.MemoryBytes += d.p.NUMANodes[i].MemoryBytes
	}
	return nil
}
