package explore

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

func Skeleton(ctx context.Context, decoder *kubelet.ConfigDecoder, seed uint64, runs int, w io.Writer) {
	cache := map[string]*hwprofiles.Profile{}
	resolve := func(ref string) (*hwprofiles.Profile, error) {
		if p := cache[ref]; p != nil {
			return p, nil
		}
		p, err := hwprofiles.Resolve(ref)
		cache[ref] = p
		return p, err
	}
	r := &Runner{Resolve: resolve, Features: true, Setup: func(s *scenarios.Scenario, p *hwprofiles.Profile) (Node, error) {
		return sim.New(s, p, sim.Options{Decoder: decoder, Statements: true})
	}}
	gen := &generator{resolve: resolve, machines: machines(), pods: newPodMaker(kubelet.PreparePod)}
	rng := rand.New(rand.NewPCG(seed, 0))
	seen := map[string]bool{}
	feats := map[uint32]bool{}
	start := time.Now()
	events := 0
	for i := range runs {
		g := randomGenome(rng)
		s, err := gen.scenario(g)
		if err != nil {
			fmt.Fprintln(w, "ERR", err)
			continue
		}
		t := time.Now()
		out, err := r.Replay(ctx, s)
		if err != nil {
			fmt.Fprintln(w, "ERR", err)
			continue
		}
		if d := time.Since(t); d > time.Second {
			fmt.Fprintln(w, "SLOW", i, d, s.Profile, string(s.Kubelet))
		}
		events += len(out.Applied)
		for _, f := range out.Features {
			feats[f] = true
		}
		for _, h := range out.Hits {
			if seen[h.Cause.Key()] {
				continue
			}
			seen[h.Cause.Key()] = true
			sh := Shrinker{Replayer: r, Machines: []string{"cores=2", "cores=4", "cores=4 threads=2", "sockets=2 cores=4", "sockets=2 cores=4 threads=2"}}
			b, ok, err := sh.Shrink(ctx, s, h.Cause.Key())
			fmt.Fprintf(w, "== run %d step %d: %s ok=%v err=%v tries=%d steps=%d\n", i, h.Step, h.Cause.Key(), ok, err, b.Tries, len(s.Steps))
			if ok {
				b.Scenario.Name = "x"
				text, err := Format(b.Scenario)
				fmt.Fprintf(w, "root %s\n%s%v\n", b.Root, text, err)
			}
		}
	}
	fmt.Fprintln(w, runs, "runs", events, "events", time.Since(start), len(seen), "causes", len(feats), "features")
}
