package verify

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/e2e/cgroup"
)

// byNode is memory by NUMA node, in bytes.
type byNode map[int]uint64

func (m byNode) add(node int, bytes uint64) {
	if m[node] > math.MaxUint64-bytes {
		m[node] = math.MaxUint64
		return
	}
	m[node] += bytes
}

// parseNodeValue reads "N1=1234".
func parseNodeValue(field string) (node int, value uint64, ok bool) {
	id, text, found := strings.Cut(field, "=")
	if !found || len(id) < 2 || id[0] != 'N' {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(id[1:], 10, 16)
	if err != nil {
		return 0, 0, false
	}
	v, err := strconv.ParseUint(text, 10, 64)
	return int(n), v, err == nil
}

// parseNUMAStat reads a memory.numa_stat: of version 2 the bytes of anonymous
// memory and of files, of version 1 the pages of both. hugetlb's numa_stat has
// the form of version 1 in bytes, without a total of files.
func parseNUMAStat(data []byte, version int, pageSize uint64) (byNode, error) {
	out, seen := byNode{}, false
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		unit := uint64(1)
		name, _, isV1 := strings.Cut(fields[0], "=")
		if isV1 {
			unit = pageSize
		}
		if isV1 != (version == cgroup.V1) || (name != "anon" && name != "file") {
			continue
		}
		seen = true
		for _, f := range fields[1:] {
			node, v, ok := parseNodeValue(f)
			if !ok || v > math.MaxUint64/unit {
				return nil, fmt.Errorf("%q: want N and a node's memory", short(f))
			}
			out.add(node, v*unit)
		}
	}
	if !seen {
		return nil, errors.New("neither anon nor file in it")
	}
	return out, nil
}

// parseHugeStat reads a hugetlb.SIZE.numa_stat.
func parseHugeStat(data []byte) (byNode, error) {
	out := byNode{}
	line, _, _ := strings.Cut(string(data), "\n") // the second line counts sub-groups too
	for i, f := range strings.Fields(line) {
		if i == 0 && strings.HasPrefix(f, "total=") {
			continue
		}
		node, v, ok := parseNodeValue(f)
		if !ok {
			return nil, fmt.Errorf("%q: want N and a node's memory", short(f))
		}
		out.add(node, v)
	}
	return out, nil
}

// parseNUMAMaps adds up the pages of a process by node.
func parseNUMAMaps(data []byte, pageSize uint64) (byNode, error) {
	out := byNode{}
	for line := range strings.Lines(string(data)) {
		size, pages := pageSize, byNode{}
		for _, f := range strings.Fields(line) {
			if kb, ok := strings.CutPrefix(f, "kernelpagesize_kB="); ok {
				n, err := strconv.ParseUint(kb, 10, 32)
				if err != nil {
					return nil, fmt.Errorf("%q: %w", short(f), err)
				}
				size = n << 10
				continue
			}
			if node, n, ok := parseNodeValue(f); ok {
				pages.add(node, n)
			}
		}
		for node, n := range pages {
			if size > 0 && n > math.MaxUint64/size {
				return nil, fmt.Errorf("%d pages of %d bytes", n, size)
			}
			out.add(node, n*size)
		}
	}
	return out, nil
}

// readMemory finds where a container's memory is. The cgroup's own account is
// preferred: to read a process's numa_maps walks its page tables, which holds up
// a large process.
func (a *audit) readMemory(g cgroup.Group) (m byNode, from string, err error) {
	dir, version := path.Join(a.mount, g.Path), a.version
	page := uint64(os.Getpagesize())
	data, err := a.root.Read(path.Join(dir, "memory.numa_stat"))
	if missing(err) { // the memory controller is version 1's
		dir, version = path.Join("sys/fs/cgroup/memory", g.Path), cgroup.V1
		data, err = a.root.Read(path.Join(dir, "memory.numa_stat"))
	}
	if err == nil {
		if m, err = parseNUMAStat(data, version, page); err != nil {
			return nil, "", fmt.Errorf("memory.numa_stat: %w", err)
		}
		entries, err := a.root.List(dir)
		if err != nil {
			return nil, "", err
		}
		for _, e := range entries {
			name := e.Name()
			if !strings.HasPrefix(name, "hugetlb.") || !strings.HasSuffix(name, ".numa_stat") {
				continue
			}
			data, err := a.root.Read(path.Join(dir, name))
			if err != nil {
				return nil, "", fmt.Errorf("%s: %w", name, err)
			}
			more, err := parseHugeStat(data)
			if err != nil {
				return nil, "", fmt.Errorf("%s: %w", name, err)
			}
			for node, bytes := range more {
				m.add(node, bytes)
			}
		}
		return m, "memory.numa_stat", nil
	}
	if !missing(err) {
		return nil, "", fmt.Errorf("memory.numa_stat: %w", err)
	}
	m = byNode{}
	for _, p := range g.Processes {
		data, err := a.root.Read(fmt.Sprintf("proc/%d/numa_maps", p.PID))
		if gone(err) && a.alive(p.PID) {
			return nil, "", errors.New("neither memory.numa_stat nor numa_maps")
		}
		if gone(err) {
			continue
		}
		if err == nil {
			var more byNode
			if more, err = parseNUMAMaps(data, page); err == nil {
				for node, bytes := range more {
					m.add(node, bytes)
				}
				continue
			}
		}
		return nil, "", fmt.Errorf("numa_maps of process %d: %w", p.PID, err)
	}
	return m, "numa_maps", nil
}

func (a *audit) alive(pid int) bool {
	_, err := a.root.Resolve(fmt.Sprintf("proc/%d/status", pid))
	return err == nil
}

// local is the share of the memory on nodes of the given CPUs.
func (a *audit) local(m byNode, cpus cpuset.CPUSet) (share float64, known bool) {
	if a.profile == nil || len(a.profile.NUMANodes) == 0 {
		return 0, false
	}
	near := map[int]bool{}
	for _, id := range cpus.UnsortedList() {
		if c, ok := a.profile.CPU(id); ok {
			near[c.NUMANode] = true
		}
	}
	total, local := 0.0, 0.0
	for node, bytes := range m {
		total += float64(bytes)
		if near[node] {
			local += float64(bytes)
		}
	}
	if total == 0 {
		return 0, false
	}
	return local / total, true
}
