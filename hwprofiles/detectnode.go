package hwprofiles

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"
)

// readNodes finds the NUMA nodes, their CPUs, memory and distances.
func (d *detector) readNodes() error {
	ids, err := d.numbered(d.nodeDir(), "node")
	if err != nil {
		return err
	}
	if len(ids) > 0 && slices.Max(ids) > maxNodeID {
		return fmt.Errorf("%s/node%d: no kernel has such a node; the largest is %d", d.nodeDir(), slices.Max(ids), maxNodeID)
	}
	lists := map[int]cpuset.CPUSet{}
	rows := make([][]int, len(ids))
	for i, id := range ids {
		dir := fmt.Sprintf("%s/node%d", d.nodeDir(), id)
		set, ok, err := d.cpus(dir, None, [2]string{"cpulist", "cpumap"})
		if err != nil {
			return err
		}
		if ok {
			lists[id] = set.CPUSet
		}
		n := NUMANode{ID: id, AbsentCPUs: set.Difference(d.p.AllCPUs())}
		if n.MemoryBytes, err = d.nodeMemory(dir); err != nil {
			return err
		}
		if n.HugePages, err = d.nodeHugePages(path.Join(dir, "hugepages")); err != nil {
			return err
		}
		if rows[i], err = d.nodeDistances(path.Join(dir, "distance")); err != nil {
			return err
		}
		d.p.NUMANodes = append(d.p.NUMANodes, n)
	}
	if len(ids) == 0 {
		return nil
	}
	d.placeByLists(ids, lists)
	if err := d.placeByLinks(ids, lists); err != nil {
		return err
	}
	return d.setDistances(ids, rows)
}

// placeByLists puts the CPUs into the nodes that list them.
func (d *detector) placeByLists(ids []int, lists map[int]cpuset.CPUSet) {
	for _, id := range ids {
		twice := map[int][]int{} // CPUs by the node they are in already
		for _, cpu := range lists[id].List() {
			c := d.byID[cpu]
			switch {
			case c == nil: // listed, but not there
			case c.NUMANode == None:
				c.NUMANode = id
			default:
				twice[c.NUMANode] = append(twice[c.NUMANode], cpu)
			}
		}
		for _, first := range slices.Sorted(maps.Keys(twice)) {
			set := cpuset.New(twice[first]...)
			d.note("%s listed in node %d and in node %d; node %d is taken", theseAre(set), first, id, first)
		}
	}
}

// placeByLinks puts the other CPUs into nodes: offline ones, which lists leave
// out, and all of them where there are no lists.
func (d *detector) placeByLinks(ids []int, lists map[int]cpuset.CPUSet) error {
	for _, id := range ids {
		cpus, err := d.numbered(fmt.Sprintf("%s/node%d", d.nodeDir(), id), "cpu")
		if err != nil {
			return err
		}
		for _, cpu := range cpus {
			if c := d.byID[cpu]; c != nil && c.NUMANode == None {
				c.NUMANode = id
			}
		}
	}
	var homeless []int
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		if c.NUMANode != None {
			continue
		}
		nodes, err := d.numbered(fmt.Sprintf("%s/cpu%d", d.cpuDir(), c.ID), "node")
		if err != nil {
			return err
		}
		for _, id := range nodes {
			if slices.Contains(ids, id) {
				c.NUMANode = id
				break
			}
		}
		if c.NUMANode == None && c.Online {
			homeless = append(homeless, c.ID)
		}
	}
	if set := cpuset.New(homeless...); !set.IsEmpty() {
		d.note("%s online and in no NUMA node", theseAre(set))
	}
	return nil
}

func (d *detector) nodeMemory(dir string) (uint64, error) {
	name := path.Join(dir, "meminfo")
	text, ok, err := d.text(name)
	if err != nil || !ok {
		return 0, err
	}
	return memTotal(name, text)
}

// nodeHugePages reads the pre-allocated huge pages by size.
func (d *detector) nodeHugePages(dir string) (map[uint64]uint64, error) {
	names, err := d.names(dir)
	if err != nil {
		return nil, err
	}
	var pages map[uint64]uint64
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, "hugepages-")
		if !ok {
			continue
		}
		digits, ok = strings.CutSuffix(digits, "kB")
		kib, err := strconv.ParseUint(digits, 10, 40)
		if !ok || err != nil || kib == 0 {
			return nil, fmt.Errorf("%s/%s: no page size; want a name like hugepages-2048kB", dir, name)
		}
		count, missing, err := d.number(path.Join(dir, name, "nr_hugepages"))
		if err != nil {
			return nil, err
		}
		if missing {
			continue
		}
		if pages == nil {
			pages = map[uint64]uint64{}
		}
		pages[kib*1024] = uint64(max(count, 0))
	}
	return pages, nil
}

// Distances are bytes of the ACPI SLIT, and 10 is that of a node to itself.
const (
	minDistance = 10
	maxDistance = 255
)

// nodeDistances reads a row of distances, nil where none are to be had.
func (d *detector) nodeDistances(name string) ([]int, error) {
	text, ok, err := d.text(name)
	if err != nil || !ok {
		return nil, err
	}
	var row []int
	for word := range strings.FieldsSeq(text) {
		n, err := parseNumber(word)
		if err != nil || n > 1<<16 {
			return nil, fmt.Errorf("%s: %q is no distance", name, clip(word))
		}
		row = append(row, n)
	}
	for _, n := range row {
		if n < minDistance || n > maxDistance {
			d.note("%s: a distance of %d; distances are %d to %d, so the row is left out", name, n, minDistance, maxDistance)
			return nil, nil
		}
	}
	return row, nil
}

// setDistances gives every node its row. A row has one value for each node
// that the kernel had online when the file was read. There may be fewer
// directories: in a partial copy, or when a node went offline since.
func (d *detector) setDistances(ids []int, rows [][]int) error {
	columns := [][]int{ids}
	for _, name := range []string{"online", "possible"} {
		listed, _, err := d.list(path.Join(d.nodeDir(), name))
		if err != nil {
			return err
		}
		if set := cpuset.New(ids...); set.IsSubsetOf(listed.CPUSet) {
			columns = append(columns, listed.List())
		}
	}
	for i, row := range rows {
		at := slices.IndexFunc(columns, func(c []int) bool { return len(c) == len(row) })
		switch {
		case len(row) == 0:
		case at < 0:
			d.note("node %d gives %d distances where there are %d nodes; they are left out", ids[i], len(row), len(ids))
		default:
			var kept []int
			for j, id := range columns[at] {
				if slices.Contains(ids, id) {
					kept = append(kept, row[j])
				}
			}
			d.p.NUMANodes[i].Distances = kept
		}
	}
	return nil
}
