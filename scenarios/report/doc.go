// Package report renders what a run has found: the CPU map and the verdict
// table for people, the trace that goldens keep, and JSON, YAML and JUnit for
// machines. Nothing is decided here.
package report
