package cpumap

import (
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/owners"
	"github.com/pinlab/pinlab/tui/paint"
)

// Owner is who holds some CPUs, with the letter and the colour it is drawn in.
type Owner struct {
	owners.Owner
	Letter rune
	Role   paint.Role
}

// Owners says to whom each CPU belongs, and how that is drawn.
type Owners struct {
	*owners.Owners
	List []Owner
}

// NewOwners works out who owns what. Letters are those given before where they
// are known, so that nobody's changes while the map is watched.
func NewOwners(o *observe.Observation, p *hwprofiles.Profile, letters Letters) *Owners {
	ow := &Owners{Owners: owners.New(o, p)}
	for _, w := range ow.Owners.List {
		letter, role := letters.of(w.Name)
		ow.List = append(ow.List, Owner{w, letter, role})
	}
	return ow
}

// Of is the owner of a CPU, nil where no container has it.
func (ow *Owners) Of(cpu int) *Owner {
	if i, ok := ow.Index(cpu); ok {
		return &ow.List[i]
	}
	return nil
}
