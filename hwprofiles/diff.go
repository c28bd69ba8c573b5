package hwprofiles

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cadvisor/lib/model"
	"k8s.io/utils/cpuset"
)

// Differences states, in plain words, where the kubelet's view of a machine
// differs from the kernel's. The order is fixed; no differences give an empty
// list, and so does a machine that the kubelet cannot read, for which mi is nil.
func Differences(p *Profile, mi *model.MachineInfo) []string {
	if mi == nil {
		return []string{}
	}
	d := &differ{p: p, mi: mi, seen: map[int]seenCPU{}, out: []string{}}
	d.collect()
	d.cpus()
	d.cores()
	d.sockets()
	d.nodes()
	d.caches()
	return d.out
}

// seenCPU is one CPU as cadvisor shows it.
type seenCPU struct {
	node, core, socket int
	threads            cpuset.CPUSet
	// uncore is what the CPU manager aligns to: the first uncore cache, or
	// the socket where cadvisor names none.
	uncore   int
	isUncore bool
}

type differ struct {
	p     *Profile
	mi    *model.MachineInfo
	seen  map[int]seenCPU
	twice []int
	out   []string
}

// fold adds the lines of one kind: all, or of many the first two.
func (d *differ) fold(lines []string) {
	const most = 4
	if len(lines) > most {
		lines = append(lines[:2:2], fmt.Sprintf("… and %d more like these", len(lines)-2))
	}
	d.out = append(d.out, lines...)
}

func (d *differ) say(format string, args ...any) {
	d.out = append(d.out, fmt.Sprintf(format, args...))
}

func (d *differ) collect() {
	for _, n := range d.mi.Topology {
		for _, core := range n.Cores {
			s := seenCPU{node: n.Id, core: core.Id, socket: core.SocketID, threads: cpuset.New(core.Threads...), uncore: core.SocketID}
			if len(core.UncoreCaches) > 0 {
				s.uncore, s.isUncore = core.UncoreCaches[0].Id, true
			}
			for _, id := range core.Threads {
				if _, ok := d.seen[id]; ok {
					d.twice = append(d.twice, id)
				}
				d.seen[id] = s
			}
		}
	}
}

// these writes "CPU 3" or "CPUs 3-5".
func these(set cpuset.CPUSet) string {
	if set.Size() == 1 {
		return "CPU " + set.String()
	}
	return "CPUs " + set.String()
}

func theseAre(set cpuset.CPUSet) string {
	if set.Size() == 1 {
		return these(set) + " is"
	}
	return these(set) + " are"
}

// cpus compares which CPUs there are.
func (d *differ) cpus() {
	var offline, noTopology, noNode, unseen, ghosts []int
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		_, seen := d.seen[c.ID]
		switch {
		case !c.Online && seen:
			ghosts = append(ghosts, c.ID)
		case !c.Online:
			offline = append(offline, c.ID)
		case seen:
		case c.NoTopology:
			noTopology = append(noTopology, c.ID)
		case c.NUMANode == None:
			noNode = append(noNode, c.ID)
		default:
			unseen = append(unseen, c.ID)
		}
	}
	for id := range d.seen {
		if _, ok := d.p.index(id); !ok {
			ghosts = append(ghosts, id)
		}
	}
	for _, f := range []struct {
		ids  []int
		text string
	}{
		{offline, "offline: the kubelet does not count them"},
		{noTopology, "online, but the kubelet does not see them: the kernel gives no core_id or physical_package_id"},
		{noNode, "online, but the kubelet does not see them: they are in no NUMA node"},
		{unseen, "online, but the kubelet does not see them"},
		{ghosts, "not online, but the kubelet counts them"},
		{d.twice, "counted more than once by the kubelet"},
	} {
		if len(f.ids) > 0 {
			set := cpuset.New(f.ids...)
			verb, text := "are", f.text
			if set.Size() == 1 {
				verb = "is"
				text = strings.NewReplacer(" them", " it", "they are", "it is").Replace(text)
			}
			d.say("%s %s %s", these(set), verb, text)
		}
	}
	online := d.p.OnlineCPUs().Size()
	if explained := len(noTopology) + len(noNode) + len(unseen) + len(ghosts) + len(d.twice); d.mi.NumCores != online && explained == 0 {
		d.say("the kubelet counts %d CPUs in all; %d are online", d.mi.NumCores, online)
	}
}

// cores compares which CPUs share a core.
func (d *differ) cores() {
	done := map[string]bool{}
	var merged []string
	split := 0
	example := ""
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		s, ok := d.seen[c.ID]
		if !ok || s.threads.Equals(c.Siblings) {
			continue
		}
		if s.threads.IsSubsetOf(c.Siblings) {
			visible := cpuset.New()
			for _, id := range c.Siblings.UnsortedList() {
				if _, ok := d.seen[id]; ok {
					visible = visible.Union(cpuset.New(id))
				}
			}
			if !visible.Equals(s.threads) {
				if split++; example == "" {
					example = c.Siblings.String()
				}
			}
			continue
		}
		key := s.threads.String()
		if done[key] {
			continue
		}
		done[key] = true
		sockets := map[int]bool{}
		cores := map[int]bool{}
		for _, id := range s.threads.UnsortedList() {
			if o, ok := d.p.CPU(id); ok {
				sockets[o.Package] = true
				cores[lowest(o.Siblings)] = true
			}
		}
		where := ""
		if len(sockets) > 1 {
			where = fmt.Sprintf(" on %d sockets", len(sockets))
		}
		merged = append(merged, fmt.Sprintf("the kubelet takes %s for one core (core id %d of socket %d); the kernel has %d cores there%s", these(s.threads), s.core, s.socket, len(cores), where))
	}
	d.fold(merged)
	if split > 0 {
		d.say("the kubelet takes the threads of %d CPUs' cores for cores of their own, such as CPUs %s", split, example)
	}
}

