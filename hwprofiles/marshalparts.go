package hwprofiles

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/cpuset"
)

// text writes a shape in the notation of ParseShape, defaults left out.
func (s *shape) text() string {
	var words []string
	add := func(key, value string) { words = append(words, key+"="+value) }
	if s.arch != "x86_64" {
		add("arch", s.arch)
	}
	if s.sockets != 1 {
		add("sockets", strconv.Itoa(s.sockets))
	}
	if s.nodes != s.sockets {
		add("nodes", strconv.Itoa(s.nodes))
	}
	add("cores", formatSequence(s.cores))
	if s.threads != 1 {
		add("threads", strconv.Itoa(s.threads))
	}
	if order := formatOrder(s.order); order != "block" {
		add("numbering", order)
	}
	for _, l := range []struct {
		key string
		ids []int
	}{{"socket-ids", s.socketIDs}, {"node-ids", s.nodeIDs}, {"core-ids", s.coreIDs}, {"node-cores", s.nodeCores}, {"die-ids", s.dieIDs}, {"distance", s.distance}} {
		if l.ids != nil {
			add(l.key, formatSequence(l.ids))
		}
	}
	for _, n := range []struct {
		key string
		n   int
	}{{"dies", s.dies}, {"cluster", s.cluster}} {
		if n.n != 0 {
			add(n.key, strconv.Itoa(n.n))
		}
	}
	switch {
	case s.l3.parts > 0:
		add("l3", "1/"+strconv.Itoa(s.l3.parts))
	case s.l3.cores > 0:
		add("l3", strconv.Itoa(s.l3.cores))
	case s.l3.per != "socket":
		add("l3", s.l3.per)
	}
	if s.l3Size != 0 {
		add("l3-size", formatSize(s.l3Size))
	}
	if s.memory != 0 {
		add("memory", formatSize(s.memory))
	}
	return strings.Join(words, " ")
}

// head writes everything up to the shape.
func (m *marshaller) head(p *Profile) {
	fmt.Fprintf(&m.b, "name: %s\n", scalar(fileName(p.Name)))
	if p.Description != "" {
		fmt.Fprintf(&m.b, "description: %s\n", scalar(p.Description))
	}
	if len(p.Sources) > 0 {
		m.b.WriteString("sources:\n")
		for _, s := range p.Sources {
			fmt.Fprintf(&m.b, "- %s\n", scalar(s))
		}
	}
	if m.s.arch == "" {
		m.s.arch = unknownArch
	}
	fmt.Fprintf(&m.b, "shape: %s\n", m.s.text())
	var sum uint64
	for i := range p.NUMANodes {
		sum += p.NUMANodes[i].MemoryBytes
	}
	if len(p.NUMANodes) == 0 || sum != p.MemoryBytes {
		fmt.Fprintf(&m.b, "memory: %s\n", formatSize(p.MemoryBytes))
	}
	if p.NoCacheIDs {
		m.b.WriteString("noCacheIDs: true\n")
	}
}

