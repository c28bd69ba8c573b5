package tui

import tea "charm.land/bubbletea/v2"

// filter is a text that rows and owners must contain.
type filter struct {
	text   string
	typing bool
}

// filter is that of the view that is shown; the bench has none.
func (m *Model) filter() *filter {
	switch m.view {
	case ViewReplay:
		return &m.replay.filter
	case ViewVerify:
		return &m.verify.filter
	case ViewBench:
		return &filter{}
	}
	return &m.explore.filter
}

// filterKey takes keys while a filter is typed, and says whether it did.
func (m *Model) filterKey(k tea.KeyPressMsg) bool {
	f := m.filter()
	if !f.typing {
		return false
	}
	switch {
	case k.String() == "enter":
		f.typing = false
	case k.String() == "esc":
		f.typing, f.text = false, ""
	case k.String() == "backspace":
		if r := []rune(f.text); len(r) > 0 {
			f.text = string(r[:len(r)-1])
		} else {
			f.typing = false
		}
	case k.Text != "":
		f.text += k.Text
	default:
		return false
	}
	m.refilter()
	return true
}

// refilter shows the current filter on the map.
func (m *Model) refilter() {
	switch m.view {
	case ViewReplay:
		m.replay.show()
	case ViewVerify:
		m.verify.show()
	case ViewExplore:
		m.explore.show()
	}
}
