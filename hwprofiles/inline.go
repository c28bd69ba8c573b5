package hwprofiles

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParseShape reads a machine from one line of key=value pairs, in any order,
// parted by spaces:
//
//	sockets=2 nodes=8 cores=64 threads=2 l3=4 distance=10,12,32 memory=32GiB
//
// cores counts a socket's cores, threads a core's threads, nodes the NUMA
// nodes of the whole machine. Only cores is needed. The keys:
//
//	arch        x86_64 (default), aarch64, ppc64le, s390x, riscv64, …
//	sockets     number of sockets (1)
//	nodes       number of NUMA nodes (one per socket); a multiple or a divisor
//	            of sockets; 0 for a kernel without NUMA
//	cores       cores per socket; a list gives each socket its own, 4,2
//	threads     threads per core (1)
//	numbering   block (default), round-robin, adjacent, or the levels from
//	            slowest to fastest, like socket/thread/node/core
//	l3          who shares an L3: socket (default), node, machine, none, a
//	            number of cores, or a part of a core, 1/2
//	l3-size     size of one L3, like 32MiB
//	memory      memory per NUMA node, like 192GiB (4GiB for each of its CPUs)
//	distance    local,remote or local,same-socket,remote (10,20)
//	socket-ids, node-ids, core-ids
//	            the kernel's ids where they are not 0, 1, 2 …; core-ids for one
//	            socket or for all
//	node-cores  cores of each node where they are uneven, like 43,43,42
//	dies, die-ids, cluster
//	            dies per socket, their ids, cores per cluster
func ParseShape(text string) (*Profile, error) {
	fail := func(err error) (*Profile, error) {
		return nil, fmt.Errorf("shape %q: %w", clip(strings.Join(strings.Fields(text), " ")), err)
	}
	s := newShape()
	words := strings.Fields(text)
	if len(words) == 0 {
		return fail(errors.New("is empty; want key=value pairs like sockets=2 cores=24 threads=2"))
	}
	seen := map[string]bool{}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return fail(fmt.Errorf("%q is no key=value pair; want pairs like sockets=2 cores=24 threads=2", clip(word)))
		}
		if seen[key] {
			return fail(fmt.Errorf("%s is given twice", clip(key)))
		}
		seen[key] = true
		if err := s.set(key, value); err != nil {
			return fail(err)
		}
	}
	if err := s.finish(); err != nil {
		return fail(err)
	}
	p, err := s.build()
	if err != nil {
		return fail(err)
	}
	p.Name = strings.Join(words, " ")
	return p, nil
}

// newShape has every default but the one for nodes, which finish sets.
func newShape() *shape {
	return &shape{
		arch: "x86_64", sockets: 1, nodes: None, threads: 1,
		order: numberings()["block"], l3: l3Rule{per: "socket"},
	}
}

// finish sets what depends on other keys.
func (s *shape) finish() error {
	if len(s.cores) == 0 {
		return errors.New("cores is missing; say how many cores a socket has, like cores=24")
	}
	if s.nodes == None {
		s.nodes = s.sockets
	}
	if s.dieIDs != nil && s.dies == 0 {
		s.dies = len(s.dieIDs)
	}
	return nil
}

// shapeKeys are the keys of a shape, in the order they are written.
func shapeKeys() []string {
	return []string{
		"arch", "sockets", "nodes", "cores", "threads", "numbering", "socket-ids", "node-ids", "core-ids",
		"node-cores", "l3", "l3-size", "dies", "die-ids", "cluster", "memory", "distance",
	}
}

