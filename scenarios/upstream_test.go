package scenarios_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
)

// TestUpstreamE2E holds the table of upstream's specs against upstream's source
// and the corpus: no spec is missing, no scenario is made up.
func TestUpstreamE2E(t *testing.T) {
	g := gomega.NewWithT(t)
	doc, err := os.ReadFile("../docs/upstream-e2e.md")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	names := scenarios.CorpusNames()
	rows := map[string]string{} // file:line to name
	for _, m := range regexp.MustCompile(`(?m)^\| (.+) \| (\w+:\d+) \| (.+) \|$`).FindAllStringSubmatch(string(doc), -1) {
		rows[m[2]] = m[1]
		if by, ok := strings.CutPrefix(m[3], "`"); ok {
			g.Expect(names).To(gomega.ContainElement(strings.TrimSuffix(by, "`")), m[1])
		} else {
			g.Expect(m[3]).To(gomega.HavePrefix("no: "), m[1])
		}
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes").Output()
	dir := filepath.Join(strings.TrimSpace(string(out)), "test", "e2e_node")
	if err != nil {
		t.Skip("upstream's source is not here: ", err)
	}
	specs := 0
	for _, file := range []string{"cpu_manager", "topology_manager"} {
		source, err := os.ReadFile(filepath.Join(dir, file+"_test.go"))
		g.Expect(err).NotTo(gomega.HaveOccurred())
		for i, line := range strings.Split(string(source), "\n") {
			if m := regexp.MustCompile(`\.It\("([^"]+)"`).FindStringSubmatch(line); m != nil {
				specs++
				g.Expect(rows).To(gomega.HaveKeyWithValue(fmt.Sprintf("%s:%d", file, i+1), m[1]))
			}
		}
	}
	g.Expect(rows).To(gomega.HaveLen(specs))
}
