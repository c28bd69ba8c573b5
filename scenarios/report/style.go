package report

// style is an ANSI rendition; the zero value is plain text.
type style string

const (
	plain   style = ""
	bold    style = "1"
	dim     style = "2"
	red     style = "31"
	green   style = "32"
	yellow  style = "33"
	alarm   style = "1;37;41"
	offline style = "90"
)

// ownerStyles colour the owners of CPUs in turn. They are chosen to be told
// apart on dark and on light ground; red is kept for what is wrong.
func ownerStyles() []style {
	return []style{"1;34", "1;35", "1;36", "1;32", "38;5;208", "38;5;99", "38;5;30", "38;5;170", "38;5;64", "38;5;33"}
}

// painter applies styles, or not.
type painter struct{ color bool }

func (p painter) paint(s style, text string) string {
	if !p.color || s == plain || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}
