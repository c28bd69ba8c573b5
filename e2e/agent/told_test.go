package agent

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestReadMetrics(t *testing.T) {
	g := NewWithT(t)
	const text = `# HELP kubelet_cpu_manager_exclusive_cpu_allocation_count [ALPHA] The total number of CPUs
kubelet_cpu_manager_exclusive_cpu_allocation_count 2
kubelet_cpu_manager_shared_pool_size_millicores 1.4e+04
`
	var m Metrics
	g.Expect(m.read(strings.NewReader(text))).To(Succeed())
	g.Expect(m).To(Equal(Metrics{2, 14000}))
	g.Expect(m.read(strings.NewReader("up 1\n"))).To(MatchError(ContainSubstring("tells no kubelet_cpu_manager_")))
	g.Expect(m.read(strings.NewReader(strings.Replace(text, "2\n", "two\n", 1)))).To(MatchError(ContainSubstring("two")))
}
