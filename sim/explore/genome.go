package explore

import "math/rand/v2"

// A genome is the bytes that a scenario is made of: a head for the machine and the
// kubelet, then one gene for each event. A gene reads nothing of the others, so that
// events can be cut out, doubled and moved between genomes.
type genome struct {
	Head  []byte   `json:"head"`
	Genes [][]byte `json:"genes"`
}

// The bytes are more than are drawn: after the end every choice is the first one.
const (
	headBytes = 64
	geneBytes = 48
	maxGenes  = 40
)

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func randomGenome(rng *rand.Rand) genome {
	g := genome{Head: randomBytes(rng, headBytes)}
	for range 4 + rng.IntN(maxGenes-4) {
		g.Genes = append(g.Genes, randomBytes(rng, geneBytes))
	}
	return g
}

func (g genome) clone() genome {
	c := genome{Head: append([]byte(nil), g.Head...), Genes: make([][]byte, len(g.Genes))}
	for i := range g.Genes {
		c.Genes[i] = append([]byte(nil), g.Genes[i]...)
	}
	return c
}

// mutated is a child of g, with parts of another genome.
func mutated(rng *rand.Rand, g, other genome) genome {
	c := g.clone()
	for range 1 + rng.IntN(4) {
		n := len(c.Genes)
		switch k := rng.IntN(10); {
		case k == 0:
			c.Head[rng.IntN(headBytes)] = byte(rng.Uint32())
		case k == 1: // the same life on another machine or under another kubelet
			c.Head = append([]byte(nil), other.Head...)
		case k <= 4 && n < maxGenes:
			at := rng.IntN(n + 1)
			c.Genes = insert(c.Genes, at, randomBytes(rng, geneBytes))
		case k == 5 && n > 2:
			at := rng.IntN(n)
			c.Genes = append(c.Genes[:at], c.Genes[at+1:]...)
		case k == 6 && n > 0 && n < maxGenes:
			c.Genes = insert(c.Genes, rng.IntN(n+1), append([]byte(nil), c.Genes[rng.IntN(n)]...))
		case k == 7 && len(other.Genes) > 0:
			c.Genes = append(c.Genes[:rng.IntN(n+1)], other.clone().Genes[rng.IntN(len(other.Genes)):]...)
			if len(c.Genes) > maxGenes {
				c.Genes = c.Genes[:maxGenes]
			}
		case n > 0:
			c.Genes[rng.IntN(n)][rng.IntN(geneBytes)] = byte(rng.Uint32())
		}
	}
	return c
}

func insert(list [][]byte, at int, gene []byte) [][]byte {
	list = append(list, nil)
	copy(list[at+1:], list[at:])
	list[at] = gene
	return list
}

// drawer reads choices from bytes; after their end every choice is the first.
type drawer struct {
	b []byte
	i int
}

// n is a number from 0 to k-1.
func (d *drawer) n(k int) int {
	if d.i >= len(d.b) || k <= 1 {
		d.i++
		return 0
	}
	d.i++
	return int(d.b[d.i-1]) % k
}

// chance is true in so many of 16 cases.
func (d *drawer) chance(of16 int) bool { return d.n(16) >= 16-of16 }

func pick[T any](d *drawer, list ...T) T { return list[d.n(len(list))] }