// set takes one key of a shape.
func (s *shape) set(key, value string) (err error) {
	number := func(low, high int) (n int) {
		n, err = parseNumber(value)
		if err != nil || n < low || n > high {
			err = fmt.Errorf("%s=%s is no number from %d to %d", key, clip(value), low, high)
		}
		return n
	}
	list := func(low, high int) (ids []int) {
		ids, err = parseSequence(value)
		switch {
		case err != nil:
			err = fmt.Errorf("%s: %w", key, err)
		case len(ids) == 0 || len(ids) > maxCPUs:
			err = fmt.Errorf("%s gives %d numbers; want 1 to %d", key, len(ids), maxCPUs)
		case slices.Min(ids) < low || slices.Max(ids) > high:
			err = fmt.Errorf("%s=%s: want numbers from %d to %d", key, clip(value), low, high)
		}
		return ids
	}
	switch key {
	case "arch":
		if s.arch = value; value == unknownArch {
			s.arch = ""
		} else if !isName(value) {
			err = fmt.Errorf("arch=%q is no architecture; want one like x86_64 or aarch64", clip(value))
		}
	case "sockets":
		s.sockets = number(1, maxCPUs)
	case "nodes":
		s.nodes = number(0, maxNodes)
	case "cores":
		s.cores = list(1, maxCPUs)
	case "threads":
		s.threads = number(1, 64)
	case "numbering":
		s.order, err = parseOrder(value)
	case "socket-ids":
		s.socketIDs = list(0, math.MaxInt32)
	case "node-ids":
		s.nodeIDs = list(0, maxNodeID)
	case "core-ids":
		s.coreIDs = list(0, math.MaxInt32)
	case "node-cores":
		s.nodeCores = list(0, maxCPUs)
	case "l3":
		if slices.Contains([]string{"none", "machine", "socket", "node"}, value) {
			s.l3 = l3Rule{per: value}
			break
		}
		if parts, ok := strings.CutPrefix(value, "1/"); ok {
			value = parts
			if s.l3 = (l3Rule{parts: number(2, 64)}); err == nil {
				break
			}
		}
		if s.l3 = (l3Rule{cores: number(1, maxCPUs)}); err != nil {
			err = fmt.Errorf("l3=%s: want socket, node, machine, none, a number of cores, or 1/2 for half a core", clip(value))
		}
	case "l3-size":
		s.l3Size, err = parseSize(value)
	case "dies":
		s.dies = number(1, maxCPUs)
	case "die-ids":
		s.dieIDs = list(0, math.MaxInt32)
	case "cluster":
		s.cluster = number(1, maxCPUs)
	case "memory":
		s.memory, err = parseSize(value)
	case "distance":
		if s.distance = list(minDistance, maxDistance); err == nil && len(s.distance) != 2 && len(s.distance) != 3 {
			err = fmt.Errorf("distance=%s: want local,remote or local,same-socket,remote, like 10,21", clip(value))
		}
	default:
		return errors.New("unknown key " + quoteNear(key, shapeKeys()))
	}
	return err
}

// unknownArch stands for an architecture that a tree did not tell.
const unknownArch = "unknown"

// isName accepts letters, digits and a little punctuation.
func isName(s string) bool {
	return s != "" && len(s) <= 80 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.+", r))
	})
}

// sizeUnits are the units of a size; a kernel's kB are 1,024 bytes.
func sizeUnits() []struct {
	name  string
	bytes uint64
} {
	return []struct {
		name  string
		bytes uint64
	}{
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"kB", 1 << 10},
		{"Ti", 1 << 40},
		{"Gi", 1 << 30},
		{"Mi", 1 << 20},
		{"Ki", 1 << 10},
	}
}

// parseSize reads a size like 192GiB, 388492316kB or 0, in whole KiB as the
// kernel counts.
func parseSize(text string) (uint64, error) {
	wrong := fmt.Errorf("%q is no size; want a whole number with KiB, MiB, GiB or TiB, like 192GiB", clip(text))
	digits, unit := text, uint64(1)
	for _, u := range sizeUnits() {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > math.MaxInt64/unit || n*unit%1024 != 0 {
		return 0, wrong
	}
	return n * unit, nil
}

// formatSize writes a size that parseSize reads back, in the largest unit that
// fits without a remainder.
func formatSize(n uint64) string {
	for _, u := range sizeUnits()[:4] {
		if n != 0 && n%u.bytes == 0 {
			return strconv.FormatUint(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatUint(n, 10)
}
