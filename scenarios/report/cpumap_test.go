package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/observe"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	g := NewWithT(t)
	path := filepath.Join("testdata", name)
	if *update {
		g.Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(path, []byte(got), 0o644)).To(Succeed())
	}
	want, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(string(want)), "run with -update to accept")
}

func shape(t *testing.T, text string) *hwprofiles.Profile {
	t.Helper()
	p, err := hwprofiles.ParseShape(text)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return p
}

// own returns a running container with CPUs of its own.
func own(pod, container string, cpus observe.CPUs) observe.Container {
	return observe.Container{
		Pod: pod, Container: container, Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed",
		Requested: cpus.Set().Size(), Exclusive: true, Assigned: cpus, Actual: cpus, Reason: "Guaranteed, 2 CPUs",
	}
}

// pooled returns a running container of the shared pool.
func pooled(pod, container string) observe.Container {
	return observe.Container{
		Pod: pod, Container: container, Kind: observe.KindApp, State: observe.StateRunning, QoS: "Burstable",
		Reason: "shared: the pod is Burstable",
	}
}

// node is a healthy node with these containers.
func node(p *hwprofiles.Profile, reserved observe.CPUs, containers ...observe.Container) observe.Observation {
	o := observe.Observation{
		Kubelet:    observe.KubeletRunning,
		Config:     observe.Config{CPUManagerPolicy: "static", TopologyManagerPolicy: "none", Reserved: reserved},
		Online:     observe.FromSet(p.OnlineCPUs()),
		Reconciled: true,
		Containers: append([]observe.Container{}, containers...), // a list, never null
		Checkpoint: &observe.Checkpoint{Policy: "static"},
	}
	pool := p.OnlineCPUs()
	for _, c := range containers {
		pool = pool.Difference(c.Assigned.Set())
		if c.Assigned != "" {
			o.Checkpoint.Entries = append(o.Checkpoint.Entries, observe.Assignment{Pod: c.Pod, Container: c.Container, CPUs: c.Assigned})
		}
	}
	o.SharedPool = observe.FromSet(pool)
	o.Checkpoint.SharedPool = o.SharedPool
	for i := range o.Containers {
		if c := &o.Containers[i]; c.Assigned == "" {
			c.Assigned = o.SharedPool
			if c.State == observe.StateRunning {
				c.Actual = o.SharedPool
			}
		}
		nodes := map[int]bool{}
		for _, id := range o.Containers[i].Assigned.Set().List() {
			if c, ok := p.CPU(id); ok && o.Containers[i].Exclusive && c.NUMANode >= 0 && !nodes[c.NUMANode] {
				nodes[c.NUMANode] = true
				o.Containers[i].NUMANodes = append(o.Containers[i].NUMANodes, c.NUMANode)
			}
		}
	}
	return o
}

func draw(t *testing.T, o observe.Observation, p *hwprofiles.Profile, opts report.MapOptions) string {
	t.Helper()
	var b bytes.Buffer
	NewWithT(t).Expect(report.CPUMap(&b, o, p, opts)).To(Succeed())
	return b.String()
}

func TestCPUMap(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T) (observe.Observation, *hwprofiles.Profile)
	}{
		{"1-cpu", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "cores=1")
			return observe.Observation{Kubelet: observe.KubeletStopped, Online: "0"}, p
		}},
		{"4-cpus", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "cores=4")
			return node(p, "0", own("db", "postgres", "1-2"), pooled("web", "app")), p
		}},
		{"16-cpus-even-odd", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "sockets=2 cores=4 threads=2 numbering=round-robin")
			o := node(p, "0,8", own("db", "postgres", "2,4,10,12"), own("db", "backup", "1,9"), pooled("web", "app"))
			o.Containers[2].Actual = "0-15"
			return o, p
		}},
		{"16-cpus-strict-offline", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "sockets=2 cores=4 threads=2")
			p, err := p.WithOnline(cpuset.New(3, 11, 15), false)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			o := node(p, "0,8", own("db", "postgres", "1-2,9-10"))
			o.Config.CPUManagerPolicyOptions = map[string]string{"strict-cpu-reservation": "true"}
			o.SharedPool = "4-7,12-13"
			return o, p
		}},
		{"96-cpus-outage", outage},
		{"256-cpus-nps4", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "sockets=2 nodes=8 cores=64 threads=2 l3=4 distance=10,12,32")
			var cs []observe.Container
			for i := range 6 {
				at := 16*i + 4
				cs = append(cs, own("worker-"+string(rune('0'+i)), "app", observe.FromSet(span(at, at+8).Union(span(at+128, at+136)))))
			}
			return node(p, "0-3,128-131", cs...), p
		}},
		{"256-cpus-l3-as-numa", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "sockets=2 nodes=32 cores=64 threads=2 l3=4")
			return node(p, "0,128", own("a", "app", "4-7,132-135")), p
		}},
		{"1024-cpus", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "sockets=8 nodes=8 cores=64 threads=2 l3=socket")
			var cs []observe.Container
			for i := range 70 {
				cs = append(cs, own("p", "c"+string(rune('0'+i/10))+string(rune('0'+i%10)), observe.FromSet(span(6*i+2, 6*i+6).Union(span(6*i+514, 6*i+518)))))
			}
			return node(p, "0-1,512-513", cs...), p
		}},
		{"smt4-sparse-nodes", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "arch=ppc64le sockets=2 nodes=2 node-ids=0,8 socket-ids=0,8 cores=22 threads=4 numbering=adjacent l3=2")
			p.NUMANodes = append(p.NUMANodes, hwprofiles.NUMANode{ID: 252, MemoryBytes: 16 << 30}, hwprofiles.NUMANode{ID: 253, MemoryBytes: 16 << 30})
			return node(p, "0-3", own("train", "app", "4-19"), own("infer", "app", "88-95")), p
		}},
		{"hybrid", hybrid},
		{"no-numa", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "arch=aarch64 nodes=0 cores=20 l3=none")
			return node(p, "0", own("a", "app", "1-3")), p
		}},
		{"everything-odd", func(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
			p := shape(t, "sockets=2 cores=4 threads=2")
			o := node(p, "0,8", own("a", "app", "1,9"), own("b", "app", "2,9"), pooled("c", "app"))
			setup := own("d", "setup", "4-5")
			setup.Kind, setup.State, setup.Actual = observe.KindInit, observe.StateTerminated, ""
			waiting := own("e", "app", "6,14")
			waiting.State, waiting.Actual = observe.StateWaiting, ""
			log, agent := own("f", "log", "7,15"), own("f", "agent", "7,15")
			log.Exclusive, agent.Exclusive = false, false
			o.Containers = append(o.Containers, setup, own("d", "app", "4"), waiting, log, agent)
			o.Stale = []observe.Assignment{{Pod: "9e6c3a2b-1c1d-4a6e-9f43-5b7a6f0c9d11", Container: "app", CPUs: "10"}}
			o.SharedPool = "0,3,8,11"
			o.Containers[0].Actual = "1"
			o.Containers[2].Assigned, o.Containers[2].Actual = o.SharedPool, "0-15"
			return o, p
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			o, p := tc.make(t)
			got := draw(t, o, p, report.MapOptions{})
			golden(t, "map-"+tc.name+".txt", got)
			for _, line := range strings.Split(got, "\n") {
				g.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", 80), line)
			}
			colored := draw(t, o, p, report.MapOptions{Color: true})
			g.Expect(stripANSI(colored)).To(Equal(got), "colour adds nothing but colour")
		})
	}
}

