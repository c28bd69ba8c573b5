package hwprofiles

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"

	"k8s.io/utils/cpuset"
)

// readTopology finds the cores and sockets of the online CPUs: by the sets in
// the CPUs' own files, else by those of other CPUs, else by ids.
func (d *detector) readTopology() error {
	cores, packages := newGrouper(), newGrouper()
	coreSets, packageSets := map[int]string{}, map[int]string{} // CPU -> the group that names it
	anyTopology := false
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		if !c.Online {
			continue
		}
		dir := fmt.Sprintf("%s/cpu%d/topology", d.cpuDir(), c.ID)
		if err := d.readIDs(dir, c); err != nil {
			return err
		}
		anyTopology = anyTopology || !c.NoTopology
		set, ok, err := d.cpus(dir, c.ID, [2]string{"core_cpus_list", "core_cpus"}, [2]string{"thread_siblings_list", "thread_siblings"})
		if err != nil {
			return err
		}
		if ok {
			cores.addSet(c.ID, set, coreSets)
		}
		set, ok, err = d.cpus(dir, c.ID, [2]string{"package_cpus_list", "package_cpus"}, [2]string{"core_siblings_list", "core_siblings"})
		if err != nil {
			return err
		}
		if ok {
			packages.addSet(c.ID, set, packageSets)
		}
	}
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		if !c.Online {
			continue
		}
		if cores.adopt(c.ID, coreSets); !cores.has(c.ID) && c.Core != None {
			cores.add(c.ID, fmt.Sprintf("ids %d %d %d %d", c.Drawer, c.Book, c.Socket, c.Core))
		}
		if packages.adopt(c.ID, packageSets); !packages.has(c.ID) && c.Socket != None {
			packages.add(c.ID, fmt.Sprintf("ids %d %d %d", c.Drawer, c.Book, c.Socket))
		}
	}
	if !anyTopology {
		d.infoTopology(cores, packages)
	}
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		c.Siblings = cores.set(c.ID)
		c.Package = packages.number(c.ID)
	}
	return nil
}

// readIDs reads the ids in a topology directory.
func (d *detector) readIDs(dir string, c *CPU) error {
	var coreMissing, socketMissing bool
	for _, f := range []struct {
		name    string
		dst     *int
		missing *bool
	}{
		{"core_id", &c.Core, &coreMissing},
		{"physical_package_id", &c.Socket, &socketMissing},
		{"die_id", &c.Die, nil},
		{"cluster_id", &c.Cluster, nil},
		{"book_id", &c.Book, nil},
		{"drawer_id", &c.Drawer, nil},
	} {
		n, missing, err := d.number(path.Join(dir, f.name))
		if err != nil {
			return err
		}
		*f.dst = n
		if f.missing != nil {
			*f.missing = missing
		}
	}
	c.NoTopology = coreMissing || socketMissing
	return nil
}

// infoTopology takes cores and sockets from proc/cpuinfo, for kernels that had
// no topology directories yet.
func (d *detector) infoTopology(cores, packages *grouper) {
	for _, b := range d.info {
		id, err := strconv.Atoi(b["processor"])
		c := d.byID[id]
		if err != nil || c == nil || !c.Online {
			continue
		}
		if n, err := parseNumber(b["physical id"]); err == nil {
			c.Socket = n
			if !packages.has(id) {
				packages.add(id, fmt.Sprintf("info %d", n))
			}
		}
		if n, err := parseNumber(b["core id"]); err == nil && c.Socket != None {
			c.Core = n
			if !cores.has(id) {
				cores.add(id, fmt.Sprintf("info %d %d", c.Socket, n))
			}
		}
	}
}

// grouper puts CPUs that say the same of their group into one.
type grouper struct {
	keys    map[int]string
	members map[string][]int
	sets    map[string]cpuset.CPUSet
	numbers map[string]int
}

func newGrouper() *grouper {
	return &grouper{map[int]string{}, map[string][]int{}, map[string]cpuset.CPUSet{}, map[string]int{}}
}

func (g *grouper) add(id int, key string) {
	if _, ok := g.numbers[key]; !ok {
		g.numbers[key] = len(g.numbers)
	}
	g.keys[id] = key
	g.members[key] = append(g.members[key], id)
}

func (g *grouper) has(id int) bool {
	_, ok := g.keys[id]
	return ok
}

// addSet puts a CPU into the group of a set that its own file gives, and
// remembers whom else the set names.
func (g *grouper) addSet(id int, set namedSet, named map[int]string) {
	key := "cpus " + set.textWith(id)
	if _, known := g.numbers[key]; !known {
		for _, other := range set.UnsortedList() {
			if _, taken := named[other]; !taken {
				named[other] = key
			}
		}
	}
	g.add(id, key)
}

// adopt puts a CPU without a group into the one that names it, if any does.
func (g *grouper) adopt(id int, named map[int]string) {
	if key, ok := named[id]; ok && !g.has(id) {
		g.add(id, key)
	}
}

