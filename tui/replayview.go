package tui

import (
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// belowTimeline is where the replay has its map and panes.
func belowTimeline(a paint.Area) paint.Area { return a.Sub(0, 2, a.W, a.H-2) }

// arrange works out what the next frame shows.
func (r *replay) arrange(a paint.Area) {
	if r.rec == nil {
		return
	}
	l := r.mapState.arrange(belowTimeline(a), r.focus)
	r.top = scroll(r.top, l.list.H-1, r.row(), len(r.rows))
	r.lines = nil
	if l.pane.H > 0 {
		r.lines = r.paneLines(l.pane.W-1, l.pane.H)
		r.paneFrom = clampFrom(r.paneFrom, len(r.lines), l.pane.H)
	}
}

func (m *Model) drawReplay(a paint.Area) {
	r := m.replay
	switch {
	case r.rec == nil && r.loading != "":
		a.Print(0, 1, "replaying "+r.loading+"…", paint.Dim, 0)
		return
	case r.rec == nil:
		a.Print(0, 1, "o opens a scenario of the corpus, or a file of your own", paint.Dim, 0)
		return
	}
	step := &r.rec.Result.Steps[r.at]
	x := a.Print(0, 0, fmt.Sprintf("step %d of %d  ", r.at+1, len(r.ticks)), paint.Title, 0)
	x = a.Print(x, 0, step.Event, paint.Text, 0)
	if r.loading != "" {
		a.Print(x+2, 0, "replaying "+r.loading+"…", paint.Dim, 0)
	}
	view.Timeline(a.Sub(1, 1, a.W-2, 1), r.ticks, r.at)
	l := r.layout(belowTimeline(a), r.focus)
	if r.ready() && r.plan != nil {
		l.config.Print(0, 0, configText(&r.mapState.seen), paint.Dim, 0)
		view.Rule(l.mapRule, []string{"CPU map"}, 0, r.focus == onMap, r.note())
		r.draw(l.grid, r.focus == onMap)
		r.drawLegend(l, r.owners.Legend(r.plan.Level))
	}
	if l.list.H > 0 {
		r.drawPods(l)
	}
	if l.pane.H > 0 {
		view.Rule(l.paneRule, replayTabs(), r.tab, r.focus == onPane, "verdict: "+string(r.rec.Result.Verdict))
		view.Text(l.pane, r.lines, r.paneFrom)
	}
	view.Down(l.beside)
}

func (r *replay) drawPods(l exploreLayout) {
	note := podCount(r.rows)
	if l.stacked {
		note += " · tab: changes, log"
	}
	if r.filter.text != "" {
		note = "/" + r.filter.text
	}
	view.Rule(l.listRule, []string{"pods"}, 0, r.focus == onList, note)
	if len(r.rows) == 0 {
		l.list.Print(0, 0, "no pods", paint.Dim, 0)
		return
	}
	t := view.Table{Head: podHead(), Selected: -1}
	if r.focus == onList {
		t.Selected = r.row()
	}
	for i := range r.rows {
		t.Rows = append(t.Rows, r.rows[i].cells)
	}
	t.From = r.top
	t.Draw(l.list)
}

// paneLines tell what the step changed, or what the managers logged; where the
// pane is tall, both.
func (r *replay) paneLines(width, height int) []view.Line {
	steps := r.rec.Result.Steps
	step := &steps[r.at]
	log := view.Wrap(logLines(step.Log), width)
	if r.tab == 1 {
		return log
	}
	lines := changeLines(&frame{step: *step, changes: r.changes})
	if r.seen[r.at] != r.at && len(step.Failures) == 0 && step.Error == "" && step.Skipped == "" {
		lines = []view.Line{{Text: step.Event, Role: paint.Title}, {Text: "holds", Role: paint.Good}}
	}
	for _, text := range r.rec.Result.Closing() {
		if r.at == len(steps)-1 {
			lines = append(lines, view.Line{Text: "✗ " + text, Role: paint.Bad})
		}
	}
	if c, ok := r.selectedCPU(); ok && r.focus == onMap {
		lines = append(append(cpuLines(&r.mapState, c), view.Line{}), lines...)
	}
	lines = view.Wrap(lines, width)
	if height > 16 {
		lines = append(lines, view.Line{}, view.Line{Text: "log", Role: paint.Title})
		lines = append(lines, log...)
	}
	return lines
}

func (m *Model) replayClick(x, y int) tea.Cmd {
	r := m.replay
	if r.rec == nil {
		return nil
	}
	a := m.area()
	l := r.layout(belowTimeline(a), r.focus)
	line := a.Sub(1, 1, a.W-2, 1)
	switch {
	case line.Contains(x, y):
		r.goTo(view.TickAt(line.W, len(r.ticks), r.at, x-line.X))
	case l.grid.Contains(x, y):
		r.focus = onMap
		r.click(x-l.grid.X, y-l.grid.Y)
	case l.list.Contains(x, y):
		r.focus = onList
		if i := r.top + y - l.list.Y - 1; i >= 0 && i < len(r.rows) && y > l.list.Y {
			r.selected = r.rows[i].ref
		}
	case l.paneRule.Contains(x, y), l.pane.Contains(x, y):
		if l.paneRule.Contains(x, y) {
			r.tab, r.paneFrom = view.TabAt(l.paneRule.W, replayTabs(), r.tab, x-l.paneRule.X), 0
		}
		r.focus = onPane
	}
	return nil
}
