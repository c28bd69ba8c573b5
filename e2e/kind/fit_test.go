package kind

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
)

// What makes a host another machine than a scenario's, and what does not.
func TestSameCPUs(t *testing.T) {
	const profile = "sockets=2 cores=4 threads=2 memory=64GiB"
	for shape, same := range map[string]bool{
		profile: true,
		"sockets=2 cores=4 threads=2 memory=16GiB":                    true, // a scenario of CPUs
		"sockets=2 cores=4 threads=2 numbering=adjacent memory=64GiB": false,
		"sockets=2 cores=8 threads=1 memory=64GiB":                    false,
		"sockets=1 cores=8 threads=2 memory=64GiB":                    false,
		"sockets=2 nodes=4 cores=4 threads=2 memory=64GiB":            false,
		"sockets=2 cores=4 threads=2 l3=2 memory=64GiB":               false,
	} {
		t.Run(shape, func(t *testing.T) {
			g := NewWithT(t)
			a, err := hwprofiles.ParseShape(profile)
			g.Expect(err).NotTo(HaveOccurred())
			b, err := hwprofiles.ParseShape(shape)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(sameCPUs(a, b)).To(Equal(same))
			off, err := b.WithOnline(b.CPUs[1].Siblings, false)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(sameCPUs(a, off)).To(BeFalse())
		})
	}
}
