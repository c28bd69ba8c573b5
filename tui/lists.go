package tui

import (
	tea "charm.land/bubbletea/v2"
)

// lists are what pickers choose from, once they are there.
type lists struct {
	profiles  []ProfileInfo
	scenarios []ScenarioInfo
}

// listed brings a list, and opens the picker that wanted it.
type listed struct {
	keep func(m *Model)
	open func(m *Model)
	err  error
}

func (l listed) take(m *Model) tea.Cmd {
	if l.err != nil {
		m.fail(l.err)
		return nil
	}
	l.keep(m)
	if m.overlay == nil {
		l.open(m)
	}
	return nil
}

// pickProfile chooses a machine: one of the library, this one, or a shape.
func (m *Model) pickProfile(title string, do func(ref string) tea.Cmd) tea.Cmd {
	open := func(m *Model) {
		choices := []choice{{name: "detected", note: "this machine", do: func(*Model) tea.Cmd { return do("detected") }}}
		for _, p := range m.lists.profiles {
			choices = append(choices, choice{name: p.Name, note: p.Description, do: func(*Model) tea.Cmd { return do(p.Name) }})
		}
		p := newPicker(title, choices)
		p.typed = func(_ *Model, text string) tea.Cmd { return do(text) }
		p.typedHint = "none in the library; enter takes it as a file or a shape: sockets=2 cores=24 threads=2"
		m.overlay = p
	}
	if m.lists.profiles != nil || m.deps.Profiles == nil {
		open(m)
		return nil
	}
	ask := m.deps.Profiles
	return func() tea.Msg {
		list, err := ask()
		return listed{func(m *Model) { m.lists.profiles = list }, open, err}
	}
}

// pickScenario chooses what to replay.
func (m *Model) pickScenario() tea.Cmd {
	open := func(m *Model) {
		choices := make([]choice, 0, len(m.lists.scenarios))
		for _, s := range m.lists.scenarios {
			choices = append(choices, choice{name: s.Name, note: s.Title, do: func(m *Model) tea.Cmd { return m.openReplay(s.Name, "") }})
		}
		p := newPicker("replay a scenario", choices)
		p.typed = func(m *Model, text string) tea.Cmd { return m.openReplay(text, "") }
		p.typedHint = "none in the corpus; enter takes it as a file"
		m.overlay = p
	}
	if m.lists.scenarios != nil || m.deps.Scenarios == nil {
		open(m)
		return nil
	}
	ask := m.deps.Scenarios
	return func() tea.Msg {
		list, err := ask()
		return listed{func(m *Model) { m.lists.scenarios = list }, open, err}
	}
}
