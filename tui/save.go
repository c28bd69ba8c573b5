package tui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	tea "charm.land/bubbletea/v2"
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
		if errors.Is(err, fs.ErrExist) {
			m.overlay = &confirm{title: "save", question: name + " exists. Overwrite it?", yes: func(m *Model) tea.Cmd {
				if err := m.save(name, true); err != nil {
					m.fail(err)
				}
				return nil
			}}
			return nil, nil
		}
		return nil, err
	})
}

// save writes the session as a scenario.
func (m *Model) save(name string, overwrite bool) error {
	e := m.explore
	text, err := e.scenario(name)
	if err != nil {
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if !overwrite {
		flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL
	}
	f, err := os.OpenFile(name, flags, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w", name, unwrapPath(err))
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, unwrapPath(err))
	}
	e.saved = len(e.story.Steps)
	m.say("saved; replay it with  pinlab run " + name)
	return nil
}

// scenario is the session as a file: its steps, and after each what was seen.
func (e *explore) scenario(file string) (string, error) {
	base := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	name := strings.Trim(regexp.MustCompile(`[^a-z0-9-]+`).ReplaceAllString(strings.ToLower(base), "-"), "-")
	if name == "" {
		name = "explored"
	}
	comment := "Explored on " + e.ref + ".\n\nWhat was seen after each step is expected of a replay. Keep what matters,\nand say here why."
	if e.ref == "detected" {
		comment += "\n\nprofile: detected is the machine that a replay runs on; elsewhere the CPU\nlists may not fit."
	}
	return e.story.Text(name, comment, func(step int) []string {
		if step < len(e.expects) {
			return e.expects[step]
		}
		return nil
	})
}

// Unsaved is the session as a scenario when it has steps that are in no file.
func (m *Model) Unsaved() (string, bool) {
	if !m.explore.unsaved() {
		return "", false
	}
	text, err := m.explore.scenario("explored.yaml")
	return text, err == nil
}