// outage is the 96-CPU node with a shared container whose update failed.
func outage(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
	p := shape(t, "sockets=2 nodes=2 cores=24 threads=2")
	o := node(p, "0-1,48-49",
		own("match-0", "engine", "2-9,50-57"), own("match-1", "engine", "10-17,58-65"), pooled("ingest", "app"))
	o.Containers[2].Actual = "0-1,10-49,58-95"
	return o, p
}

// hybrid is a desktop: eight cores with two threads, eight with one.
func hybrid(t *testing.T) (observe.Observation, *hwprofiles.Profile) {
	p := shape(t, "cores=24 numbering=adjacent l3=socket")
	for i := range p.CPUs {
		c := &p.CPUs[i]
		c.Kind = "E"
		if i < 16 {
			c.Kind, c.Core = "P", i/2
			c.Siblings = cpuset.New(i/2*2, i/2*2+1)
		}
	}
	return node(p, "0-1", own("a", "app", "2-5"), own("b", "app", "16-19")), p
}

func span(from, to int) cpuset.CPUSet {
	var ids []int
	for id := from; id < to; id++ {
		ids = append(ids, id)
	}
	return cpuset.New(ids...)
}

func stripANSI(s string) string {
	var b strings.Builder
	for rest := s; rest != ""; {
		before, after, found := strings.Cut(rest, "\x1b[")
		b.WriteString(before)
		if !found {
			break
		}
		_, rest, _ = strings.Cut(after, "m")
	}
	return b.String()
}

func TestCPUMapWidths(t *testing.T) {
	g := NewWithT(t)
	o, p := outage(t)
	for _, width := range []int{1, 40, 60, 120} {
		got := draw(t, o, p, report.MapOptions{Width: width})
		symbols := 0
		for _, line := range strings.Split(got, "\n") {
			g.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", max(width, 40)+40))
			if strings.HasPrefix(line, "  ") && !strings.HasPrefix(strings.TrimSpace(line), "a ") {
				symbols += strings.Count(line, "·")
			}
		}
		g.Expect(symbols).To(BeNumerically(">=", 60), "no CPU is dropped")
	}
	golden(t, "map-96-cpus-outage-width-40.txt", draw(t, o, p, report.MapOptions{Width: 40}))
}

// TestEveryProfileIsDrawn counts the CPUs of the map of every machine in the
// library: each is drawn once, within the width.
func TestEveryProfileIsDrawn(t *testing.T) {
	for _, name := range hwprofiles.Names() {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p, err := hwprofiles.Load(name)
			g.Expect(err).NotTo(HaveOccurred())
			first := observe.FromSet(cpuset.New(p.OnlineCPUs().List()[0]))
			got := draw(t, node(p, first), p, report.MapOptions{})
			drawing, _, found := strings.Cut(got, "\n\n")
			g.Expect(found).To(BeTrue())
			symbols := 0
			for _, line := range strings.Split(drawing, "\n") {
				g.Expect(utf8.RuneCountInString(line)).To(BeNumerically("<=", 80), line)
				symbols += strings.Count(line, "·") + strings.Count(line, "x")
			}
			symbols += strings.Count(drawing, "R")
			g.Expect(symbols).To(Equal(p.AllCPUs().Size()), got)
		})
	}
}
