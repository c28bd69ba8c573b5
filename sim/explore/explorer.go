package explore

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// Explorer searches, and shrinks what it finds. It is used for one search.
type Explorer struct {
	// Workers replay, each one replay at a time; at least one.
	Workers []Worker
	Known   KnownList
	// Resolve finds machines by reference.
	Resolve func(ref string) (*hwprofiles.Profile, error)
	// Prepare does to a pod what the API server does; an error refuses it.
	Prepare func(*v1.Pod) error
	// Simple are the machines that shrinking tries, the simplest first.
	Simple []string
	// Memory bounds what the search remembers, in bytes; 0 means 256 MiB. The
	// workers have bounds of their own.
	Memory int64
	// Progress, when set, is told how far the search is, from one goroutine.
	Progress func(Stats)

	findings Findings
	stats    Stats
	// sightings counts each cause by its key.
	sightings map[string]int
	// enough says that the time is up; nil without a bound in time.
	enough func() bool
	// flaky are causes that their own scenario did not show again, or that there
	// was no time for.
	flaky map[string]string
}

// Stats is how far a search is.
type Stats struct {
	Runs, Events int
	// Features were reached, Kept are the genomes that reached one first.
	Features, Kept int
	// Causes are those seen before they were shrunk, Findings those after it.
	Causes, Findings, New int
	// ShrinkRuns are the replays that went into shrinking.
	ShrinkRuns int
	// States and Cut are those of an exhaustive search: states visited, and sequences
	// cut off because they led to a state visited before.
	States, Cut int
	// Depth is the number of events up to which every sequence was replayed.
	Depth int
	// Left are the states of the last level that there was no time to go on from,
	// Dropped those that there was no room to remember.
	Left, Dropped int
	// Points are the crash points tried, Scenarios those whose points were all tried.
	Points, Scenarios int
}

// DefaultMemory bounds what a search remembers.
const DefaultMemory = 256 << 20

func (x *Explorer) memory() int64 {
	if x.Memory > 0 {
		return x.Memory
	}
	return DefaultMemory
}

// Findings returns what was found, new and harmful things first.
func (x *Explorer) Findings() []*Finding { return x.findings.List() }

// Stats is how far the search came.
func (x *Explorer) Stats() Stats { return x.stats }

// Flaky are texts of causes that could not be shown a second time, or not in time, by
// their keys.
func (x *Explorer) Flaky() map[string]string { return x.flaky }

// pending is a cause on its way to be shrunk.
type pending struct {
	scenario *scenarios.Scenario
	hit      Hit
	run      int
	from     string
}

// worthShrinking counts a cause and says whether its scenario is to be shrunk: the
// first time, and now and then later, since behind one text there may be several
// causes.
func (x *Explorer) worthShrinking(key string) bool {
	if x.sightings == nil {
		x.sightings = map[string]int{}
	}
	x.sightings[key]++
	n := x.sightings[key]
	return n == 1 || n == 6 || n == 40 || n == 300
}

// shrinkAll shrinks causes, as many at a time as there are workers, and takes them
// in, in their order.
func (x *Explorer) shrinkAll(ctx context.Context, list []pending) error {
	c := newCrew(ctx, x.Workers)
	defer c.dismiss()
	c.shrink(list, x.shrink)
	c.shrinking.Wait()
	x.take(c.take()) // also when it was interrupted: what there is counts
	return c.err()
}

// take takes in what shrinking has made of causes.
func (x *Explorer) take(list []*shrunk) {
	for _, s := range list {
		f := s.finding
		if f == nil {
			x.unshrunk([]pending{s.pending})
			continue
		}
		x.stats.ShrinkRuns += f.Tries
		x.findings.add(f)
	}
	x.stats.Causes, x.stats.Findings, x.stats.New = len(x.sightings), len(x.findings.byID), 0
	for _, f := range x.findings.byID {
		if f.Known == nil {
			x.stats.New++
		}
	}
	x.tell()
}

// unshrunk keeps the texts of causes that there is no finding of.
func (x *Explorer) unshrunk(list []pending) {
	if x.flaky == nil {
		x.flaky = map[string]string{}
	}
	for _, p := range list {
		x.flaky[p.hit.Cause.Key()] = fmt.Sprintf("%s: %s", p.from, p.hit.Text)
	}
	x.stats.Causes = len(x.sightings)
}

func (x *Explorer) tell() {
	if x.Progress != nil {
		x.Progress(x.stats)
	}
}

// tries bounds a shrink; one that waits for a deadline at every step gets less.
const (
	tries     = 300
	hangTries = 40
)

// shrink makes a finding of a cause; nil when it does not show itself again, or there
// is no time for it.
func (x *Explorer) shrink(ctx context.Context, w Worker, p pending) (*Finding, error) {
	if x.enough != nil && x.enough() {
		return nil, nil
	}
	sh := Shrinker{Replayer: w, Machines: x.Simple, Valid: x.Prepare, Tries: tries}
	if p.hit.Cause.Broken == BrokenHang {
		sh.Tries = hangTries
	}
	best, ok, err := sh.Shrink(ctx, p.scenario, p.hit.Cause.Key())
	if err != nil || !ok {
		return nil, err
	}
	out, err := w.Replay(ctx, best.Scenario) // once more, for what the saved file must declare
	if err != nil {
		return nil, err
	}
	if _, ok := out.Has(p.hit.Cause.Key()); !ok {
		return nil, nil
	}
	needs, err := Needs(best.Scenario, x.Resolve)
	if err != nil {
		return nil, err
	}
	f := &Finding{
		Cause: best.Hit.Cause, Original: p.hit.Cause, Root: best.Root, Needs: needs,
		Scenario: best.Scenario, Hit: best.Hit, Run: p.run, From: p.from, Tries: best.Tries,
	}
	f.Known = x.Known.of(f.Cause, f.Root, needs)
	f.ID = findingID(f.Cause, f.Known)
	declare(f, &out)
	return f, nil
}
