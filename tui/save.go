package tui

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/hwprofiles"
)

// askSave asks for a file's name. An existing file is not overwritten before
// that has been asked for as well.
func (m *Model) askSave() {
	if len(m.explore.story.Steps) == 0 || m.explore.busy != "" {
		m.fail(errors.New("there is nothing to save yet"))
		return
	}
	m.overlay = newPrompt("save the session as a scenario", "explored.yaml", []string{
		"a file that 'pinlab run FILE' replays, with what was seen as expectations",
	}, func(m *Model, name string) (tea.Cmd, error) {
		name = strings.TrimSpace(name)
		if rest, ok := cutHome(name); ok {
			name = rest
		}
		if name == "" {
			return nil, errors.New("want a file's name")
		}
		if ext := filepath.Ext(name); ext != ".yaml" && ext != ".yml" {
			name += ".yaml"
		}
		err := m.save(name, false)
		if taken := (takenError{}); errors.As(err, &taken) {
			m.overlay = &confirm{title: "save", question: taken.file + " exists. Overwrite it?", yes: func(m *Model) tea.Cmd {
				if err := m.Save(name); err != nil {
					m.fail(err)
				}
				return nil
			}}
			return nil, nil
		}
		return nil, err
	})
}

// takenError says that a file is there and may not be overwritten.
type takenError struct{ file string }

func (t takenError) Error() string { return t.file + " exists" }

// Save writes the session as a scenario, over what may be there.
func (m *Model) Save(name string) error { return m.save(name, true) }

func (m *Model) save(name string, overwrite bool) error {
	e := m.explore
	profile, machine, err := e.besides(name)
	if err != nil {
		return err
	}
	text, err := e.scenario(name, profile)
	if err != nil {
		return err
	}
	files := []savedFile{{name, []byte(text)}}
	if machine != nil {
		files = append(files, savedFile{filepath.Join(filepath.Dir(name), profile), machine})
	}
	for _, f := range files {
		if _, err := os.Lstat(f.name); err == nil && !overwrite {
			return takenError{f.name}
		}
	}
	for _, f := range files {
		if err := os.WriteFile(f.name, f.data, 0o644); err != nil {
			return fmt.Errorf("%s: %w", f.name, unwrapPath(err))
		}
	}
	e.saved = len(e.story.Steps)
	m.say("saved; replay it with  pinlab run " + name)
	return nil
}

type savedFile struct {
	name string
	data []byte
}

// besides is what a scenario in a file calls the session's machine. A scenario
// may name files of its own directory alone: a machine's file that lies elsewhere
// is copied next to it, and that copy's content is returned.
func (e *explore) besides(file string) (profile string, machine []byte, err error) {
	if !hwprofiles.NamesFile(e.ref) {
		return e.ref, nil, nil
	}
	if dir, err := filepath.Abs(filepath.Dir(file)); err == nil {
		if at, err := filepath.Abs(e.ref); err == nil {
			if rel, err := filepath.Rel(dir, at); err == nil && filepath.IsLocal(rel) && !strings.Contains(rel, "=") {
				return "./" + filepath.ToSlash(rel), nil, nil
			}
		}
	}
	if machine, err = e.began.MarshalProfile(); err != nil {
		return "", nil, fmt.Errorf("machine %s: %w", e.ref, err)
	}
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return base + ".machine.yaml", machine, nil
}

// scenario is the session as a file: its steps, and after each what was seen.
func (e *explore) scenario(file, profile string) (string, error) {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	name := strings.Trim(regexp.MustCompile(`[^a-z0-9-]+`).ReplaceAllString(strings.ToLower(base), "-"), "-")
	if name == "" {
		name = "explored"
	}
	comment := "Explored on " + e.ref + ".\n\nWhat was seen after each step is expected of a replay. Keep what matters,\nand say here why."
	if e.ref == "detected" {
		comment += "\n\nprofile: detected is the machine that a replay runs on; elsewhere the CPU\nlists may not fit."
	}
	st := e.story
	st.Profile = profile
	return st.Text(name, comment, func(step int) []string {
		if step < len(e.expects) {
			return e.expects[step]
		}
		return nil
	})
}

// Unsaved says that the session has steps that are in no file.
func (m *Model) Unsaved() bool { return m.explore.unsaved() }
