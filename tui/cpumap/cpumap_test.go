package cpumap

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/paint"
)

func resolve(t testing.TB, ref string) *hwprofiles.Profile {
	t.Helper()
	p, err := hwprofiles.Resolve(ref)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEveryCPUOnce lays out every machine of the library at every level and
// width: each CPU is in one cell, no two cells share a column, and a width that
// is reasonable is kept.
func TestEveryCPUOnce(t *testing.T) {
	for _, name := range hwprofiles.Names() {
		m := NewMachine(resolve(t, name))
		for _, level := range m.levels() {
			for _, width := range []int{10, 50, 78, 118, 200} {
				p := m.Plan(Scope{}, level, width)
				g := NewWithT(t)
				at := fmt.Sprintf("%s, level %d, width %d", name, level, width)
				seen, taken := map[int]bool{}, map[[2]int]bool{}
				for _, c := range p.Cells {
					for _, id := range c.CPUs {
						g.Expect(seen[id]).To(BeFalse(), at)
						seen[id] = true
					}
					for x := range c.W {
						g.Expect(taken[[2]int{c.X + x, c.Y}]).To(BeFalse(), at)
						taken[[2]int{c.X + x, c.Y}] = true
					}
					g.Expect(c.Y).To(BeNumerically("<", p.Lines), at)
				}
				g.Expect(seen).To(HaveLen(len(m.Profile.CPUs)), at)
				if width >= 78 {
					g.Expect(p.Width).To(BeNumerically("<=", width), at)
				}
			}
		}
	}
}

// TestAlwaysReadable chooses a level for every machine on a small screen.
func TestAlwaysReadable(t *testing.T) {
	for _, name := range hwprofiles.Names() {
		m := NewMachine(resolve(t, name))
		level := m.Choose(Scope{}, 79, 10)
		p := m.Plan(Scope{}, level, 79)
		// More than ten sockets are scrolled.
		NewWithT(t).Expect(p.Lines <= 10 || level == Sockets).To(BeTrue(), name)
	}
}

// TestZoom comes down to one cache or node, and back up to the machine.
func TestZoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(hwprofiles.Names()).Draw(t, "machine")
		p, err := hwprofiles.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		m := NewMachine(p)
		cpu := rapid.SampledFrom(p.CPUs).Draw(t, "cpu").ID
		s := Scope{}
		for range 4 {
			next := m.In(s, cpu)
			if next != s && m.count(next) >= m.count(s) {
				t.Fatalf("%s is no part of %s", next, s)
			}
			if s = next; !m.Has(s, cpu) {
				t.Fatalf("CPU %d is not in %s", cpu, s)
			}
		}
		for range 4 {
			s = m.Out(s)
		}
		if s != (Scope{}) {
			t.Fatalf("%s is not the machine", s)
		}
	})
}

// TestMove stays on the map, and comes to every cell.
func TestMove(t *testing.T) {
	g := NewWithT(t)
	m := NewMachine(resolve(t, "xeon-2s24c-smt2"))
	p := m.Plan(Scope{}, CPUs, 78)
	cpu := m.First(Scope{})
	g.Expect(p.Move(cpu, Up)).To(Equal(cpu))
	g.Expect(p.Move(cpu, Left)).To(Equal(cpu))
	g.Expect(p.Move(cpu, Right)).To(Equal(1))
	g.Expect(p.Move(cpu, Down)).To(Equal(48), "the sibling is below")
	g.Expect(p.Move(48, Down)).To(Equal(24), "then the other socket")
	seen := map[int]bool{}
	for range 4 {
		for at := cpu; !seen[at]; at = p.Move(at, Right) {
			seen[at] = true
		}
		cpu = p.Move(cpu, Down)
	}
	g.Expect(seen).To(HaveLen(96))
	for _, c := range p.Cells {
		g.Expect(p.Hit(c.X, c.Y)).To(Equal(c.CPUs[0]))
	}
	g.Expect(p.Hit(-1, 0)).To(Equal(-1))
}

// TestLettersStay keeps an owner's letter when others come and go.
func TestLettersStay(t *testing.T) {
	g := NewWithT(t)
	node := func(names ...string) *observe.Observation {
		o := &observe.Observation{}
		for _, n := range names {
			o.Containers = append(o.Containers, observe.Container{Pod: n, Container: "app", Exclusive: true})
		}
		return o
	}
	l := Letters{}.Next(node("x", "y", "z"))
	l = l.Next(node("y", "z"))
	g.Expect(l).To(Equal(Letters{"y/app": 1, "z/app": 2}))
	l = l.Next(node("y", "z", "new"))
	g.Expect(l["new/app"]).To(Equal(0))
	letter, _ := Letters{"a": 1000}.of("a")
	g.Expect(letter).To(Equal(many))
}

// TestBar shares out every column, and shows whoever has anything at all.
func TestBar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		signs := []rune("ab·R!x")
		n := rapid.IntRange(1, 300).Draw(t, "cpus")
		marks := make(Marks, n)
		ids := make([]int, n)
		kinds := map[rune]bool{}
		for i := range marks {
			ids[i] = i
			marks[i] = Mark{Symbol: signs[rapid.IntRange(0, len(signs)-1).Draw(t, "sign")]}
			kinds[marks[i].Symbol] = true
		}
		width := rapid.IntRange(1, 80).Draw(t, "width")
		bar := marks.bar(ids, width)
		if len(bar) != width {
			t.Fatalf("%d columns, want %d", len(bar), width)
		}
		seen := map[rune]bool{}
		for _, m := range bar {
			seen[m.Symbol] = true
		}
		if width >= len(kinds) && len(seen) != len(kinds) {
			t.Fatalf("%d of %d kinds are seen", len(seen), len(kinds))
		}
	})
}

// TestMaps are maps of the outage's machine and of odd ones.
func TestMaps(t *testing.T) {
	o := observe.Observation{
		Kubelet: observe.KubeletRunning, Config: observe.Config{CPUManagerPolicy: "static", Reserved: "0"},
		SharedPool: "0,3-7", Containers: []observe.Container{
			{Pod: "web", Container: "app", State: observe.StateRunning, Exclusive: true, Assigned: "1-2", Actual: "1-2"},
			{Pod: "agent", Container: "agent", State: observe.StateRunning, Assigned: "0,3-7", Actual: "0,2-7"},
		},
	}
	p := resolve(t, "sockets=2 cores=2 threads=2")
	m := NewMachine(p)
	ow := NewOwners(&o, p, Letters{}.Next(&o))
	marks := ow.Marks(m)
	palette, err := paint.NewPalette(paint.Plain)
	if err != nil {
		t.Fatal(err)
	}
	for level, want := range map[Level]string{
		CPUs:  "socket 0\n  node 0  0-1  Ra\n          4-5  ··\nsocket 1\n  node 1  2-3  !·\n          6-7  ··",
		Cores: "socket 0\n  node 0  0-1,4-5  ++\nsocket 1\n  node 1  2-3,6-7  !·",
		Nodes: "socket 0\n  NUMA node 0 Ra··  free 2 of 4\nsocket 1\n  NUMA node 1 !···  free 3 of 4",
	} {
		c := paint.NewCanvas(60, 8)
		plan := m.Plan(Scope{}, level, 60)
		plan.Draw(c.All(), marks, -1, 0)
		lines := strings.Split(c.String(palette), "\n")
		got := strings.NewReplacer("\x1b[m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[1;7m", "").Replace(strings.Join(lines[:plan.Lines], "\n"))
		NewWithT(t).Expect(got).To(Equal(want))
	}
	NewWithT(t).Expect(ow.Conflicts).To(HaveLen(1))
}
