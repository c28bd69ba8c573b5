package report

import (
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios/report/screen"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/owners"
)

// The symbols of CPUs that no container owns.
const (
	symbolShared   = '·'
	symbolReserved = 'R'
	symbolOffline  = 'x'
	symbolNobody   = '?'
	symbolConflict = '!'
	// symbolMany stands for all owners when there are more than letters.
	symbolMany = '#'
)

// letters are the owners' symbols. Those that could be taken for another
// symbol are left out.
const letters = "abcdefghijklmnopqrstuvwyzABCDEFGHIJKLMNOPQSTUVWYZ0123456789"

// owner is who holds some CPUs, with the symbol and the colour it is drawn in.
type owner struct {
	owners.Owner
	symbol rune
	style  screen.Style
}

// drawnOwners says to whom each CPU belongs, and how that is drawn.
type drawnOwners struct {
	*owners.Owners
	list    []owner
	profile *hwprofiles.Profile
}

// newOwners works out who owns what, and gives out symbols and colours.
func newOwners(o *observe.Observation, p *hwprofiles.Profile) *drawnOwners {
	ow := &drawnOwners{Owners: owners.New(o, p), profile: p}
	styles, symbols := ownerStyles(), []rune(letters)
	for i, w := range ow.List {
		symbol := symbolMany
		if i < len(symbols) {
			symbol = symbols[i]
		}
		ow.list = append(ow.list, owner{w, symbol, styles[i%len(styles)]})
	}
	return ow
}

// symbol returns a CPU's letter and colour.
func (ow *drawnOwners) symbol(id int) (rune, screen.Style) {
	i, owned := ow.Index(id)
	switch {
	case ow.Offline.Contains(id):
		return symbolOffline, offline
	case ow.Clash.Contains(id):
		return symbolConflict, alarm
	case owned:
		return ow.list[i].symbol, ow.list[i].style
	case ow.Reserved.Contains(id):
		return symbolReserved, screen.Yellow
	case ow.Shared.Contains(id):
		return symbolShared, screen.Dim
	default:
		return symbolNobody, screen.Red
	}
}

// listOr is a list, or a word for the empty one.
func listOr(list observe.CPUs, empty string) string {
	if list == "" {
		return empty
	}
	return string(list)
}
