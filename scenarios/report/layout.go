package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
)

// core is one column of the map: its CPUs one below the other.
type core struct {
	cpus  []int
	cache int
}

// block is a part of the machine that the map shows in rows of its own: the
// cores of one kind of one NUMA node in one socket.
type block struct {
	socket, node int
	kind         string
	cores        []core
	// grouped says that some of the cores share a cache, so that caches are
	// worth showing.
	grouped bool
	// detached are offline CPUs whose core the kernel does not show.
	detached []int
}

// blocks divides a machine. Cores are put in the order of their lowest CPU
// within their cache.
func blocks(p *hwprofiles.Profile) []block {
	type key struct {
		socket, node int
		kind         string
	}
	index := map[key]int{}
	var all []block
	at := func(k key) *block {
		i, ok := index[k]
		if !ok {
			i = len(all)
			index[k] = i
			all = append(all, block{socket: k.socket, node: k.node, kind: k.kind})
		}
		return &all[i]
	}
	home := p.NodeSockets()
	for i := range p.CPUs {
		c := &p.CPUs[i]
		if !c.Online && c.Socket == hwprofiles.None && c.Core == hwprofiles.None {
			socket, ok := home[c.NUMANode]
			if !ok {
				socket = hwprofiles.None
			}
			b := at(key{socket, c.NUMANode, ""})
			b.detached = append(b.detached, c.ID)
			continue
		}
		siblings := c.Siblings.List()
		if len(siblings) == 0 {
			siblings = []int{c.ID}
		}
		if siblings[0] != c.ID {
			continue
		}
		b := at(key{c.SocketLabel(), c.NUMANode, c.Kind})
		b.cores = append(b.cores, core{cpus: siblings, cache: c.UncoreCache})
	}
	for i := range all {
		b := &all[i]
		byCache(b.cores)
		for j := 1; j < len(b.cores) && !b.grouped; j++ {
			b.grouped = b.cores[j].cache == b.cores[j-1].cache
		}
	}
	slices.SortStableFunc(all, func(a, b block) int {
		// Offline CPUs that the kernel gives no socket come last.
		return cmp.Or(cmp.Compare(uint(a.socket), uint(b.socket)), cmp.Compare(uint(a.node), uint(b.node)))
	})
	return all
}

// byCache brings the cores of one cache together, caches in the order of
// their lowest CPU.
func byCache(cores []core) {
	first := map[int]int{}
	for _, c := range cores {
		if lowest, ok := first[c.cache]; !ok || c.cpus[0] < lowest {
			first[c.cache] = c.cpus[0]
		}
	}
	slices.SortStableFunc(cores, func(a, b core) int {
		return cmp.Or(cmp.Compare(first[a.cache], first[b.cache]), cmp.Compare(a.cpus[0], b.cpus[0]))
	})
}

// threads is the number of rows a block needs.
func (b *block) threads() int {
	n := 0
	for i := range b.cores {
		n = max(n, len(b.cores[i].cpus))
	}
	return n
}

// gap says how wide the space before column i is: two where another cache
// begins, one after each eight cores of a long run.
func (b *block) gap(i int) int {
	if i == 0 {
		return 0
	}
	if !b.sameCache(i) {
		return 2
	}
	run := 0
	for j := i; j > 0 && b.sameCache(j); j-- {
		run++
	}
	if run%8 == 0 {
		return 1
	}
	return 0
}

// sameCache says whether column i shows the same cache as the one before.
func (b *block) sameCache(i int) bool {
	return !b.grouped || b.cores[i].cache == b.cores[i-1].cache
}

// lines cuts a block into lines of at most so many characters: as few as
// possible, of even length, at gaps where there are any. It returns the index
// of each line's first core.
func (b *block) lines(width int) []int {
	var gaps []int // the cores that may begin a line
	for i := range b.cores {
		if i == 0 || b.gap(i) > 0 {
			gaps = append(gaps, i)
		}
	}
	for count := 1; count <= len(gaps); count++ {
		starts := make([]int, 0, count)
		for line := range count {
			starts = append(starts, gaps[line*len(gaps)/count])
		}
		if b.fits(starts, width) {
			return starts
		}
	}
	// Not even single groups fit: cut anywhere.
	var starts []int
	for i := 0; i < len(b.cores); i += max(width, 1) {
		starts = append(starts, i)
	}
	return starts
}

func (b *block) fits(starts []int, width int) bool {
	for line, first := range starts {
		last := len(b.cores)
		if line+1 < len(starts) {
			last = starts[line+1]
		}
		used := 1
		for i := first + 1; i < last; i++ {
			used += 1 + b.gap(i)
		}
		if used > width {
			return false
		}
	}
	return true
}

// maxRuler bounds the rulers that list uneven CPUs.
const maxRuler = 14

// ruler says which CPUs stand in a row: "0-23", with steps "0,2..46", with
// uneven steps "0-7,16-23", or "0..95" where that is too long.
func ruler(ids []int) string {
	first, last := ids[0], ids[len(ids)-1]
	if len(ids) == 1 {
		return strconv.Itoa(first)
	}
	step, even := ids[1]-first, true
	for i := 1; i < len(ids); i++ {
		even = even && ids[i]-ids[i-1] == step
	}
	switch {
	case !even:
		if list := cpuset.New(ids...).String(); len(list) <= maxRuler && slices.IsSorted(ids) {
			return list
		}
		return fmt.Sprintf("%d..%d", first, last)
	case step == 1:
		return fmt.Sprintf("%d-%d", first, last)
	case len(ids) == 2:
		return fmt.Sprintf("%d,%d", first, last)
	default:
		return fmt.Sprintf("%d,%d..%d", first, ids[1], last)
	}
}