// set returns the group of a CPU; one without a group is alone.
func (g *grouper) set(id int) cpuset.CPUSet {
	key, ok := g.keys[id]
	if !ok {
		return cpuset.New(id)
	}
	set, ok := g.sets[key]
	if !ok {
		set = cpuset.New(g.members[key]...)
		g.sets[key] = set
	}
	return set
}

// number counts the groups in the order they were first seen.
func (g *grouper) number(id int) int {
	if key, ok := g.keys[id]; ok {
		return g.numbers[key]
	}
	return None
}

// foundCache is one cache directory of one CPU.
type foundCache struct {
	cpu, id, level int
	size           uint64
	shared         namedSet
	hasShared      bool
}

// readCaches finds the L3 caches and who shares them.
func (d *detector) readCaches() error {
	groups := newGrouper()
	found := map[string]*foundCache{}
	var order []string
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		if !c.Online {
			continue
		}
		f, err := d.readUncore(c.ID)
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		if f.hasShared && f.shared.IsEmpty() { // ia64: the cache is the core's
			f.shared = namedSet{c.Siblings, c.Siblings.String()}
		}
		key := fmt.Sprintf("level %d cpus %s", f.level, f.shared.textWith(c.ID))
		if !f.hasShared {
			key = fmt.Sprintf("level %d id %d", f.level, f.id)
			if f.id == None {
				key = fmt.Sprintf("cpu %d", c.ID)
			}
		}
		if found[key] == nil {
			found[key] = f
			order = append(order, key)
		}
		groups.add(c.ID, key)
	}
	// A CPU without cache files of its own belongs to the cache that names it.
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		if _, ok := groups.keys[c.ID]; ok || !c.Online {
			continue
		}
		for _, key := range order {
			if found[key].shared.Contains(c.ID) {
				groups.add(c.ID, key)
				break
			}
		}
	}
	d.numberCaches(found, order)
	for _, key := range order {
		f := found[key]
		u := UncoreCache{ID: f.id, Level: f.level, SizeBytes: f.size, CPUs: cpuset.New(groups.members[key]...)}
		for _, id := range groups.members[key] {
			d.byID[id].UncoreCache = f.id
		}
		d.p.UncoreCaches = append(d.p.UncoreCaches, u)
	}
	slices.SortFunc(d.p.UncoreCaches, func(a, b UncoreCache) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

// numberCaches keeps the kernel's ids where every cache has its own, and
// counts the caches otherwise.
func (d *detector) numberCaches(found map[string]*foundCache, order []string) {
	seen := map[int]bool{}
	missing, twice := false, false
	for _, key := range order {
		id := found[key].id
		missing = missing || id == None
		twice = twice || seen[id] && id != None
		seen[id] = true
	}
	if !missing && !twice {
		return
	}
	d.p.NoCacheIDs = missing
	if twice {
		d.note("the kernel gives several L3 caches the same id; they are counted from 0 here")
	}
	for i, key := range order {
		found[key].id = i
	}
}

// readUncore reads the cache directory of a CPU's L3, or of the lowest level
// above it. It returns nil when there is none.
func (d *detector) readUncore(cpu int) (*foundCache, error) {
	dir := fmt.Sprintf("%s/cpu%d/cache", d.cpuDir(), cpu)
	indexes, err := d.numbered(dir, "index")
	if err != nil {
		return nil, err
	}
	var best *foundCache
	for _, index := range indexes {
		at := fmt.Sprintf("%s/index%d", dir, index)
		level, _, err := d.number(path.Join(at, "level"))
		if err != nil {
			return nil, err
		}
		if level > maxCacheLevel {
			return nil, fmt.Errorf("%s/level: %d is no level of a cache; no machine has more than %d", at, level, maxCacheLevel)
		}
		kind, _, err := d.text(path.Join(at, "type"))
		if err != nil {
			return nil, err
		}
		if level < 3 || kind == "Instruction" || best != nil && best.level <= level {
			continue
		}
		f := &foundCache{cpu: cpu, level: level}
		if f.id, _, err = d.number(path.Join(at, "id")); err != nil {
			return nil, err
		}
		if f.shared, f.hasShared, err = d.cpus(at, cpu, [2]string{"shared_cpu_list", "shared_cpu_map"}); err != nil {
			return nil, err
		}
		if f.size, err = d.cacheSize(path.Join(at, "size")); err != nil {
			return nil, err
		}
		best = f
	}
	return best, nil
}

// maxCacheLevel bounds the levels that are believed; real ones end at 4.
const maxCacheLevel = 9

// cacheSize reads a size like 36608K.
func (d *detector) cacheSize(name string) (uint64, error) {
	s, ok, err := d.text(name)
	if err != nil || !ok {
		return 0, err
	}
	var unit uint64
	switch s[len(s)-1] {
	case 'K':
		unit = 1 << 10
	case 'M':
		unit = 1 << 20
	case 'G':
		unit = 1 << 30
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 33)
	if err != nil || unit == 0 {
		return 0, fmt.Errorf("%s: %q is no cache size; want one like 32768K", name, clip(s))
	}
	return n * unit, nil
}
