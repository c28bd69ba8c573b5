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
	// controls are near-identical situations that work; since are the first
	// versions with the bug; unreported says that nobody has reported it.
	controls, since []string
	unreported      bool
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
		i.unreported = i.unreported || s.Labels["reported"] == "false"
		if status == "open" {
			checkOpen(g, s)
			i.controls = appendNew(i.controls, s.Labels["control"])
			for _, v := range s.Violates {
				i.since = appendNew(i.since, v.Since)
			}
			if s.Affects != nil {
				i.since = appendNew(i.since, s.Affects.Since)
			}
		}
		for _, source := range s.Sources {
			i.sources = appendNew(i.sources, source)
		}
	}
	return corpusHead(total, len(byName), classes, byName) + corpusRows(byName)
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// checkOpen holds what a scenario of a bug in this version owes: it tells when
// upstream has fixed it, and beside it is what works.
func checkOpen(g *gomega.WithT, s *Scenario) {
	bounded := s.Affects != nil && s.Affects.Since != ""
	for _, v := range s.Violates {
		bounded = bounded || v.Since != ""
	}
	g.Expect(bounded).To(gomega.BeTrue(), "%s: an open incident has violates or affects, since a version", s.Name)
	g.Expect(s.Labels).To(gomega.HaveKey("control"), "%s: an open incident names its control", s.Name)
	control, err := Loader{}.LoadCorpus(s.Labels["control"])
	g.Expect(err).NotTo(gomega.HaveOccurred(), s.Name)
	g.Expect(control.Labels["target"]).To(gomega.BeEmpty(), "%s: its control is replayed with the corpus", s.Name)
}

func corpusHead(total, incidents int, classes map[string]int, byName map[string]*incident) string {
	status := map[string]int{}
	var unreported []string
	perClass := map[string]map[string]int{}
	for _, i := range byName {
		if i.unreported {
			unreported = append(unreported, i.name)
		}
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

%d scenarios; %d incidents and rules are played by them: %d are open in v1.37.2, %d
are meant to be so (a trap all the same), %d were fixed and are guarded, %d is a
control alone. %d of them have been reported. Nobody has reported the other %d, which
are rules of the documentation and what the sources show: %s.
Every scenario was seen to hold on the real managers.

A scenario of an open incident fails as soon as upstream has fixed it, by `+"`violates`"+` or
by `+"`affects`"+` ([scenarios.md](scenarios.md)), and its label `+"`control`"+` names what works
beside it: another scenario, or its own steps. What is not held:

- A hang. `+"`tm-hint-explosion`"+` blocks admission for minutes with eight NUMA nodes; a run
  that does not end is ended from outside and has nothing left to expect, so the
  scenario holds the cause on four nodes.
- `+"`disk-full-checkpoint`"+`: the device manager's `+"`failed to write checkpoint file\n  \"kubelet_internal_checkpoint\"`"+`. pinlab plays the device manager, without a file.
- `+"`init-device-restart`"+`: the threads' `+"`requested number of devices unavailable`"+`. v1.37.2 looks
  at the devices' health first, and its own text is held.

| class | scenarios | incidents | open | by design | fixed |
|---|---:|---:|---:|---:|---:|
`, total, incidents, status["open"], status["design"], status["fixed"], status["control"],
		incidents-len(unreported), len(unreported), codes(slices.Sorted(slices.Values(unreported))))
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		c := perClass[class]
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", class, classes[class], c[""], c["open"], c["design"], c["fixed"])
	}
	return b.String()
}

func corpusRows(byName map[string]*incident) string {
	var b strings.Builder
	b.WriteString("\n`open`: the faulty code is in v1.37.2, since the versions that the scenario declares. `design`: upstream means it. `fixed-V`: first version without it.\n")
	b.WriteString("\n| incident | class | upstream | scenarios | control | sources |\n|---|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		i := byName[name]
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", i.name, i.class, i.told(), codes(i.scenarios), i.control(), links(i.sources))
	}
	return b.String()
}

// told is the status, of an open incident with the versions.
func (i *incident) told() string {
	if i.upstream != "open" {
		return i.upstream
	}
	return "open since " + strings.Join(i.since, ", ")
}

// control names the scenarios that show what works; an incident's own scenario
// does it in some of its steps.
func (i *incident) control() string {
	var names []string
	for _, name := range i.controls {
		if !slices.Contains(i.scenarios, name) {
			names = append(names, "`"+name+"`")
			continue
		}
		names = appendNew(names, "in itself")
	}
	return strings.Join(names, ", ")
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
