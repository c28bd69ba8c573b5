package scenarios

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
)

// TestCorpusDoc holds docs/corpus.md against the corpus: run it with -update
// after a scenario has come or gone.
func TestCorpusDoc(t *testing.T) {
	g := gomega.NewWithT(t)
	got := corpusDoc(g)
	const file = "../docs/corpus.md"
	if *update {
		g.Expect(os.WriteFile(file, []byte(got), 0o644)).To(gomega.Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(got).To(gomega.Equal(string(want)), "run 'go test ./scenarios -run CorpusDoc -update'")
}

// incident is one known incident and what plays it.
type incident struct {
	name, class, upstream string
	scenarios, sources    []string
}

func corpusDoc(g *gomega.WithT) string {
	byName := map[string]*incident{}
	classes := map[string]int{}
	total := 0
	for _, name := range CorpusNames() {
		s, err := Loader{}.LoadCorpus(name)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		total++
		classes[s.Labels["class"]]++
		id := s.Labels["incident"]
		if id == "" {
			continue
		}
		status := s.Labels["upstream"]
		known := status == "open" || status == "design" || status == "control" || strings.HasPrefix(status, "fixed-")
		g.Expect(known).To(gomega.BeTrue(), "%s: label upstream is %q; want open, design, control or fixed-VERSION", name, status)
		g.Expect(s.Sources).NotTo(gomega.BeEmpty(), name)
		if byName[id] == nil {
			byName[id] = &incident{name: id, class: s.Labels["class"], upstream: status}
		}
		i := byName[id]
		g.Expect(status).To(gomega.Equal(i.upstream), "%s and %s", name, i.scenarios)
		i.scenarios = append(i.scenarios, name)
		for _, source := range s.Sources {
			if !slices.Contains(i.sources, source) {
				i.sources = append(i.sources, source)
			}
		}
	}
	return corpusHead(total, len(byName), classes, byName) + corpusRows(byName)
}

func corpusHead(total, incidents int, classes map[string]int, byName map[string]*incident) string {
	status := map[string]int{}
	perClass := map[string]map[string]int{}
	for _, i := range byName {
		kind, _, _ := strings.Cut(i.upstream, "-")
		status[kind]++
		if perClass[i.class] == nil {
			perClass[i.class] = map[string]int{}
		}
		perClass[i.class][""]++
		perClass[i.class][kind]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# The corpus: known incidents

Generated from the scenarios; 'go test ./scenarios -run CorpusDoc -update' writes it.

%d scenarios; %d known incidents and rules are played by them: %d are open in
v1.37.2, %d are meant to be so (a trap all the same), %d were fixed and are guarded,
%d is a control alone. Every scenario was seen to hold on the real managers.

| class | scenarios | incidents | open | by design | fixed |
|---|---:|---:|---:|---:|---:|
`, total, incidents, status["open"], status["design"], status["fixed"], status["control"])
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		c := perClass[class]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", class, classes[class], c[""], c["open"], c["design"], c["fixed"])
	}
	return b.String()
}

func corpusRows(byName map[string]*incident) string {
	var b strings.Builder
	b.WriteString("\n`open`: the faulty code is in v1.37.2. `design`: upstream means it. `fixed-V`: first version without it.\n")
	b.WriteString("\n| incident | class | upstream | scenarios | sources |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		i := byName[name]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", i.name, i.class, i.upstream, codes(i.scenarios), links(i.sources))
	}
	return b.String()
}

func codes(names []string) string { return "`" + strings.Join(names, "`, `") + "`" }

// links shortens the addresses of GitHub: kubernetes/kubernetes#1.
func links(sources []string) string {
	out := make([]string, 0, len(sources))
	for _, s := range sources {
		text := strings.TrimPrefix(strings.TrimPrefix(s, "https://"), "github.com/")
		text = strings.TrimPrefix(text, "kubernetes/kubernetes/")
		text = strings.NewReplacer("/issues/", "#", "/pull/", "#", "issues/", "#", "pull/", "#").Replace(text)
		if strings.HasPrefix(text, "blob/") {
			text = text[strings.LastIndex(text, "/")+1:]
		}
		out = append(out, "["+text+"]("+s+")")
	}
	return strings.Join(out, ", ")
}
