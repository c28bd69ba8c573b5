package invariant_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/invariant"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestDocumentation keeps docs/invariants.md what the code says.
func TestDocumentation(t *testing.T) {
	g := NewWithT(t)
	var b bytes.Buffer
	fmt.Fprint(&b, "# Invariants\n\nWhat must hold after every step of every scenario, without being asked for.\nThe text is that of package `sim/invariant`.\n")
	for _, name := range invariant.Names() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", name, wrap(invariant.Doc(name)))
	}
	const file = "../../docs/invariants.md"
	if *update {
		g.Expect(os.WriteFile(file, b.Bytes(), 0o644)).To(Succeed())
	}
	have, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(have)).To(Equal(b.String()), "run 'make goldens'")
}

func wrap(text string) string {
	var b strings.Builder
	width := 0
	for _, word := range strings.Fields(text) {
		if width > 0 && width+1+len(word) > 80 {
			b.WriteByte('\n')
			width = 0
		} else if width > 0 {
			b.WriteByte(' ')
			width++
		}
		b.WriteString(word)
		width += len(word)
	}
	return b.String()
}
