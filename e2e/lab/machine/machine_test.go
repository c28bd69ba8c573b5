package machine

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/hwprofiles"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares a text with a file in testdata, or rewrites the file.
func golden(g *WithT, name string, got []byte) {
	file := filepath.Join("testdata", name)
	if *update {
		g.Expect(os.WriteFile(file, got, 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(want)), "run go test -update if the change is meant")
}

// Every embedded profile is made as it is, or is refused with the reason. The
// table says which, for people.
func TestEmbeddedProfiles(t *testing.T) {
	var made, refused bytes.Buffer
	count := 0
	for _, name := range hwprofiles.Names() {
		p, err := hwprofiles.Resolve(name)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			plan, err := New(p)
			if err != nil {
				g.Expect(err).To(MatchError(ErrShape))
				reason, ok := strings.CutPrefix(err.Error(), fmt.Sprintf("%v: profile %s: ", ErrShape, name))
				g.Expect(ok).To(BeTrue(), "%v", err)
				g.Expect(reason).NotTo(BeEmpty())
				fmt.Fprintf(&refused, "%s\n  %s\n", name, strings.ReplaceAll(reason, "; ", "\n  "))
				return
			}
			g.Expect(differences(p, plan)).To(BeEmpty())
			checkMADT(g, plan)
			count++
			order := "QEMU's order"
			if plan.MADT() != nil {
				order = "own MADT"
			}
			fmt.Fprintf(&made, "%-36s %3d CPUs, %d offline, on %3d slots = %d x %d x %d x %d, %2d nodes, %s\n", name,
				len(plan.Slot), len(plan.Offline), plan.Slots(), plan.Sockets, plan.Dies, plan.Cores, plan.Threads, len(plan.Nodes), order)
			for _, n := range plan.Notes {
				fmt.Fprintf(&made, "  %s\n", n)
			}
		})
	}
	head := fmt.Sprintf("The lab makes %d of the %d embedded profiles.\nSlots are sockets x dies x cores x threads; notes say what differs.\n\n",
		count, len(hwprofiles.Names()))
	golden(NewWithT(t), "profiles.txt", []byte(head+made.String()+"\nIt cannot make these, and says why.\n\n"+refused.String()))
}

// Whatever the shape, a plan makes exactly that machine, or there is a reason.
func TestAnyShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawShape(t)
		p, err := hwprofiles.ParseShape(text)
		if err != nil {
			t.Fatalf("shape %q: %v", text, err)
		}
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(p.AllCPUs().List()), 0, min(3, len(p.CPUs)-1), rapid.ID).Draw(t, "offline")
		if p, err = p.WithOnline(cpuset.New(some...), false); err != nil {
			t.Fatalf("shape %q: %v", text, err)
		}
		plan, err := New(p)
		if errors.Is(err, ErrShape) {
			return
		}
		if err != nil {
			t.Fatalf("%v: %v", text, err)
		}
		if d := differences(p, plan); len(d) > 0 {
			t.Fatalf("%v:\n%v", text, strings.Join(d, "\n"))
		}
		checkMADT(NewWithT(t), plan)
	})
}

