package screen

import (
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean returns a writer that shows control characters instead of sending them
// to a terminal: names, errors and log lines are the words of others. With
// colour it passes the sequences that Paint makes. It takes text in whole
// writes, so it comes before any buffer.
func Clean(w io.Writer, p Painter) io.Writer { return cleaner{w, p.Color} }

type cleaner struct {
	w     io.Writer
	color bool
}

// Write implements io.Writer.
func (c cleaner) Write(b []byte) (int, error) {
	if _, err := io.WriteString(c.w, Visible(string(b), c.color)); err != nil {
		return 0, err
	}
	return len(b), nil
}

var rendition = regexp.MustCompile(`^\x1b\[[0-9;]*m`)

// Visible writes control characters as Go does between quotes, but for the ends
// of lines and tabs, and for colours when they are allowed.
func Visible(text string, color bool) string {
	odd := func(r rune) bool {
		return r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t'
	}
	if strings.IndexFunc(text, odd) < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		part := text[i : i+size]
		switch {
		case r == '\x1b' && color && rendition.MatchString(text[i:]):
			part = rendition.FindString(text[i:])
			size = len(part)
		case odd(r) && (r != utf8.RuneError || size == 1):
			part = strings.Trim(strconv.Quote(part), `"`)
		}
		b.WriteString(part)
		i += size
	}
	return b.String()
}
