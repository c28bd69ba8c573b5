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
// and the corpus: no spec is missing, no scenario is made up or left out by label.
func TestUpstreamE2E(t *testing.T) {
	g := gomega.NewWithT(t)
	doc, err := os.ReadFile("../docs/upstream-e2e.md")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	rows := map[string]string{} // file:line to name
	for _, m := range regexp.MustCompile(`(?m)^\| (.+) \| (\w+:\d+) \| (.+) \|$`).FindAllStringSubmatch(string(doc), -1) {
		rows[m[2]] = m[1]
		if strings.HasPrefix(m[3], "no: ") {
			continue
		}
		for _, by := range strings.Split(m[3], ", ") {
			s, err := scenarios.Loader{}.LoadCorpus(strings.Trim(by, "`"))
			g.Expect(err).NotTo(gomega.HaveOccurred(), m[1])
			g.Expect(s.Labels).To(gomega.HaveKeyWithValue("upstream-e2e", "true"), "%s: 'pinlab run -l upstream-e2e' leaves out %s", m[1], by)
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
