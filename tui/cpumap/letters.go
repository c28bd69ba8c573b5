package cpumap

import (
	"maps"

	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/owners"
	"github.com/pinlab/pinlab/tui/paint"
)

// alphabet are the owners' letters. Those that could be taken for another
// symbol of the map are left out.
const alphabet = "abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQSTUVWYZ0123456789"

// many stands for every owner beyond the letters.
const many = '#'

// Letters numbers the owners by name.
type Letters map[string]int

// Next gives a letter to every owner of an observation: the one it had, else
// the lowest that is free. Owners that are gone free theirs.
func (l Letters) Next(o *observe.Observation) Letters {
	next, used := Letters{}, map[int]bool{}
	names := ownerNames(o)
	for _, name := range names {
		if n, ok := l[name]; ok {
			next[name] = n
			used[n] = true
		}
	}
	free := 0
	for _, name := range names {
		if _, ok := next[name]; ok {
			continue
		}
		for used[free] {
			free++
		}
		next[name] = free
		used[free] = true
	}
	if maps.Equal(l, next) {
		return l
	}
	return next
}

// ownerNames are the names that NewOwners will give, in its order.
func ownerNames(o *observe.Observation) []string {
	var names []string
	pools := map[string]bool{}
	for i := range o.Containers {
		c := &o.Containers[i]
		switch {
		case c.Exclusive:
			names = append(names, c.Ref())
		case owners.PodShared(o, c) && !pools[c.Pod]:
			pools[c.Pod] = true
			names = append(names, c.Pod)
		}
	}
	for _, a := range o.Stale {
		names = append(names, a.Pod+"/"+a.Container)
	}
	return names
}

func (l Letters) of(name string) (rune, paint.Role) {
	n, ok := l[name]
	if !ok || n >= len(alphabet) {
		return many, paint.OwnerRole(max(n, 0))
	}
	return rune(alphabet[n]), paint.OwnerRole(n)
}
