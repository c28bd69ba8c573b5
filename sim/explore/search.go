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
// rounds only, so that it does not matter which worker is the faster one.
const roundRuns = 256

// mostHarm is the rank up to which consequences are looked at, too.
const mostHarm = 3

// genomeBytes is about what a genome in the pool takes.
const genomeBytes = 4500

// Random searches at random, guided by what the runs reach. A round is begun before the
// one before it is done, so that a slow run at its end holds nobody up: a round is made
// of what was reached up to the last but one.
func (x *Explorer) Random(ctx context.Context, o Random) error {
	x.enough = o.Enough
	r := &random{
		Explorer: x, seed: o.Seed, gen: newGenerator(x.Resolve, x.Prepare), crew: newCrew(ctx, x.Workers),
		reached: map[uint32]bool{}, most: int(max(64, x.memory()/4/genomeBytes)),
	}
	defer r.crew.dismiss()
	var running *round
	for from := 0; (o.Runs == 0 || from < o.Runs) && (o.Enough == nil || !o.Enough()) && r.crew.err() == nil; from += roundRuns {
		n := roundRuns
		if o.Runs > 0 {
			n = min(n, o.Runs-from)
		}
		next := r.begin(from, n)
		if running != nil {
			if err := r.absorb(running); err != nil {
				return err
			}
		}
		running = next
	}
	if running != nil {
		if err := r.absorb(running); err != nil {
			return err
		}
	}
	r.crew.shrinking.Wait()
	x.take(r.crew.take())
	return r.crew.err()
}

// random is a random search on its way.
type random struct {
	*Explorer
	seed    uint64
	gen     *generator
	crew    *crew
	reached map[uint32]bool
	// pool are the genomes that reached something first, most of them at most.
	pool []genome
	most int
}

// round are runs that are being replayed.
type round struct {
	from     int
	genomes  []genome
	outcomes []Outcome
	wait     func() error
}

func (r *random) begin(from, n int) *round {
	genomes := roundOf(r.seed, from, n, r.pool)
	out, wait := r.crew.replay(n, func(i int) job { return job{Genome: &genomes[i]} })
	return &round{from, genomes, out, wait}
}

// absorb waits for a round and takes in what its runs reached and broke; also when it
// was interrupted.
func (r *random) absorb(done *round) error {
	failed := done.wait()
	var todo []pending
	for i, out := range done.outcomes {
		r.stats.Events += len(out.Applied)
		fresh := false
		for _, f := range out.Features {
			fresh = fresh || !r.reached[f]
			r.reached[f] = true
		}
		if fresh {
			r.pool = keepGenome(r.pool, done.genomes[i], r.most, r.seed, done.from+i)
		}
		more, err := r.pendingOf(r.gen, done.genomes[i], out.Hits, done.from+i)
		if err != nil {
			return err
		}
		todo = append(todo, more...)
	}
	r.stats.Features, r.stats.Kept = len(r.reached), len(r.pool)
	r.crew.shrink(todo, r.shrink)
	if failed == nil {
		r.stats.Runs += len(done.genomes)
		r.take(r.crew.take())
	}
	return nil
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
