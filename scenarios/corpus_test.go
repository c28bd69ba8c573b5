package scenarios

import (
	"io/fs"
	"path"
	"testing"

	"github.com/onsi/gomega"
)

func TestCorpusLoads(t *testing.T) {
	g := gomega.NewWithT(t)
	files, err := yamlFiles(Corpus())
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(files).NotTo(gomega.BeEmpty())
	seen := map[string]string{}
	for _, file := range files {
		s, err := Loader{}.LoadFS(Corpus(), file)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		g.Expect(path.Ext(file)).To(gomega.Equal(".yaml"), file)
		g.Expect(s.Name).To(gomega.Equal(corpusName(file)), "the name is the file's")
		g.Expect(seen[s.Name]).To(gomega.BeEmpty(), "%s is the name of two scenarios, one is %s", s.Name, file)
		seen[s.Name] = file
		g.Expect(s.Story).NotTo(gomega.BeEmpty(), "%s opens with its story", file)
		g.Expect(s.Labels).To(gomega.HaveKey("class"), file)
		g.Expect(s.Labels["outage"] == "true").To(gomega.Equal(path.Dir(file) == "outage"), "%s: the outage's scenarios are labelled outage", file)
		g.Expect(s.Labels["portable"] == "true").To(gomega.Equal(s.Requires != nil), "%s: what has requires is labelled portable", file)
	}
	g.Expect(CorpusNames()).To(gomega.HaveLen(len(files)))
}

func TestLoadCorpus(t *testing.T) {
	g := gomega.NewWithT(t)
	s, err := Loader{}.LoadCorpus("first-pin")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(s.File).To(gomega.Equal("basics/first-pin.yaml"))
	_, err = Loader{}.LoadCorpus("frist-pin")
	g.Expect(err).To(gomega.MatchError(gomega.HavePrefix(`unknown scenario "frist-pin"; did you mean "first-pin"?`)))
	_, err = Loader{}.LoadFS(Corpus(), "basics/none.yaml")
	g.Expect(err).To(gomega.MatchError("basics/none.yaml: file does not exist"))
	_, err = fs.Stat(Corpus(), "basics")
	g.Expect(err).NotTo(gomega.HaveOccurred())
}
