package invariant_test

import (
	"fmt"
	"testing"

	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// busyNode is a node with pods of one container with two CPUs, or the shared
// pool's when odd.
func busyNode(p *hwprofiles.Profile, containers int) observe.Observation {
	o := node(p, "0")
	for i := range containers {
		if i%2 == 1 {
			o.Containers = append(o.Containers, shared(fmt.Sprintf("pod-%d", i), "app"))
			continue
		}
		c, _ := p.CPU(1 + i)
		o.Containers = append(o.Containers, app(fmt.Sprintf("pod-%d", i), "app", observe.FromSet(c.Siblings)))
	}
	settle(&o)
	topology("restricted", "container", "full-pcpus-only")(&o.Config)
	return o
}

func BenchmarkCheck(b *testing.B) {
	for _, size := range []struct {
		name       string
		machine    *hwprofiles.Profile
		containers int
	}{
		{"96cpus-3containers", machine(2, 1, 24, 2, true), 3},
		{"96cpus-20containers", machine(2, 1, 24, 2, true), 20},
		{"1024cpus-3containers", machine(2, 4, 64, 2, true), 3},
		{"1024cpus-100containers", machine(2, 4, 64, 2, true), 100},
		{"1024cpus-400containers", machine(2, 4, 64, 2, true), 400},
	} {
		o := busyNode(size.machine, size.containers)
		b.Run(size.name, func(b *testing.B) {
			b.ReportAllocs()
			checker := invariant.NewChecker()
			for b.Loop() {
				if v := checker.Check(o, size.machine); v != nil {
					b.Fatal(v)
				}
			}
		})
	}
}

// BenchmarkCheckOnce is Check without anything remembered.
func BenchmarkCheckOnce(b *testing.B) {
	p := machine(2, 1, 24, 2, true)
	o := busyNode(p, 3)
	b.ReportAllocs()
	for b.Loop() {
		if v := invariant.Check(o, p); v != nil {
			b.Fatal(v)
		}
	}
}

// BenchmarkCheckChanging gives the checker lists it has never seen.
func BenchmarkCheckChanging(b *testing.B) {
	p := machine(2, 1, 24, 2, true)
	var nodes []observe.Observation
	for i := range 40 {
		o := node(p, "0")
		o.Containers = []observe.Container{app("a", "app", observe.FromSet(cpuset.New(1+i, 49+i))), shared("b", "app")}
		settle(&o)
		nodes = append(nodes, o)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if v := invariant.NewChecker().Check(nodes[i%len(nodes)], p); v != nil {
			b.Fatal(v)
		}
	}
}
