package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// arrange works out what the next frame shows.
func (v *verify) arrange(a paint.Area) {
	if !v.known {
		return
	}
	l := v.mapState.arrange(a, v.focus)
	v.top = scroll(v.top, l.list.H-1, v.row(), len(v.rows))
	v.lines = nil
	if l.pane.H > 0 {
		v.lines, _ = v.paneLines(l.pane.W - 1)
		v.paneFrom = clampFrom(v.paneFrom, len(v.lines), l.pane.H)
	}
}

func (m *Model) drawVerify(a paint.Area) {
	v := m.verify
	if !v.known {
		text, role := "looking at this node…", paint.Dim
		switch {
		case v.err != nil:
			text, role = v.err.Error(), paint.Warn
		case m.deps.Audit == nil:
			text = "there is no node to look at"
		}
		var lines []view.Line
		for _, part := range strings.Split(text, "; ") {
			lines = append(lines, view.Line{Text: part, Role: role})
		}
		lines = append(lines, view.Line{}, view.Line{Text: "r looks again", Role: paint.Dim})
		view.Text(a.Sub(1, 1, a.W-2, a.H-1), view.Wrap(lines, a.W-3), 0)
		return
	}
	l := v.layout(a, v.focus)
	config := configText(&v.mapState.seen)
	if v.looking {
		config = "looking… " + config
	}
	if v.err != nil {
		config = "not up to date: " + v.err.Error()
	}
	l.config.Print(0, 0, config, paint.Dim, 0)
	view.Rule(l.mapRule, []string{"CPU map"}, 0, v.focus == onMap, v.note())
	v.draw(l.grid, v.focus == onMap)
	v.drawLegend(l, v.legend())
	if l.list.H > 0 {
		note := podCount(v.rows)
		if l.stacked {
			note += " · tab: findings"
		}
		if v.filter.text != "" {
			note = "/" + v.filter.text
		}
		view.Rule(l.listRule, []string{"assigned and actual"}, 0, v.focus == onList, note)
		if len(v.rows) == 0 {
			l.list.Print(0, 0, "no containers", paint.Dim, 0)
		} else {
			t := v.table(v.focus == onList)
			t.From = v.top
			t.Draw(l.list)
		}
	}
	if l.pane.H > 0 {
		view.Rule(l.paneRule, []string{"findings"}, 0, v.focus == onPane, fmt.Sprintf("%d", len(v.node.Findings)))
		view.Text(l.pane, v.lines, v.paneFrom)
	}
	view.Down(l.beside)
}

func (m *Model) verifyClick(x, y int) tea.Cmd {
	v := m.verify
	if !v.known {
		return nil
	}
	l := v.layout(m.area(), v.focus)
	switch {
	case l.grid.Contains(x, y):
		v.focus = onMap
		v.click(x-l.grid.X, y-l.grid.Y)
	case l.list.Contains(x, y):
		v.focus = onList
		if i := v.top + y - l.list.Y - 1; i >= 0 && i < len(v.rows) && y > l.list.Y {
			v.selected = v.rows[i].ref
		}
	case l.pane.Contains(x, y), l.paneRule.Contains(x, y):
		v.focus = onPane
	}
	return nil
}