// fileName makes a valid profile name of any text.
func fileName(name string) string {
	name = strings.Map(func(r rune) rune {
		if isName(string(r)) {
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if name = strings.Trim(name[:min(len(name), 80)], "-"); name == "" {
		return "machine"
	}
	return name
}

// nodes writes the nodes that differ from the shape's.
func (m *marshaller) nodes() {
	if len(m.p.NUMANodes) == 0 {
		return
	}
	lists := !m.sameField("node", m.base, m.p)
	var lines []string
	for i := range m.p.NUMANodes {
		n := &m.p.NUMANodes[i]
		line := fmt.Sprintf("- {id: %d", n.ID)
		base, inShape := m.base.Node(n.ID)
		changed := !inShape
		if cpus := m.p.CPUsInNode(n.ID); lists && (inShape || !cpus.IsEmpty()) {
			changed = true
			line += ", cpus: " + strconv.Quote(cpus.String())
		}
		if !n.AbsentCPUs.IsEmpty() {
			changed = true
			line += ", absent: " + strconv.Quote(n.AbsentCPUs.String())
		}
		if n.MemoryBytes != base.MemoryBytes {
			changed = true
			line += ", memory: " + formatSize(n.MemoryBytes)
		}
		if len(n.HugePages) > 0 {
			changed = true
			var pages []string
			for _, size := range slices.Sorted(maps.Keys(n.HugePages)) {
				pages = append(pages, fmt.Sprintf("%s: %d", formatSize(size), n.HugePages[size]))
			}
			line += ", hugePages: {" + strings.Join(pages, ", ") + "}"
		}
		if changed {
			lines = append(lines, line+"}\n")
		}
	}
	if len(lines) > 0 {
		m.b.WriteString("nodes:\n" + strings.Join(lines, ""))
	}
}

// distances writes the matrix where the shape's rule does not give it.
func (m *marshaller) distances() {
	same := slices.EqualFunc(m.base.NUMANodes, m.p.NUMANodes, func(a, b NUMANode) bool {
		return a.ID == b.ID && slices.Equal(a.Distances, b.Distances)
	})
	if same || len(m.p.NUMANodes) == 0 {
		return
	}
	known := false
	for _, n := range m.p.NUMANodes {
		known = known || len(n.Distances) > 0
	}
	if !known {
		m.b.WriteString("distances: []\n")
		return
	}
	m.b.WriteString("distances:\n")
	for _, n := range m.p.NUMANodes {
		var words []string
		for i := 0; i < len(n.Distances); {
			j := i
			for j < len(n.Distances) && n.Distances[j] == n.Distances[i] {
				j++
			}
			word := strconv.Itoa(n.Distances[i])
			if j-i > 2 {
				word += "x" + strconv.Itoa(j-i)
				i = j
			} else {
				i++
			}
			words = append(words, word)
		}
		if len(words) == 0 {
			words = []string{"unknown"}
		}
		fmt.Fprintf(&m.b, "- %s\n", strings.Join(words, " "))
	}
}

// caches writes the L3 caches of another size or level than the common one.
func (m *marshaller) caches() {
	var lines []string
	for _, u := range m.p.UncoreCaches {
		line := fmt.Sprintf("- {id: %d", u.ID)
		if u.SizeBytes != m.s.l3Size {
			line += ", size: " + formatSize(u.SizeBytes)
		}
		if u.Level != 3 {
			line += fmt.Sprintf(", level: %d", u.Level)
		}
		if strings.Contains(line, ",") {
			lines = append(lines, line+"}\n")
		}
	}
	if len(lines) > 0 {
		m.b.WriteString("caches:\n" + strings.Join(lines, ""))
	}
}

// cpus writes the fields of CPUs that differ from the shape's.
func (m *marshaller) cpus() {
	var lines []string
	add := func(key, value string) { lines = append(lines, "  "+key+": "+value+"\n") }
	ids := make([]int, len(m.p.CPUs))
	for i := range m.p.CPUs {
		ids[i] = m.p.CPUs[i].ID
	}
	if unlessCounting(ids) != nil {
		add("ids", strconv.Quote(formatSequence(ids)))
	}
	if !m.p.Possible.Equals(cpuset.New(ids...)) {
		add("possible", strconv.Quote(m.p.Possible.String()))
	}
	m.siblings(&lines)
	regroup := false
	for _, name := range fieldNames() {
		switch {
		case name == "kind":
			m.kinds(&lines)
			continue
		case name == "node":
			if none := m.p.CPUsWhere(func(c *CPU) bool { return c.NUMANode == None }); !none.IsEmpty() && len(m.p.NUMANodes) > 0 {
				add("node", "{none: "+strconv.Quote(none.String())+"}")
			}
			continue
		case name == "package":
			continue // after the others, which may decide it
		case m.sameField(name, m.base, m.p):
			continue
		}
		regroup = regroup || name == "socket" || name == "book" || name == "drawer"
		add(name, m.values(name))
	}
	base := m.base.Clone()
	if regroup {
		for i := range base.CPUs {
			c := &m.p.CPUs[i]
			base.CPUs[i].Socket, base.CPUs[i].Book, base.CPUs[i].Drawer = c.Socket, c.Book, c.Drawer
		}
		base.regroupPackages()
		base.renumberPackages()
	}
	if !m.sameField("package", base, m.p) || regroup && len(m.noTopology)+len(m.unplaced) > 0 {
		add("package", m.values("package"))
	}
	for _, l := range []struct {
		key string
		ids []int
	}{{"noTopology", m.noTopology}, {"offline", m.offline}, {"unplaced", m.unplaced}} {
		if len(l.ids) > 0 {
			add(l.key, setOf(l.ids))
		}
	}
	if len(lines) > 0 {
		m.b.WriteString("cpus:\n" + strings.Join(lines, ""))
	}
}

// siblings lists whole cores where the shape has other ones.
func (m *marshaller) siblings(lines *[]string) {
	var cores []string
	for i := range m.p.CPUs {
		c := &m.p.CPUs[i]
		if m.placed(i) && lowest(c.Siblings) == c.ID {
			cores = append(cores, strconv.Quote(c.Siblings.String()))
		}
	}
	for i := range m.p.CPUs {
		if m.placed(i) && !m.base.CPUs[i].Siblings.Equals(m.p.CPUs[i].Siblings) {
			*lines = append(*lines, "  siblings: ["+strings.Join(cores, ", ")+"]\n")
			return
		}
	}
}

// values writes a field in the shorter of its forms.
func (m *marshaller) values(name string) string {
	byValue := map[int][]int{}
	var inTurn []int
	sequence := true
	for i := range m.p.CPUs {
		v := *m.p.CPUs[i].field(name)
		if !m.counts(name, i) {
			v = max(0, *m.base.CPUs[i].field(name))
		}
		byValue[v] = append(byValue[v], m.p.CPUs[i].ID)
		inTurn = append(inTurn, v)
		sequence = sequence && v != None
	}
	id := func(v int) string {
		if v == None {
			return "none"
		}
		return strconv.Itoa(v)
	}
	if len(byValue) == 1 {
		return id(inTurn[0])
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(byValue)) {
		parts = append(parts, id(v)+": "+setOf(byValue[v]))
	}
	mapping := "{" + strings.Join(parts, ", ") + "}"
	if list := strconv.Quote(formatSequence(inTurn)); sequence && len(list) < len(mapping) {
		return list
	}
	return mapping
}

func (m *marshaller) kinds(lines *[]string) {
	byKind := map[string][]int{}
	for i := range m.p.CPUs {
		if c := &m.p.CPUs[i]; c.Kind != "" {
			byKind[c.Kind] = append(byKind[c.Kind], c.ID)
		}
	}
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		parts = append(parts, kind+": "+setOf(byKind[kind]))
	}
	if len(parts) > 0 {
		*lines = append(*lines, "  kind: {"+strings.Join(parts, ", ")+"}\n")
	}
}
