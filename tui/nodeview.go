package tui

import (
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// Node is what an audit says of a node, or what was seen of one elsewhere.
type Node struct {
	// Name says which node, and where this was seen.
	Name        string
	Profile     *hwprofiles.Profile
	Observation observe.Observation
	Findings    []Finding
	Unread      []string
}

// Finding is one thing that is not as it should be.
type Finding struct {
	// Severity is critical, warning or note.
	Severity string
	Check    string
	What     string
	// Details are further lines: where, why, what to do.
	Details []string
}
