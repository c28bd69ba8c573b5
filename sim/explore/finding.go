package explore

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
)

// Finding is one distinct cause with its smallest scenario.
type Finding struct {
	// ID names the finding in files: what is broken and a hash of the cause.
	ID    string
	Cause Cause
	// Original is the cause as it was seen before its scenario was shrunk.
	Original Cause
	// Root is what broke first in the smallest scenario. Where it is not the
	// Cause, that follows from it.
	Root Cause
	// Needs are those of the smallest scenario, Also those of other scenarios with the
	// same cause.
	Needs    []string
	Also     [][]string
	Scenario *scenarios.Scenario
	Hit      Hit
	// Known is set for a cause that is known, or that follows from one.
	Known *Known
	// Run is the run that showed it first, or -1.
	Run int
	// From is where it came from in words: a run, a scenario's crash point.
	From string
	// Tries are the replays that shrinking took.
	Tries int
	// Seen counts the causes that shrank to this one.
	Seen int
}

// identity tells findings apart after they were shrunk: what is broken, and the path
// in upstream's code, with the errors that were raised there. The event in which it
// shows itself, and what was needed for it, may vary. A cause that is known stays apart
// from what nobody knows: a new defect in the same code does not hide behind it. Where
// there is no path, the event and the text of what broke stand for it.
func identity(c Cause, known *Known) string {
	parts := slices.Concat([]string{c.Broken}, c.Path, c.Errors)
	if len(c.Path) == 0 {
		parts = append(parts, c.Event, c.Detail)
	}
	if known != nil {
		parts = append(parts, "known as "+known.Name)
	}
	return strings.Join(parts, "|")
}

func findingID(c Cause, known *Known) string {
	h := fnv.New32a()
	fmt.Fprint(h, identity(c, known))
	return fmt.Sprintf("%s-%08x", c.Broken, h.Sum32())
}

// Follows says that the finding is a consequence of another cause.
func (f *Finding) Follows() bool { return f.Root.Key() != f.Cause.Key() }

// Findings gathers findings and keeps the smallest scenario of each.
type Findings struct {
	byID map[string]*Finding
}

// add takes a finding in; of two with the same identity the smaller one stays.
func (l *Findings) add(f *Finding) {
	if l.byID == nil {
		l.byID = map[string]*Finding{}
	}
	old := l.byID[f.ID]
	if old == nil {
		f.Seen = 1
		l.byID[f.ID] = f
		return
	}
	other := f
	if weight(f.Scenario) < weight(old.Scenario) {
		other = old
		f.Seen, f.Run, f.From, f.Also = old.Seen, old.Run, old.From, old.Also
		l.byID[f.ID], old = f, f
	}
	old.Seen++
	old.also(other.Needs)
}

// also remembers what another scenario with the same cause needs.
func (f *Finding) also(needs []string) {
	f.Also = append(f.Also, needs)
	f.Also = slices.DeleteFunc(f.Also, func(n []string) bool { return slices.Equal(n, f.Needs) })
	slices.SortFunc(f.Also, func(a, b []string) int { return cmp.Or(cmp.Compare(len(a), len(b)), slices.Compare(a, b)) })
	f.Also = slices.CompactFunc(f.Also, slices.Equal)
}

// List returns the findings, the most harmful first, new ones before known ones.
func (l *Findings) List() []*Finding {
	out := make([]*Finding, 0, len(l.byID))
	for _, f := range l.byID {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b *Finding) int {
		ha, _ := Harm(a.Cause.Broken)
		hb, _ := Harm(b.Cause.Broken)
		return cmp.Or(cmp.Compare(known(a), known(b)), cmp.Compare(ha, hb), cmp.Compare(weight(a.Scenario), weight(b.Scenario)), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func known(f *Finding) int {
	if f.Known != nil {
		return 1
	}
	return 0
}
