// Package tui is the terminal explorer: where pods land, what a restart does, step by step. It is not written yet.
package tui
