package hwprofiles

import (
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
)

// fact is what a listing says of a machine. Lists are copied from listings as
// they stand there; nothing is computed the way the profiles are.
type fact struct {
	name string
	// nodes are all NUMA nodes with their CPUs: "0: 0-3; 1: 4-7; 2:".
	nodes string
	// siblings is the rule: "none", "+48", "+32 +64 +96", "adjacent 4".
	siblings string
	// l3 is the number of L3 caches and some of them: "16: 0-2,48-50; 3-5,51-53".
	l3 string
	// distances are rows by node: "0: 10 21; 1: 21 10". All nodes need not be.
	distances string
	// sockets are the kernel's ids with their online CPUs, all of them.
	sockets string
	// cores are core ids of some CPUs: "0:0 3:4".
	cores   string
	offline string
	// memory is in MiB by node: "1: 31584".
	memory string
	// packages are counted from 0, all of them; clusters and books are the
	// kernel's ids, some of them. All with their online CPUs.
	packages, clusters, books string
	// absent are the CPUs that a node lists and that do not exist.
	absent string
}

func TestProfilesMatchTheirFacts(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range append(epycFacts(), append(xeonFacts(), otherFacts()...)...) {
		seen[f.name] = true
		t.Run(f.name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := Load(f.name)
			g.Expect(err).NotTo(HaveOccurred())
			checkNodes(g, p, f)
			checkSiblings(g, p, f.siblings)
			checkL3(g, p, f.l3)
			for node, row := range entries(f.distances) {
				n, ok := p.Node(atoi(node))
				g.Expect(ok).To(BeTrue())
				g.Expect(formatDistances(n.Distances)).To(Equal(row), "distances of node %s", node)
			}
			if f.sockets != "" {
				sockets := map[string]string{}
				for _, id := range p.Sockets() {
					sockets[strconv.Itoa(id)] = p.CPUsWhere(func(c *CPU) bool { return c.Online && c.Socket == id }).String()
				}
				g.Expect(sockets).To(Equal(canonical(entries(f.sockets))))
			}
			checkGroups(g, p, f)
			for _, pair := range strings.Fields(f.cores) {
				cpu, core, _ := strings.Cut(pair, ":")
				c, _ := p.CPU(atoi(cpu))
				g.Expect(c.Core).To(Equal(atoi(core)), "core id of CPU %s", cpu)
			}
			for node, mib := range entries(f.memory) {
				n, _ := p.Node(atoi(node))
				g.Expect(n.MemoryBytes>>20).To(BeEquivalentTo(atoi(mib)), "memory of node %s", node)
			}
			g.Expect(p.AllCPUs().Difference(p.OnlineCPUs()).String()).To(Equal(f.offline))
		})
	}
	for _, name := range Names() {
		if !seen[name] {
			t.Errorf("profile %s has no facts to check it by", name)
		}
	}
}

func checkGroups(g *WithT, p *Profile, f fact) {
	for _, level := range []struct {
		facts string
		of    func(*CPU) int
	}{
		{f.packages, func(c *CPU) int { return c.Package }},
		{f.clusters, func(c *CPU) int { return c.Cluster }},
		{f.books, func(c *CPU) int { return c.Book }},
	} {
		for id, list := range canonical(entries(level.facts)) {
			cpus := p.CPUsWhere(func(c *CPU) bool { return c.Online && level.of(c) == atoi(id) })
			g.Expect(cpus.String()).To(Equal(list), "group %s", id)
		}
	}
	if f.packages != "" {
		g.Expect(p.NumSockets()).To(Equal(len(entries(f.packages))))
	}
	absent := entries(f.absent)
	for i := range p.NUMANodes {
		n := &p.NUMANodes[i]
		g.Expect(n.AbsentCPUs.String()).To(Equal(absent[strconv.Itoa(n.ID)]), "absent CPUs of node %d", n.ID)
	}
}

