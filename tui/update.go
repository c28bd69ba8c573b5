package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// Update takes in what has happened.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	cmd := m.handle(msg)
	m.arrange()
	return m, cmd
}

func (m *Model) handle(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		// A terminal without a size has none to draw on, yet may get one.
		m.w, m.h = min(max(msg.Width, 1), 1000), min(max(msg.Height, 1), 500)
	case tea.BackgroundColorMsg:
		if m.opts.Background && m.theme != paint.Plain {
			if msg.IsDark() {
				m.setTheme(paint.Dark)
			} else {
				m.setTheme(paint.Light)
			}
		}
	case tea.KeyPressMsg:
		return m.pressed(msg)
	case tea.PasteMsg:
		if m.overlay != nil {
			m.overlay.paste(msg.Content)
		}
	case tea.MouseClickMsg:
		if msg.Button == tea.MouseLeft {
			return m.clicked(msg.X, msg.Y)
		}
	case tea.MouseWheelMsg:
		return m.wheel(msg)
	case answer:
		return msg.take(m)
	}
	return nil
}

// answer is what a command brings back; it knows what to do with itself.
type answer interface{ take(m *Model) tea.Cmd }

func (m *Model) pressed(k tea.KeyPressMsg) tea.Cmd {
	if k.String() == "ctrl+c" {
		return m.leave() // whatever is open
	}
	if m.overlay != nil {
		return m.overlay.key(m, k)
	}
	if m.filterKey(k) {
		return nil
	}
	m.message = view.Message{}
	switch {
	case key.Matches(k, m.keys.Quit):
		return m.leave()
	case key.Matches(k, m.keys.Help):
		m.overlay = &helpBox{groups: m.keys.of(m.view)}
		return nil
	case key.Matches(k, m.keys.View1):
		return m.enter(ViewExplore)
	case key.Matches(k, m.keys.View2):
		return m.enter(ViewReplay)
	case key.Matches(k, m.keys.View3):
		return m.enter(ViewBench)
	case key.Matches(k, m.keys.View4):
		return m.enter(ViewVerify)
	case key.Matches(k, m.keys.Theme):
		m.nextTheme()
		return nil
	}
	switch m.view {
	case ViewReplay:
		return m.replayKey(k)
	case ViewBench:
		return m.benchKey(k)
	case ViewVerify:
		return m.verifyKey(k)
	}
	return m.exploreKey(k)
}

// names are the views in the order of their numbers.
func names() []ViewName { return []ViewName{ViewExplore, ViewReplay, ViewBench, ViewVerify} }

func (m *Model) clicked(x, y int) tea.Cmd {
	if m.overlay != nil {
		if !m.overlay.bounds().Contains(x, y) {
			m.overlay = nil
			return nil
		}
		return m.overlay.click(m, x, y)
	}
	if y == m.h-1 && !m.filter().typing {
		return m.hintClicked(x)
	}
	if y == 0 {
		// The header is laid out as it is drawn.
		for i, end := range view.DrawHeader(paint.NewCanvas(m.w, 1).All(), m.header()) {
			if x < end && (i > 0 || x >= len("pinlab")) {
				return m.enter(names()[i])
			}
		}
		return nil
	}
	switch m.view {
	case ViewReplay:
		return m.replayClick(x, y)
	case ViewVerify:
		return m.verifyClick(x, y)
	case ViewBench:
		m.benchClick(x, y)
	case ViewExplore:
		return m.exploreClick(x, y)
	}
	return nil
}

// hintClicked takes a key of the last line for pressed.
func (m *Model) hintClicked(x int) tea.Cmd {
	bindings := m.keys.hints(m.view, m.onMap())
	if i := view.HintAt(m.w, m.hints(), x); i >= 0 {
		return m.pressed(pressOf(bindings[i].Keys()[0]))
	}
	return nil
}

// wheel is three lines up or down in whatever has the focus.
func (m *Model) wheel(msg tea.MouseWheelMsg) tea.Cmd {
	var k tea.KeyPressMsg
	switch msg.Button {
	case tea.MouseWheelUp:
		k.Code = tea.KeyUp
	case tea.MouseWheelDown:
		k.Code = tea.KeyDown
	default:
		return nil // sideways: nothing scrolls that way
	}
	if m.overlay != nil {
		return m.overlay.key(m, k)
	}
	var cmds []tea.Cmd
	for range 3 {
		cmds = append(cmds, m.pressed(k))
	}
	return tea.Batch(cmds...)
}

// leave ends the program behind an empty screen: a terminal multiplexer that was
// resized meanwhile may keep lines of the last one.
func (m *Model) leave() tea.Cmd {
	m.leaving = true
	return tea.Quit
}
