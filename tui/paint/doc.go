// Package paint is the grid that views draw on: runes with a role each, which a
// palette turns into the colours of a theme. A view says what a cell means, not
// which colour it has, so that it looks the same to a test in every theme.
package paint