// entries takes "0: a; 1: b" apart.
func entries(text string) map[string]string {
	m := map[string]string{}
	for item := range strings.SplitSeq(text, ";") {
		if key, value, ok := strings.Cut(item, ":"); ok {
			m[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return m
}

// canonical writes lists such as "19,20" as a kernel would: "19-20".
func canonical(lists map[string]string) map[string]string {
	out := map[string]string{}
	for key, list := range lists {
		set, err := cpuset.Parse(strings.Join(strings.Fields(list), ","))
		if err != nil {
			panic(err)
		}
		out[key] = set.String()
	}
	return out
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

func checkNodes(g *WithT, p *Profile, f fact) {
	got := map[string]string{}
	for _, id := range p.NodeIDs() {
		got[strconv.Itoa(id)] = p.CPUsInNode(id).String()
	}
	g.Expect(got).To(Equal(canonical(entries(f.nodes))))
	for i := range p.NUMANodes {
		row := p.NUMANodes[i].Distances
		g.Expect(row).To(HaveLen(len(p.NUMANodes)))
		g.Expect(row[i]).To(Equal(10), "distance of node %d to itself", p.NUMANodes[i].ID)
	}
}

// hybridRule leaves the siblings to TestHybridProfiles.
const hybridRule = "hybrid"

func itoa(n int) string { return strconv.Itoa(n) }

func checkSiblings(g *WithT, p *Profile, rule string) {
	if rule == hybridRule {
		return
	}
	online := p.OnlineCPUs()
	done := cpuset.New()
	for _, id := range online.List() {
		if done.Contains(id) {
			continue
		}
		core := []int{id}
		if n, ok := strings.CutPrefix(rule, "adjacent "); ok {
			g.Expect(id%atoi(n)).To(BeZero(), "CPU %d begins a core", id)
			for i := 1; i < atoi(n); i++ {
				core = append(core, id+i)
			}
		} else if rule != "none" {
			for step := range strings.FieldsSeq(rule) {
				core = append(core, id+atoi(step[1:]))
			}
		}
		set := cpuset.New(core...).Intersection(online)
		for _, cpu := range set.List() {
			c, _ := p.CPU(cpu)
			g.Expect(c.Siblings.String()).To(Equal(set.String()), "siblings of CPU %d", cpu)
		}
		done = done.Union(set)
	}
	for _, id := range p.AllCPUs().Difference(online).List() {
		c, _ := p.CPU(id)
		g.Expect(c.Siblings.String()).To(Equal(strconv.Itoa(id)))
	}
}

func checkL3(g *WithT, p *Profile, facts string) {
	number, groups, _ := strings.Cut(facts, ":")
	g.Expect(p.UncoreCaches).To(HaveLen(atoi(number)), "number of L3 caches")
	covered := 0
	sets := []string{}
	for _, u := range p.UncoreCaches {
		sets = append(sets, u.CPUs.String())
		covered += u.CPUs.Size()
	}
	for list := range strings.SplitSeq(groups, ";") {
		if list = strings.TrimSpace(list); list != "" {
			g.Expect(sets).To(ContainElement(canonical(map[string]string{"": list})[""]))
		}
	}
	if len(sets) > 0 && p.Name != "core-ultra-225u" {
		g.Expect(covered).To(Equal(p.OnlineCPUs().Size()), "every CPU has an L3")
	}
}

func TestHybridProfiles(t *testing.T) {
	g := NewWithT(t)
	p, err := Load("core-i7-1370p")
	g.Expect(err).NotTo(HaveOccurred())
	for id, want := range map[int]string{0: "0-1", 1: "0-1", 10: "10-11", 11: "10-11", 12: "12", 19: "19"} {
		c, _ := p.CPU(id)
		g.Expect(c.Siblings.String()).To(Equal(want))
	}
	kind := func(p *Profile, kind string) string {
		return p.CPUsWhere(func(c *CPU) bool { return c.Kind == kind }).String()
	}
	g.Expect(kind(p, "P")).To(Equal("0-11"))
	g.Expect(kind(p, "E")).To(Equal("12-19"))
	p, err = Load("core-ultra-225u")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kind(p, "LP-E")).To(Equal("12-13"))
	g.Expect(p.CPUsWhere(func(c *CPU) bool { return c.UncoreCache == None }).String()).To(Equal("12-13"))
	p, err = Load("nvidia-gb10")
	g.Expect(err).NotTo(HaveOccurred())
	kinds := map[string]bool{}
	for _, c := range p.CPUs {
		kinds[c.Kind] = true
	}
	g.Expect(kinds).To(HaveLen(5))
	g.Expect(p.UncoreCaches[0].SizeBytes).To(BeEquivalentTo(8 << 20))
	g.Expect(p.UncoreCaches[1].SizeBytes).To(BeEquivalentTo(16 << 20))
}

// steps writes out a list such as 0,4,8 … 76, as even/odd machines show it.
func steps(first, step, last int) string {
	var ids []string
	for id := first; id <= last; id += step {
		ids = append(ids, strconv.Itoa(id))
	}
	return strings.Join(ids, ",")
}

func TestEveryProfileSaysWhereItIsFrom(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := Load(name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(p.Name).To(Equal(name))
			g.Expect(p.Description).NotTo(BeEmpty())
			if !strings.HasPrefix(name, "generic-") {
				g.Expect(p.Sources).NotTo(BeEmpty())
			}
			g.Expect(p.MemoryBytes).NotTo(BeZero())
			source, err := Source(name)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(strings.Count(string(source), "\n")).To(BeNumerically("<", 60), "a profile is a shape, not a list")
		})
	}
}

func TestEveryProfileIsTheSameAfterItsFilesAndItsText(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := Load(name)
			g.Expect(err).NotTo(HaveOccurred())
			detected, err := Detect(newMemFS(p))
			g.Expect(err).NotTo(HaveOccurred())
			expectSame(g, detected, p)
			g.Expect(detected.Notes).To(BeEmpty())
			text, err := p.MarshalProfile()
			g.Expect(err).NotTo(HaveOccurred())
			parsed, err := Parse(text, "profile.yaml")
			g.Expect(err).NotTo(HaveOccurred())
			expectSame(g, parsed, p)
			// What detection knows of offline CPUs is less, but can be written.
			text, err = detected.MarshalProfile()
			g.Expect(err).NotTo(HaveOccurred())
			parsed, err = Parse(text, "profile.yaml")
			g.Expect(err).NotTo(HaveOccurred())
			expectSame(g, parsed, p)
		})
	}
}

func TestMarshalledShapesStayShort(t *testing.T) {
	for name, want := range map[string]string{
		"xeon-2s24c-smt2":    "shape: sockets=2 cores=24 threads=2 distance=10,21 l3-size=36608KiB memory=192GiB\n",
		"xeon-6230-2s-snc2":  "numbering=round-robin node-ids=0,2,1,3 core-ids=0-2,8-9,16-18,24-25,4,3,12,11,10,20,19,28,27,26",
		"epyc-9654-2s-nps4":  "die-ids=0,4,8,2,6,10,3,7,11,1,5,9",
		"thunderx2-2s-smt4":  "numbering=socket/thread/node/core",
		"power10-lpar-1920":  "l3=1/2",
		"xeon-6980p-2s-snc3": "shape: sockets=2 nodes=6 cores=128 threads=2 distance=10,15,21 l3-size=504MiB memory=256GiB\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := Load(name)
			g.Expect(err).NotTo(HaveOccurred())
			text, err := p.MarshalProfile()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(text)).To(ContainSubstring(want))
			g.Expect(string(text)).NotTo(ContainSubstring("cpus:"))
		})
	}
}
