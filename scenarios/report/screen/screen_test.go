package screen

import (
	"bytes"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ text, plain, colored string }{
		{"a µ …\n\tb", "a µ …\n\tb", "a µ …\n\tb"},
		{"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`, "\x1b[31mred\x1b[0m"},
		{"\x1b[2J\x1b]0;title\a", `\x1b[2J\x1b]0;title\a`, `\x1b[2J\x1b]0;title\a`},
		{"over\rwritten\b\x7f\x00", `over\rwritten\b\x7f\x00`, `over\rwritten\b\x7f\x00`},
		{"\u009b31m \x9b \ufffd", "\\u009b31m \\x9b \ufffd", "\\u009b31m \\x9b \ufffd"},
	} {
		for color, want := range map[bool]string{false: c.plain, true: c.colored} {
			g := NewWithT(t)
			var b bytes.Buffer
			n, err := Clean(&b, Painter{Color: color}).Write([]byte(c.text))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(n).To(Equal(len(c.text)))
			g.Expect(b.String()).To(Equal(want), "%q, colour %v", c.text, color)
		}
	}
}

func TestColumnsWithin(t *testing.T) {
	rows := [][]Cell{
		Cells("NAME", "CPUS", "WHY"),
		Cells("a/app", "2-17", "QoS Guaranteed with 16 whole CPUs, and nothing else to say of it"),
		Cells("b/app", "0-1", "a-word-that-is-longer-than-the-room short"),
	}
	table := func(width int) string {
		var b strings.Builder
		ColumnsWithin(&b, Painter{}, "  ", width, rows)
		return "\n" + b.String()
	}
	for width, want := range map[int]string{
		0: `
  NAME    CPUS   WHY
  a/app   2-17   QoS Guaranteed with 16 whole CPUs, and nothing else to say of it
  b/app   0-1    a-word-that-is-longer-than-the-room short
`,
		51: `
  NAME    CPUS   WHY
  a/app   2-17   QoS Guaranteed with 16 whole CPUs,
                 and nothing else to say of it
  b/app   0-1    a-word-that-is-longer-than-the-room
                 short
`,
		36: `
  NAME    CPUS   WHY
  a/app   2-17
      QoS Guaranteed with 16 whole
      CPUs, and nothing else to say
      of it
  b/app   0-1
      a-word-that-is-longer-than-the-room
      short
`,
	} {
		NewWithT(t).Expect(table(width)).To(Equal(want), "width %d", width)
	}
}
