package cpumap

// Level is how far the map is unfolded.
type Level int

// The levels, from coarse to fine. Auto is the finest that fits.
const (
	Auto Level = iota
	Sockets
	Nodes
	Caches
	Cores
	CPUs
	IDs
)

// String says what a level shows.
func (l Level) String() string {
	return [...]string{"auto", "a line is a socket", "a line is a NUMA node", "a bar is an L3", "a sign is a core", "a sign is a CPU", "CPU ids"}[l]
}

// levels are those that show something of their own on a machine.
func (m *Machine) levels() []Level {
	all := []Level{IDs, CPUs}
	if m.smt > 1 {
		all = append(all, Cores)
	}
	if m.caches {
		all = append(all, Caches)
	}
	return append(all, Nodes, Sockets)
}

// Finer and Coarser are the neighbours of a level on this machine.
func (m *Machine) Finer(l Level) Level {
	best := l
	for _, other := range m.levels() { // from fine to coarse
		if other > l {
			best = other
		}
	}
	return best
}

// Coarser is the next coarser level.
func (m *Machine) Coarser(l Level) Level {
	for _, other := range m.levels() {
		if other < l {
			return other
		}
	}
	return l
}

// Choose is the finest level of a scope that fits into so many columns and
// lines; when none does, the coarsest.
func (m *Machine) Choose(s Scope, width, height int) Level {
	level := Sockets
	for _, level = range m.levels() {
		if p := m.Plan(s, level, width); p.Lines <= height && p.Width <= width {
			return level
		}
	}
	return level
}
