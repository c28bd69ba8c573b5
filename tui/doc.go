// Package tui is the terminal explorer: where pods land, what a restart does,
// step by step. It explores a simulated node, replays scenarios, shows a bench
// while it measures, and compares what a node promises with what it does.
//
// The screens are drawn by packages paint, cpumap and view from plain data; the
// Model here holds that data and changes it when keys, clicks and answers
// arrive. What needs the simulator comes in through Deps.
package tui
