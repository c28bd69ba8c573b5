package cpumap

import (
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/tui/paint"
)

// The symbols of CPUs that no container has for itself.
const (
	symbolShared   = '·'
	symbolReserved = 'R'
	symbolOffline  = 'x'
	symbolNobody   = '?'
	symbolClash    = '!'
	// symbolMixed stands for several CPUs that are not alike.
	symbolMixed = '+'
)

// Mark is how one CPU is shown.
type Mark struct {
	Symbol rune
	Role   paint.Role
	Attr   paint.Attr
}

// Marks are the marks of a machine, by CPU id.
type Marks []Mark

// Marks gives every CPU of a machine its mark.
func (ow *Owners) Marks(m *Machine) Marks {
	marks := make(Marks, m.largest+1)
	for i := range marks {
		marks[i] = Mark{Symbol: symbolNobody, Role: paint.Nobody}
	}
	put := func(ids []int, mark Mark) {
		for _, id := range ids {
			if id >= 0 && id < len(marks) {
				marks[id] = mark
			}
		}
	}
	put(ow.Shared.UnsortedList(), Mark{Symbol: symbolShared, Role: paint.Shared})
	put(ow.Reserved.UnsortedList(), Mark{Symbol: symbolReserved, Role: paint.Reserved})
	for id := range marks {
		if w := ow.Of(id); w != nil {
			marks[id] = Mark{Symbol: w.Letter, Role: w.Role}
		}
	}
	put(ow.Clash.UnsortedList(), Mark{Symbol: symbolClash, Role: paint.Clash})
	put(ow.Offline.UnsortedList(), Mark{Symbol: symbolOffline, Role: paint.Offline})
	return marks
}

// Changed underlines the CPUs whose mark is not what it was.
func (m Marks) Changed(before Marks) Marks {
	for i := range m {
		if i >= len(before) || before[i].Symbol != m[i].Symbol || before[i].Role != m[i].Role {
			m[i].Attr |= paint.Underline | paint.Bold
		}
	}
	return m
}

// Drift underlines CPUs that somebody may use and should not, or the other way
// round. Owners keep their colours.
func (m Marks) Drift(cpus cpuset.CPUSet) Marks {
	for _, id := range cpus.UnsortedList() {
		if id < 0 || id >= len(m) {
			continue
		}
		m[id].Attr |= paint.Underline | paint.Bold
		if m[id].Role == paint.Shared || m[id].Role == paint.Reserved {
			m[id].Role = paint.Bad
		}
	}
	return m
}

// Only dims the CPUs that keep says no to.
func (m Marks) Only(keep func(cpu int) bool) Marks {
	for i := range m {
		if !keep(i) {
			m[i] = Mark{Symbol: m[i].Symbol, Role: paint.Dim}
		}
	}
	return m
}

// of is the mark of several CPUs as one.
func (m Marks) of(cpus []int) Mark {
	mark := Mark{Symbol: symbolMixed, Role: paint.Text}
	for i, id := range cpus {
		if id < 0 || id >= len(m) {
			continue
		}
		switch at := m[id]; {
		case at.Symbol == symbolClash:
			return at
		case i == 0:
			mark = at
		case at.Symbol != mark.Symbol:
			mark = Mark{Symbol: symbolMixed, Role: paint.Text, Attr: mark.Attr | at.Attr}
		default:
			mark.Attr |= at.Attr
		}
	}
	return mark
}
