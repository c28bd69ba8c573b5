package paint

import (
	"fmt"
	"strings"

	"charm.land/lipgloss/v2"
)

// Theme names a palette.
type Theme string

// The themes. Plain has no colours, only bold, underlined and reverse cells.
const (
	Dark  Theme = "dark"
	Light Theme = "light"
	Plain Theme = "none"
)

// Palette is a theme, ready to be written to a terminal.
type Palette struct {
	prefix [roles][attrs]string
}

// reset ends whatever a prefix began.
const reset = "\x1b[m"

// NewPalette makes the palette of a theme.
func NewPalette(t Theme) (*Palette, error) {
	var colors [roles]string
	switch t {
	case Dark:
		colors = darkColors()
	case Light:
		colors = lightColors()
	case Plain:
	default:
		return nil, fmt.Errorf("theme %q: want auto, dark, light or none", t)
	}
	p := &Palette{}
	for role := range roles {
		for attr := range attrs {
			p.prefix[role][attr] = prefixOf(Role(role), Attr(attr), colors[role])
		}
	}
	return p, nil
}

// prefixOf asks lipgloss for the escape sequence of a cell.
func prefixOf(role Role, attr Attr, color string) string {
	s := lipgloss.NewStyle()
	if color != "" {
		s = s.Foreground(lipgloss.Color(color))
	}
	switch role {
	case Title, Focus, Key, Bad, Clash:
		attr |= Bold
	}
	if role == Focus {
		attr |= Underline
	}
	if color == "" && role == Dim {
		s = s.Faint(true)
	}
	if color == "" && role == Clash {
		attr |= Reverse
	}
	s = s.Bold(attr&Bold != 0).Underline(attr&Underline != 0).Reverse(attr&Reverse != 0)
	prefix, _, _ := strings.Cut(s.Render("x"), "x")
	return prefix
}

// darkColors are for light text on a dark background. They are of the 256
// colours, which every terminal and tmux has; the library brings them down
// where there are fewer.
func darkColors() [roles]string {
	return [roles]string{
		Dim: "245", Title: "255", Border: "240", Focus: "81", Key: "81",
		Good: "114", Warn: "221", Bad: "203",
		Shared: "245", Reserved: "221", Offline: "240", Nobody: "203", Clash: "203", Bar: "110",
		Owner: "114", Owner + 1: "75", Owner + 2: "215", Owner + 3: "176", Owner + 4: "80", Owner + 5: "228",
		Owner + 6: "147", Owner + 7: "210", Owner + 8: "150", Owner + 9: "117", Owner + 10: "180", Owner + 11: "219",
	}
}

// lightColors are for dark text on a light background.
func lightColors() [roles]string {
	return [roles]string{
		Dim: "242", Title: "16", Border: "248", Focus: "26", Key: "26",
		Good: "28", Warn: "130", Bad: "160",
		Shared: "242", Reserved: "130", Offline: "248", Nobody: "160", Clash: "160", Bar: "25",
		Owner: "28", Owner + 1: "25", Owner + 2: "130", Owner + 3: "91", Owner + 4: "30", Owner + 5: "94",
		Owner + 6: "61", Owner + 7: "125", Owner + 8: "64", Owner + 9: "31", Owner + 10: "95", Owner + 11: "162",
	}
}
