package cpumap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
)

// Scope is the part of the machine that is looked at: the zero value is all of
// it. Each level narrows the one above.
type Scope struct {
	// Depth counts the ids that are set, in their order.
	Depth               int
	Socket, Node, Cache int
}

// String is the way from the machine to the part.
func (s Scope) String() string {
	words := []string{"machine"}
	if s.Depth > 0 {
		words = append(words, socketName(s.Socket))
	}
	if s.Depth > 1 {
		words = append(words, nodeName(s.Node))
	}
	if s.Depth > 2 {
		words = append(words, fmt.Sprintf("L3 %d", s.Cache))
	}
	return strings.Join(words, " › ")
}

func socketName(id int) string {
	if id == hwprofiles.None {
		return "socket not known"
	}
	return fmt.Sprintf("socket %d", id)
}

func nodeName(id int) string {
	if id == hwprofiles.None {
		return "no NUMA node"
	}
	return fmt.Sprintf("NUMA node %d", id)
}

// In narrows the scope around a CPU to the next level that divides it.
func (m *Machine) In(s Scope, cpu int) Scope {
	for next := s; next.Depth < 3; {
		next.Depth++
		b, c := m.find(cpu)
		if b == nil {
			return s
		}
		next.Socket, next.Node, next.Cache = b.socket, b.node, hwprofiles.None
		if c != nil {
			next.Cache = c.cache
		}
		if next.Depth == 3 && next.Cache == hwprofiles.None {
			return s
		}
		if m.count(next) < m.count(s) {
			return next
		}
	}
	return s
}

// Out widens the scope to the next level that shows more.
func (m *Machine) Out(s Scope) Scope {
	for next := s; next.Depth > 0; {
		next.Depth--
		if next.Depth == 0 || m.count(next) > m.count(s) {
			return next.clean()
		}
	}
	return s.clean()
}

// clean forgets the ids below the depth, so that equal scopes are equal.
func (s Scope) clean() Scope {
	if s.Depth < 3 {
		s.Cache = 0
	}
	if s.Depth < 2 {
		s.Node = 0
	}
	if s.Depth < 1 {
		s.Socket = 0
	}
	return s
}

// within are the blocks of a scope; of a cache, with its cores alone.
func (m *Machine) within(s Scope) []block {
	if s.Depth == 0 {
		return m.blocks
	}
	var out []block
	for _, b := range m.blocks {
		if b.socket != s.Socket || (s.Depth > 1 && b.node != s.Node) {
			continue
		}
		if s.Depth > 2 {
			b.cores = slices.DeleteFunc(slices.Clone(b.cores), func(c core) bool { return c.cache != s.Cache })
			b.detached = nil
		}
		if len(b.cores)+len(b.detached) > 0 {
			out = append(out, b)
		}
	}
	return out
}

func (m *Machine) count(s Scope) int {
	n := 0
	for _, b := range m.within(s) {
		n += len(b.detached)
		for _, c := range b.cores {
			n += len(c.cpus)
		}
	}
	return n
}

// First is the first CPU of a scope, -1 where there is none.
func (m *Machine) First(s Scope) int {
	for _, b := range m.within(s) {
		if ids := b.all(); len(ids) > 0 {
			return ids[0]
		}
	}
	return -1
}

// Has says whether a CPU lies in a scope.
func (m *Machine) Has(s Scope, cpu int) bool {
	for _, b := range m.within(s) {
		if slices.Contains(b.all(), cpu) {
			return true
		}
	}
	return false
}

// find is the block and the core of a CPU; a detached CPU has no core.
func (m *Machine) find(cpu int) (*block, *core) {
	for i := range m.blocks {
		b := &m.blocks[i]
		for j := range b.cores {
			if slices.Contains(b.cores[j].cpus, cpu) {
				return b, &b.cores[j]
			}
		}
		if slices.Contains(b.detached, cpu) {
			return b, nil
		}
	}
	return nil, nil
}
