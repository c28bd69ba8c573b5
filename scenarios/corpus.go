package scenarios

import (
	"embed"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed corpus
var corpus embed.FS

// Corpus is the embedded library of scenarios.
func Corpus() fs.FS {
	sub, err := fs.Sub(corpus, "corpus")
	if err != nil {
		return corpus // a constant path is always valid
	}
	return sub
}

// CorpusNames lists the scenarios of the corpus, sorted.
func CorpusNames() []string {
	files, err := yamlFiles(Corpus())
	if err != nil {
		return nil // an embedded file can always be read
	}
	names := make([]string, 0, len(files))
	for _, file := range files {
		names = append(names, corpusName(file))
	}
	slices.Sort(names)
	return names
}

// corpusName is a scenario's name by its file.
func corpusName(file string) string {
	return strings.TrimSuffix(path.Base(file), path.Ext(file))
}

// CorpusFile finds the file of a scenario in the corpus.
func CorpusFile(name string) (string, bool) {
	found := ""
	_ = fs.WalkDir(Corpus(), ".", func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path.Ext(file) == ".yaml" && corpusName(file) == name {
			found = file
			return fs.SkipAll
		}
		return nil
	})
	return found, found != ""
}

// LoadCorpus reads a scenario of the corpus by its name.
func (l Loader) LoadCorpus(name string) (*Scenario, error) {
	file, ok := CorpusFile(name)
	if !ok {
		return nil, &UnknownScenarioError{Name: name}
	}
	return l.LoadFS(Corpus(), file)
}

// UnknownScenarioError is a name that no scenario of the corpus has.
type UnknownScenarioError struct{ Name string }

// Error names the nearest scenario.
func (e *UnknownScenarioError) Error() string {
	return unknown("scenario", e.Name, CorpusNames())
}
