// Package explore looks for what nobody wrote down: it makes sequences of events,
// replays them on a node, checks the invariants after every event, and shrinks what
// breaks to the smallest scenario.
//
// The engine knows nothing of how a node works. It drives whatever a Setup makes:
// the simulated node around the real managers, or a stub with a bug planted in it.
package explore
