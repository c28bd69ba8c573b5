package hwprofiles

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// The worst files within the bounds are read in seconds, not minutes.
func TestParseBoundsItsWork(t *testing.T) {
	for _, text := range []string{
		"name: a\nshape: sockets=64 nodes=256 cores=64 l3=1\ncpus:\n  siblings: [0-4095]\n  offline: 1-4095\n",
		"name: a\nshape: sockets=128 nodes=128 cores=32\nnodes:\n- {id: 500-627}\n",
		"name: a\nshape: sockets=1 nodes=1 cores=64 threads=64\ncpus: {offline: 1-4095}\n",
	} {
		g := NewWithT(t)
		start := time.Now()
		p, err := Parse([]byte(text), "p.yaml")
		g.Expect(err).NotTo(HaveOccurred())
		_, err = p.MachineInfo()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(time.Since(start)).To(BeNumerically("<", 10*time.Second))
	}
}
