package view

import "strings"

// madeFor is the width that text from elsewhere was wrapped to.
const madeFor = 80

// Reflow wraps text that was wrapped for another width already: sentences are
// put together again before they are cut, rows of tables and maps are left on
// their lines and cut at the edge.
func Reflow(lines []Line, width int) []Line {
	if width >= madeFor {
		return Wrap(lines, width)
	}
	var out []Line
	for i := 0; i < len(lines); i++ {
		l := lines[i]
		if row(l.Text) {
			out = append(out, Line{cut(l.Text, width), l.Role})
			continue
		}
		for i+1 < len(lines) && continues(lines[i].Text, lines[i+1].Text) {
			i++
			l.Text += " " + strings.TrimSpace(lines[i].Text)
		}
		out = append(out, Wrap([]Line{l}, width)...)
	}
	return out
}

// row says that a line is one of a table: it has wide gaps within.
func row(text string) bool { return strings.Contains(strings.TrimSpace(text), "   ") }

// continues says that a line goes on in the next: its first word had no room.
func continues(line, next string) bool {
	trimmed := strings.TrimLeft(next, " ")
	if row(next) || trimmed == "" || strings.HasPrefix(trimmed, "- ") {
		return false
	}
	indent := len(next) - len(trimmed)
	word, _, _ := strings.Cut(trimmed, " ")
	if strings.HasSuffix(word, ":") {
		return false // a field of its own
	}
	return indent > 0 && len([]rune(line))+1+len([]rune(word)) > madeFor
}

func cut(text string, width int) string {
	r := []rune(text)
	if len(r) <= width {
		return text
	}
	return string(r[:max(width-1, 0)]) + "…"
}