func drawShape(t *rapid.T) string {
	pick := func(name string, values ...string) string { return rapid.SampledFrom(values).Draw(t, name) }
	sockets := rapid.IntRange(1, 5).Draw(t, "sockets")
	per := rapid.IntRange(1, 3).Draw(t, "nodes per socket")
	cores := rapid.IntRange(per, 20).Draw(t, "cores")
	words := []string{
		fmt.Sprintf("sockets=%d nodes=%d", sockets, sockets*per),
		fmt.Sprintf("threads=%d", rapid.IntRange(1, 4).Draw(t, "threads")),
		"numbering=" + pick("numbering", "block", "round-robin", "adjacent", "socket/thread/node/core", "core/node/thread/socket"),
		"l3=" + pick("l3", "socket", "node", "machine", "none", "1", "2", "3", "1/2"),
		"memory=" + pick("memory", "4KiB", "388492316kB", "192GiB", "256MiB"),
		"distance=" + pick("distance", "10,20", "10,12,32", "10,10"),
	}
	if rapid.Bool().Draw(t, "unequal sockets") && per == 1 {
		list := rapid.SliceOfN(rapid.IntRange(1, 9), sockets, sockets).Draw(t, "cores of each")
		words = append(words, "cores="+strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", ","), "[]"))
	} else {
		words = append(words, fmt.Sprintf("cores=%d", cores))
	}
	if rapid.Bool().Draw(t, "socket ids") {
		words = append(words, fmt.Sprintf("socket-ids=%d-%d", 36, 35+sockets))
	}
	return strings.Join(words, " ")
}

func parse(g *WithT, text string) *hwprofiles.Profile {
	p, err := hwprofiles.Parse([]byte(text), "p.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	return p
}

// What QEMU or Linux cannot do is refused by name.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ profile, want string }{
		"a hole in the CPU ids": {"name: p\nshape: cores=4\ncpus: {ids: \"0-2,4\"}\n", "hole before CPU 4"},
		"a hole in the node ids": {
			"name: p\nshape: sockets=2 cores=2 node-ids=0,8\n", "hole before node 8",
		},
		"too many CPUs":        {"name: p\nshape: cores=256\n", "256 CPUs"},
		"no NUMA":              {"name: p\nshape: cores=2 nodes=0\n", "no NUMA nodes"},
		"CPU 0 offline":        {"name: p\nshape: cores=2\ncpus: {offline: 0}\n", "CPU 0 is offline"},
		"an unplaced CPU":      {"name: p\nshape: cores=2\ncpus: {unplaced: 1}\n", "CPU 1 is offline and the profile does not know"},
		"no topology":          {"name: p\nshape: cores=2\ncpus: {noTopology: 1}\n", "CPU 1 has no place in the topology"},
		"no memory at node 0":  {"name: p\nshape: sockets=2 cores=2\nnodes: [{id: 0, memory: 0}]\n", "node 0 has no memory"},
		"a node of nothing":    {"name: p\nshape: cores=2\nnodes: [{id: 1, memory: 0}]\n", "node 1 has neither CPUs nor memory"},
		"an unreachable node":  {"name: p\nshape: sockets=2 cores=2\ndistances: [10 255, 255 10]\n", "distance 255"},
		"two local nodes":      {"name: p\nshape: sockets=2 cores=2\ndistances: [10 10, 10 10]\n", "distance 10 from NUMA node 0 to 1"},
		"an L3 of the machine": {"name: p\nshape: sockets=2 cores=2 l3=machine\n", "spans sockets"},
		"two L3s in a core":    {"name: p\nshape: cores=2 threads=2 l3=1/2\n", "the siblings of CPU 0 have more than one L3"},
		"some without L3":      {"name: p\nshape: cores=2\ncpus: {l3: {0: \"0\", none: \"1\"}}\n", "some have none"},
		"a core on two nodes":  {"name: p\nshape: sockets=2 cores=2 threads=2\ncpus: {node: \"0,1,0,1,1,0,1,0\"}\n", "on more than one NUMA node"},
		"wide APIC ids":        {"name: p\nshape: sockets=5 cores=17 threads=2\n", "APIC ids up to"},
		"very unequal sockets": {"name: p\nshape: sockets=8 cores=63,1,1,1,1,1,1,1\n", "so unequal"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := New(parse(g, c.profile))
			g.Expect(err).To(MatchError(ErrShape))
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

// All that cannot be made is said at once.
func TestAllReasons(t *testing.T) {
	g := NewWithT(t)
	_, err := New(parse(g, "name: p\nshape: sockets=2 cores=2 node-ids=0,8\ncpus: {offline: 0}\n"))
	g.Expect(err).To(MatchError(And(ContainSubstring("CPU 0 is offline"), ContainSubstring("hole before node 8"))))
}

// The arguments of some machines, as QEMU gets them.
func TestArgs(t *testing.T) {
	for name, text := range map[string]string{
		"plain":        "name: p\nshape: sockets=2 cores=2 threads=2\nmemory: 2GiB\n",
		"cpu-less":     "name: p\nshape: sockets=2 cores=2 l3=none memory=1GiB\nnodes: [{id: 2, memory: 4GiB}]\ndistances: [10 21 17, 21 10 28, 17 28 10]\n",
		"memory-less":  "name: p\nshape: sockets=2 cores=2 memory=1GiB\nnodes: [{id: 1, memory: 0}]\n",
		"unequal-dies": "name: p\nshape: sockets=2 cores=5,3 threads=2 l3=2 memory=64GiB\ncpus: {offline: \"3,7\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := parse(g, text)
			plan, err := New(p)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(differences(p, plan)).To(BeEmpty())
			checkMADT(g, plan)
			var b strings.Builder
			b.WriteString("# " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n# ") + "\n")
			args := plan.Args()
			for i := 0; i < len(args); i += 2 {
				fmt.Fprintf(&b, "%s %s\n", args[i], args[i+1])
			}
			fmt.Fprintf(&b, "\nslots by CPU: %v\noffline: %v\n", plan.Slot, plan.Offline)
			for _, n := range plan.Notes {
				fmt.Fprintf(&b, "note: %s\n", n)
			}
			if table := plan.MADT(); table != nil {
				b.WriteString("MADT:")
				for _, e := range localAPICs(table) {
					fmt.Fprintf(&b, " %d", e.apicID)
				}
				b.WriteString(" (APIC ids)\n")
			}
			golden(g, "args-"+name+".txt", []byte(b.String()))
		})
	}
}

// Ranges of slots read as the slots.
func TestRanges(t *testing.T) {
	g := NewWithT(t)
	g.Expect(ranges(nil)).To(BeEmpty())
	g.Expect(ranges([]int{0, 1, 2, 4, 6, 7})).To(Equal([]string{"0-2", "4", "6-7"}))
	rapid.Check(t, func(t *rapid.T) {
		set := cpuset.New(rapid.SliceOf(rapid.IntRange(0, 40)).Draw(t, "slots")...)
		got, err := cpuset.Parse(strings.Join(ranges(set.List()), ","))
		if err != nil || !got.Equals(set) {
			t.Fatalf("%v read as %v: %v", set, got, err)
		}
	})
}
