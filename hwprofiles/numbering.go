package hwprofiles

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// level is one of the four loops that number the CPUs.
type level int

const (
	levelSocket level = iota
	levelNode
	levelCore
	levelThread
)

// levelNames are in the order of the constants.
func levelNames() []string { return []string{"socket", "node", "core", "thread"} }

// numberings are the rules with a name: the levels from the slowest to the
// fastest changing.
func numberings() map[string][]level {
	return map[string][]level{
		// Sockets in blocks; all first threads, then all second threads.
		"block": {levelThread, levelSocket, levelNode, levelCore},
		// Neighbouring CPUs are on different sockets.
		"round-robin": {levelThread, levelCore, levelNode, levelSocket},
		// The threads of a core are neighbours.
		"adjacent": {levelSocket, levelNode, levelCore, levelThread},
	}
}

// parseOrder reads a numbering: a name, or the four levels from the slowest to
// the fastest changing, like "socket/thread/node/core".
func parseOrder(text string) ([]level, error) {
	named := numberings()
	if order, ok := named[text]; ok {
		return order, nil
	}
	levels := strings.Split(text, "/")
	if len(levels) == 1 {
		names := make([]string, 0, len(named))
		for name := range named {
			names = append(names, name)
		}
		return nil, errors.New("unknown numbering " + quoteNear(text, names) + "; or the levels from slowest to fastest, like socket/thread/node/core")
	}
	var order []level
	for _, name := range levels {
		i := slices.Index(levelNames(), name)
		if i < 0 {
			return nil, errors.New("unknown level " + quoteNear(name, levelNames()))
		}
		if slices.Contains(order, level(i)) {
			return nil, fmt.Errorf("numbering %q names %s twice; want each of socket, node, core, thread once", clip(text), name)
		}
		order = append(order, level(i))
	}
	if len(order) != len(levelNames()) {
		return nil, fmt.Errorf("numbering %q has %d levels; want each of socket, node, core, thread once", clip(text), len(order))
	}
	return order, nil
}

func formatOrder(order []level) string {
	for name, levels := range numberings() {
		if slices.Equal(levels, order) {
			return name
		}
	}
	names := make([]string, len(order))
	for i, l := range order {
		names[i] = levelNames()[l]
	}
	return strings.Join(names, "/")
}