// sockets compares sockets: their number and which CPUs are on one.
func (d *differ) sockets() {
	if n := d.p.NumSockets(); n != 0 && n != d.mi.NumSockets {
		d.say("the kubelet counts %s; the kernel's package masks show %d", plural(d.mi.NumSockets, "socket"), n)
	}
	packages := map[int]map[int]bool{} // kubelet's socket -> kernel's packages
	var moved []int
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		s, ok := d.seen[c.ID]
		if !ok || c.Package == None {
			continue
		}
		if packages[s.socket] == nil {
			packages[s.socket] = map[int]bool{}
		}
		packages[s.socket][c.Package] = true
		if s.socket != c.Socket {
			moved = append(moved, c.ID)
		}
	}
	for _, socket := range slices.Sorted(maps.Keys(packages)) {
		if n := len(packages[socket]); n > 1 {
			d.say("socket %d of the kubelet is %d sockets in the kernel's package masks", socket, n)
		}
	}
	if len(moved) > 0 {
		d.say("%s: the kubelet has another socket id than the kernel", these(cpuset.New(moved...)))
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// nodes compares NUMA nodes, their CPUs, memory and distances.
func (d *differ) nodes() {
	if len(d.p.NUMANodes) == 0 {
		d.say("the kernel has no NUMA nodes; the kubelet makes a node of each socket id (%d), without memory", len(d.mi.Topology))
		return
	}
	theirs := map[int]*model.Node{}
	for i := range d.mi.Topology {
		theirs[d.mi.Topology[i].Id] = &d.mi.Topology[i]
	}
	for i := range d.p.NUMANodes {
		n := &d.p.NUMANodes[i]
		t, ok := theirs[n.ID]
		delete(theirs, n.ID)
		if !ok {
			d.say("NUMA node %d is missing in the kubelet's view", n.ID)
			continue
		}
		if t.Memory != n.MemoryBytes {
			d.say("NUMA node %d has %d bytes of memory; the kubelet counts %d", n.ID, n.MemoryBytes, t.Memory)
		}
		same := len(t.Distances) == len(n.Distances)
		for j := 0; same && j < len(n.Distances); j++ {
			same = uint64(n.Distances[j]) == t.Distances[j]
		}
		if !same {
			d.say("NUMA node %d has distances %v; the kubelet reads %v", n.ID, n.Distances, t.Distances)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(theirs)) {
		d.say("NUMA node %d of the kubelet's view does not exist", id)
	}
	moved := map[[2]int][]int{}
	for i := range d.p.CPUs {
		c := &d.p.CPUs[i]
		if s, ok := d.seen[c.ID]; ok && s.node != c.NUMANode && c.Online {
			key := [2]int{c.NUMANode, s.node}
			moved[key] = append(moved[key], c.ID)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(moved), func(a, b [2]int) int { return slices.Compare(a[:], b[:]) }) {
		d.say("%s: in NUMA node %d for the kernel, in node %d for the kubelet", these(cpuset.New(moved[key]...)), key[0], key[1])
	}
}

// caches compares which CPUs the CPU manager takes to share an uncore cache.
func (d *differ) caches() {
	if len(d.p.UncoreCaches) == 0 {
		return
	}
	groups := map[int][]int{}
	isCache := map[int]bool{}
	for i := range d.p.CPUs {
		id := d.p.CPUs[i].ID
		if s, ok := d.seen[id]; ok {
			groups[s.uncore] = append(groups[s.uncore], id)
			isCache[s.uncore] = isCache[s.uncore] || s.isUncore
		}
	}
	var lines []string
	for _, uncore := range slices.Sorted(maps.Keys(groups)) {
		set := cpuset.New(groups[uncore]...)
		var ids, without []int
		whole := cpuset.New()
		for _, u := range d.p.UncoreCaches {
			if !u.CPUs.Intersection(set).IsEmpty() {
				ids = append(ids, u.ID)
				whole = whole.Union(u.CPUs)
			}
		}
		for _, id := range groups[uncore] {
			if c, _ := d.p.CPU(id); c.UncoreCache == None {
				without = append(without, id)
			}
		}
		what := fmt.Sprintf("to the kubelet %s share uncore cache %d", these(set), uncore)
		if !isCache[uncore] {
			what = fmt.Sprintf("to the kubelet %s have no uncore cache of their own and go by socket %d", these(set), uncore)
		}
		switch {
		case len(ids) > 1:
			lines = append(lines, fmt.Sprintf("%s; the kernel has %d L3 caches there: %s", what, len(ids), formatSequence(ids)))
		case len(ids) == 1 && len(without) > 0:
			lines = append(lines, fmt.Sprintf("%s; the kernel gives %s no L3 cache", what, these(cpuset.New(without...))))
		case len(ids) == 1 && len(d.seen) == d.p.OnlineCPUs().Size() && !set.Equals(whole):
			lines = append(lines, fmt.Sprintf("%s; the kernel has them in L3 cache %d with %s", what, ids[0], these(whole.Difference(set))))
		}
	}
	d.fold(lines)
}
