package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/view"
)

func (m *Model) exploreKey(k tea.KeyPressMsg) tea.Cmd {
	e := m.explore
	if cmd, ok := m.exploreAction(k); ok {
		return cmd
	}
	switch {
	case key.Matches(k, m.keys.Next):
		e.turnTo((e.focus + 1) % focuses)
	case key.Matches(k, m.keys.Prev):
		e.turnTo((e.focus + focuses - 1) % focuses)
	case key.Matches(k, m.keys.Filter):
		e.filter.typing = true
	case key.Matches(k, m.keys.Back):
		if e.filter.text != "" {
			e.filter = filter{}
			e.show()
		} else if e.focus == onPane {
			e.turnTo(onList)
		}
	case key.Matches(k, m.keys.TabLeft):
		e.tab, e.paneFrom = (e.tab+len(exploreTabs())-1)%len(exploreTabs()), 0
	case key.Matches(k, m.keys.TabRight):
		e.tab, e.paneFrom = (e.tab+1)%len(exploreTabs()), 0
	case m.keys.folds(k), e.focus == onMap:
		e.mapKey(m, k)
	case e.focus == onPane:
		e.paneFrom = scrollKey(m, k, e.paneFrom, e.layout(m.area(), e.focus).pane.H)
	default:
		return m.listKey(k)
	}
	return nil
}

// mapKey moves, folds and zooms a map.
func (s *mapState) mapKey(m *Model, k tea.KeyPressMsg) {
	switch {
	case key.Matches(k, m.keys.Left):
		s.move(cpumap.Left)
	case key.Matches(k, m.keys.Right):
		s.move(cpumap.Right)
	case key.Matches(k, m.keys.Up):
		s.move(cpumap.Up)
	case key.Matches(k, m.keys.Down):
		s.move(cpumap.Down)
	case key.Matches(k, m.keys.PageUp):
		s.page(cpumap.Up)
	case key.Matches(k, m.keys.PageDown):
		s.page(cpumap.Down)
	case key.Matches(k, m.keys.Top):
		s.end(false)
	case key.Matches(k, m.keys.Bottom):
		s.end(true)
	case key.Matches(k, m.keys.ZoomIn), key.Matches(k, m.keys.Enter):
		s.zoomIn()
	case key.Matches(k, m.keys.ZoomOut):
		s.zoomOut()
	case key.Matches(k, m.keys.Finer):
		s.unfold(true)
	case key.Matches(k, m.keys.Coarser):
		s.unfold(false)
	case key.Matches(k, m.keys.Auto):
		s.level = cpumap.Auto
	}
}

// listKey moves in the list of pods.
func (m *Model) listKey(k tea.KeyPressMsg) tea.Cmd {
	e := m.explore
	if key.Matches(k, m.keys.Enter) {
		e.tab = tabExplain
		e.turnTo(onPane)
		return m.askExplain()
	}
	at := moveKey(m, k, e.at(), len(e.rows), e.layout(m.area(), e.focus).list.H-1)
	if at < 0 || at >= len(e.rows) || e.rows[at].ref == e.selected {
		return nil
	}
	e.selected, e.paneFrom = e.rows[at].ref, 0
	return m.askExplain()
}

// moveKey is the row that a key leads to.
func moveKey(m *Model, k tea.KeyPressMsg, at, rows, page int) int {
	page = max(page, 1)
	switch {
	case key.Matches(k, m.keys.Up):
		at--
	case key.Matches(k, m.keys.Down):
		at++
	case key.Matches(k, m.keys.PageUp):
		at -= page
	case key.Matches(k, m.keys.PageDown):
		at += page
	case key.Matches(k, m.keys.Top):
		at = 0
	case key.Matches(k, m.keys.Bottom):
		at = rows - 1
	}
	return max(min(at, rows-1), 0)
}

// scrollKey is the first line that a key leads to. The end is found when the
// pane is arranged.
func scrollKey(m *Model, k tea.KeyPressMsg, from, page int) int {
	const far = 1 << 20
	return moveKey(m, k, from, far, page)
}

func (m *Model) exploreClick(x, y int) tea.Cmd {
	e := m.explore
	l := e.layout(m.area(), e.focus)
	switch {
	case l.grid.Contains(x, y):
		e.turnTo(onMap)
		e.click(x-l.grid.X, y-l.grid.Y)
		// What is clicked is what is explained: its owner's row too.
		if w := e.ownerAt(); w != "" {
			e.selected = w
			return m.askExplain()
		}
	case l.list.Contains(x, y):
		e.turnTo(onList)
		if i := e.top + y - l.list.Y - 1; i >= 0 && i < len(e.rows) && y > l.list.Y {
			e.selected, e.paneFrom = e.rows[i].ref, 0
			return m.askExplain()
		}
	case l.paneRule.Contains(x, y), l.pane.Contains(x, y):
		if l.paneRule.Contains(x, y) && (!l.stacked || e.focus != onList) {
			if back := len([]rune(e.paneNote(l.stacked))) + 3; l.stacked && x >= l.paneRule.X+l.paneRule.W-back {
				e.turnTo(onList) // as the words there say
				return nil
			}
			e.tab = view.TabAt(l.paneRule.W, exploreTabs(), e.tab, x-l.paneRule.X)
		}
		e.turnTo(onPane)
	}
	return nil
}

// ownerAt is the row of the container that has the selected CPU.
func (e *explore) ownerAt() string {
	w := e.owners.Of(e.cpu)
	if w == nil {
		return ""
	}
	for i := range e.rows {
		if e.rows[i].ref == w.Name {
			return w.Name
		}
	}
	return ""
}
