// Package view draws the parts of the explorer's screens on a canvas: pure
// functions of plain data, which know nothing of keys, of sessions or of time.
package view
