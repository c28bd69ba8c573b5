package view

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/tui/paint"
)

func text(lines []Line) string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return strings.Join(out, "\n")
}

// TestReflow puts sentences together before it cuts them, and leaves rows and
// fields on their lines.
func TestReflow(t *testing.T) {
	in := strings.Join([]string{
		"Assumed: nothing is injected at admission that the manifest does not show",
		"         (sidecars of a service mesh, defaults of a LimitRange); to check",
		"  spec.template.spec.initContainers[0].resources:  # of migrate here",
		"        requests.cpu: 2",
		"  CONTAINER   KIND   CPU   MEMORY   QOS ALONE    CPUS          NODES   WHY",
	}, "\n")
	want := strings.Join([]string{
		"Assumed: nothing is injected at admission",
		"  that the manifest does not show",
		"  (sidecars of a service mesh, defaults of",
		"  a LimitRange); to check",
		"  spec.template.spec.initContainers[0].res",
		"    ources:  # of migrate here",
		"        requests.cpu: 2",
		"  CONTAINER   KIND   CPU   MEMORY   QOS A…",
	}, "\n")
	NewWithT(t).Expect(text(Reflow(Lines(in, paint.Text), 42))).To(Equal(want))
}

func TestDuration(t *testing.T) {
	for ns, want := range map[float64]string{0: "0 ns", 1: "1 ns", 999: "999 ns", 999.9: "1.00 µs", 41200: "41.2 µs", 412e3: "412 µs", 1.234e6: "1.23 ms", 2e9: "2.00 s"} {
		NewWithT(t).Expect(Duration(ns)).To(Equal(want))
	}
}

// TestTableGivesWay keeps every column in sight on a narrow screen.
func TestTableGivesWay(t *testing.T) {
	table := Table{Head: []string{"A", "B"}, Rows: []Row{{{Text: strings.Repeat("x", 60)}, {Text: "kept"}}}, Selected: -1}
	c := paint.NewCanvas(30, 3)
	table.Draw(c.All())
	palette, err := paint.NewPalette(paint.Plain)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(c.String(palette)).To(ContainSubstring("…  kept"))
}
