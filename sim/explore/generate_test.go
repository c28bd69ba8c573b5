package explore

import (
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// TestBytesSuffice draws many lives: what is drawn last is drawn as often as what is
// drawn first. With too few bytes it would be the first choice ever after.
func TestBytesSuffice(t *testing.T) {
	g := NewWithT(t)
	gen := newGenerator(hwprofiles.Resolve, kubelet.PreparePod)
	rng := rand.New(rand.NewPCG(1, 1))
	const lives = 2000
	static, genes, over := 0, 0, 0
	for range lives {
		head := &drawer{b: randomBytes(rng, headBytes)}
		s, w, err := gen.begin(head)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(head.i).To(BeNumerically("<=", headBytes))
		if strings.Contains(string(s.Kubelet), `"memoryManagerPolicy":"Static"`) {
			static++
		}
		for range 10 {
			gene := &drawer{b: randomBytes(rng, geneBytes)}
			gen.events(gene, w)
			if genes++; gene.i > geneBytes {
				over++
			}
		}
	}
	g.Expect(static).To(BeNumerically("~", lives*6/16, lives/20), "drawn in 6 of 16 cases")
	g.Expect(over).To(BeNumerically("<", genes/1000), "a pod of six containers with devices and huge pages may")
}
