// Package story is what was done in the explorer, as a scenario: each step is
// kept as it would stand in a scenario file, is read by the scenarios' own
// loader, and can be saved with what was seen.
package story
