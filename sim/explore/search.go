package explore

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/pinlab/pinlab/scenarios"
)

// Random is what a random search is given.
type Random struct {
	// Seed decides everything: the same seed and the same number of runs find the
	// same, with any number of workers.
	Seed uint64
	// Runs is the budget; 0 means until Enough.
	Runs int
	// Enough says that the time is up; it is asked between rounds.
	Enough func() bool
}

// A round is a number of runs that are made of the same pool: the pool grows between
// rounds only, so that it does not matter which worker is the faster one. A batch is
// what a worker is given at a time; the smaller, the less do the others wait for the
// last one.
const (
	roundRuns = 256
	batchRuns = 4
)

// mostHarm is the rank up to which consequences are looked at, too.
const mostHarm = 3

// genomeBytes is about what a genome in the pool takes.
const genomeBytes = 4500

// Random searches at random, guided by what the runs reach.
func (x *Explorer) Random(ctx context.Context, o Random) error {
	x.enough = o.Enough
	gen := newGenerator(x.Resolve, x.Prepare)
	reached := map[uint32]bool{}
	var pool []genome
	most := int(max(64, x.memory()/4/genomeBytes))
	c := newCrew(ctx, x.Workers)
	defer c.dismiss()
	for from := 0; (o.Runs == 0 || from < o.Runs) && (o.Enough == nil || !o.Enough()); from += roundRuns {
		n := roundRuns
		if o.Runs > 0 {
			n = min(n, o.Runs-from)
		}
		genomes := roundOf(o.Seed, from, n, pool)
		out, failed := x.round(c, genomes)
		var todo []pending
		for i := range out {
			x.stats.Events += len(out[i].Applied)
			fresh := false
			for _, f := range out[i].Features {
				fresh = fresh || !reached[f]
				reached[f] = true
			}
			if fresh {
				pool = keepGenome(pool, genomes[i], most, o.Seed, from+i)
			}
			more, err := x.pendingOf(gen, genomes[i], out[i].Hits, from+i)
			if err != nil {
				return err
			}
			todo = append(todo, more...)
		}
		x.stats.Features, x.stats.Kept = len(reached), len(pool)
		c.shrink(todo, x.shrink)
		if failed != nil {
			break
		}
		x.stats.Runs += n
		x.take(c.take())
	}
	c.shrinking.Wait()
	x.take(c.take())
	return c.err()
}

// keepGenome adds a genome to the pool, in the place of another when it is full.
func keepGenome(pool []genome, g genome, most int, seed uint64, run int) []genome {
	if len(pool) < most {
		return append(pool, g)
	}
	pool[rand.New(rand.NewPCG(seed, uint64(run)^1<<63)).IntN(most)] = g
	return pool
}

// roundOf makes the genomes of a round.
func roundOf(seed uint64, from, n int, pool []genome) []genome {
	genomes := make([]genome, n)
	for i := range genomes {
		rng := rand.New(rand.NewPCG(seed, uint64(from+i)))
		if len(pool) == 0 || rng.IntN(10) < 3 {
			genomes[i] = randomGenome(rng)
		} else {
			genomes[i] = mutated(rng, pool[rng.IntN(len(pool))], pool[rng.IntN(len(pool))])
		}
	}
	return genomes
}

// round replays genomes.
func (x *Explorer) round(c *crew, genomes []genome) ([]Outcome, error) {
	outcomes := make([]Outcome, len(genomes))
	err := c.each((len(genomes)+batchRuns-1)/batchRuns, func(w Worker, batch int) error {
		first, last := batch*batchRuns, min(len(genomes), (batch+1)*batchRuns)
		jobs := make([]job, 0, batchRuns)
		for i := first; i < last; i++ {
			jobs = append(jobs, job{Genome: &genomes[i]})
		}
		out, err := w.Many(c.ctx, jobs)
		copy(outcomes[first:], out)
		return err
	})
	return outcomes, err
}

// pendingOf counts the causes of a run and returns those to shrink.
func (x *Explorer) pendingOf(gen *generator, g genome, hits []Hit, run int) ([]pending, error) {
	var todo []pending
	var s *scenarios.Scenario
	for i, h := range hits {
		// What breaks after something else follows from it more often than not;
		// it is looked at when it breaks first, or when it does great harm.
		if harm, _ := Harm(h.Cause.Broken); i > 0 && harm > mostHarm {
			continue
		}
		if !x.worthShrinking(h.Cause.Key()) {
			continue
		}
		if s == nil {
			var err error
			if s, err = gen.scenario(g); err != nil {
				return nil, err
			}
		}
		todo = append(todo, pending{scenario: s, hit: h, run: run, from: fmt.Sprintf("run %d", run)})
	}
	return todo, nil
}
