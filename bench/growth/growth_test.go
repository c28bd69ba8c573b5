package growth_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/bench/growth"
	"github.com/pinlab/pinlab/bench/record"
)

func result(m record.Machine, fill string, ns float64) record.Result {
	r := record.Result{
		Config:  record.Config{Profile: fmt.Sprintf("p%d-%d", m.CPUs, m.NUMANodes), Policy: "static", TopologyPolicy: "none", TopologyScope: "container", Fill: fill, Request: 4, Storage: record.Memory},
		Machine: m, Status: record.Done,
	}
	r.Add(record.Admit, 0, []float64{ns, ns, 9 * ns}) // the median is ns
	return r
}

// TestOf makes three axes with known laws: CPUs^1.5, 2^nodes and pods^1.
func TestOf(t *testing.T) {
	g := NewWithT(t)
	results := []record.Result{
		result(record.Machine{CPUs: 16, NUMANodes: 2}, "empty", 64),
		result(record.Machine{CPUs: 64, NUMANodes: 2}, "empty", 512),
		result(record.Machine{CPUs: 256, NUMANodes: 2}, "empty", 4096),
		result(record.Machine{CPUs: 256, NUMANodes: 4}, "empty", 4*4096),
		result(record.Machine{CPUs: 256, NUMANodes: 8}, "empty", 64*4096),
		result(record.Machine{CPUs: 256, NUMANodes: 2, Pods: 5}, "10%", 500),
		result(record.Machine{CPUs: 256, NUMANodes: 2, Pods: 10}, "20%", 1000),
		result(record.Machine{CPUs: 256, NUMANodes: 2, Pods: 20}, "half", 2000),
		result(record.Machine{CPUs: 256, NUMANodes: 2, Pods: 20}, "fragmented", 1),
	}
	late := result(record.Machine{CPUs: 1024, NUMANodes: 2}, "empty", 1)
	late.Status = record.DidNotFinish
	list := growth.Of(append(results, late))
	g.Expect(list).To(HaveLen(3))
	g.Expect(list[0].Along).To(Equal("cpus"))
	g.Expect(list[0].Of).To(HavePrefix("numaNodes=2/pods=0/policy=static"))
	g.Expect(list[0].Exponent).To(BeNumerically("~", 1.5, 1e-9))
	g.Expect(list[0].StdErr).To(BeNumerically("~", 0, 1e-6))
	g.Expect(list[0].Exponential).To(BeNil())
	g.Expect(growth.Sizes(list[0])).To(Equal("16, 64, 256"), "what did not finish is no point")
	g.Expect(list[1].Along).To(Equal("numaNodes"))
	g.Expect(list[1].Exponential.Factor).To(BeNumerically("~", 2, 1e-9))
	g.Expect(list[2].Along).To(Equal("pods"))
	g.Expect(list[2].Exponent).To(BeNumerically("~", 1, 1e-9))
	g.Expect(growth.Sizes(list[2])).To(Equal("5, 10, 20"), "fragments and an empty node are no points")
	g.Expect(growth.Of(results[:2])).To(BeEmpty())
}
