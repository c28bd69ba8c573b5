package tui

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// exploreLayout is where the panes of the explorer are.
type exploreLayout struct {
	config, mapRule, grid, legend, listRule, list, paneRule, pane paint.Area
	// owners is for the letters of the map, where the list is not shown.
	owners paint.Area
	beside paint.Area // the line between two panes
	// stacked says that list and pane share one place.
	stacked bool
}

// wide is from how many columns on the pane stands beside the map.
const wide = 110

// layoutExplore shares out the screen below the header and above the last two
// lines. A map needs so many lines.
func layoutExplore(a paint.Area, mapLines int, focus focus) exploreLayout {
	l := exploreLayout{config: a.Sub(0, 0, a.W, 1)}
	body := a.Sub(0, 1, a.W, a.H-1)
	left := body
	if a.W >= wide {
		side := min(max(a.W*9/20, 46), 88)
		left = body.Sub(0, 0, body.W-side-1, body.H)
		l.beside = body.Sub(left.W, 0, 1, body.H)
		right := body.Sub(left.W+1, 0, side, body.H)
		l.paneRule = right.Sub(0, 0, right.W, 1)
		l.pane = right.Sub(1, 1, right.W-1, right.H-1)
	} else {
		l.stacked = true
	}
	// Rule and legend of the map, rule of the list and three lines of it.
	h := max(min(mapLines, left.H-6, max(left.H*3/5, 6)), 1)
	if l.stacked {
		h = max(min(mapLines, left.H-3-max(left.H/2-3, 4)), 1)
	}
	l.mapRule = left.Sub(0, 0, left.W, 1)
	l.grid = left.Sub(1, 1, left.W-1, h)
	l.legend = left.Sub(1, 1+h, left.W-1, 1)
	l.listRule = left.Sub(0, 2+h, left.W, 1)
	l.list = left.Sub(1, 3+h, left.W-1, left.H-3-h)
	if !l.stacked {
		l.list.W-- // a column before the line
	}
	if l.stacked {
		l.paneRule, l.pane = l.listRule, l.list
		if focus != onList {
			l.list = left.Sub(0, 0, 0, 0)
		} else {
			l.pane = left.Sub(0, 0, 0, 0)
		}
	}
	return l
}

// nameOwners takes a line for the map's letters from the pane.
func (l *exploreLayout) nameOwners() {
	l.owners = l.paneRule.Sub(1, 0, l.paneRule.W-1, 1)
	l.paneRule = l.pane.Sub(0, 0, l.pane.W, 1)
	l.paneRule.X, l.paneRule.W = l.paneRule.X-1, l.paneRule.W+1
	l.pane = l.pane.Sub(0, 1, l.pane.W, l.pane.H-1)
}

// arrange works out what the next frame shows.
func (e *explore) arrange(a paint.Area) {
	l := e.mapState.arrange(a, e.focus)
	if !e.ready() {
		return
	}
	e.top = scroll(e.top, l.list.H-1, e.at(), len(e.rows))
	e.lines = nil
	if l.pane.H > 0 {
		e.lines = e.paneLines(l.pane.W - 1)
		e.paneFrom = clampFrom(e.paneFrom, len(e.lines), l.pane.H)
	}
}

// clampFrom keeps the first line of a pane within its lines.
func clampFrom(from, lines, height int) int { return max(min(from, lines-height), 0) }

func (m *Model) drawExplore(a paint.Area) {
	e := m.explore
	l := e.layout(a, e.focus)
	l.config.Print(0, 0, e.configLine(), paint.Dim, 0)
	if !e.ready() || e.plan == nil {
		text := "no machine; p chooses one"
		if e.opening {
			text = "starting the kubelet…"
		}
		l.grid.Print(0, 0, text, paint.Dim, 0)
		return
	}
	view.Rule(l.mapRule, []string{"CPU map"}, 0, e.focus == onMap, e.note())
	e.draw(l.grid, e.focus == onMap)
	e.drawLegend(l, e.owners.Legend(e.plan.Level))
	if l.list.H > 0 {
		m.drawPods(l)
	}
	if l.pane.H > 0 {
		view.Rule(l.paneRule, exploreTabs(), e.tab, e.focus == onPane, e.paneNote(l.stacked))
		view.Text(l.pane, e.lines, e.paneFrom)
	}
	view.Down(l.beside)
}

// paneNote says how to come back to the list that the pane covers.
func (e *explore) paneNote(stacked bool) string {
	if stacked && e.focus == onMap {
		return "tab: pods"
	}
	if stacked {
		return "[ and ] turn · shift+tab: pods"
	}
	return "[ and ] turn"
}

func (m *Model) drawPods(l exploreLayout) {
	e := m.explore
	note := podCount(e.rows)
	if f := e.filter.text; f != "" || e.filter.typing {
		note = "/" + f
	} else if l.stacked {
		note += " · tab: explain, changes, log"
	}
	view.Rule(l.listRule, []string{"pods"}, 0, e.focus == onList, note)
	if len(e.rows) == 0 {
		text := "no pods yet: a adds one, m adds a manifest file, : takes any step"
		if e.filter.text != "" {
			text = "no pod matches /" + e.filter.text
		}
		view.Text(l.list, view.Wrap(view.Lines(text, paint.Dim), l.list.W), 0)
		return
	}
	t := view.Table{Head: podHead(), Selected: e.at()}
	for i := range e.rows {
		t.Rows = append(t.Rows, e.rows[i].cells)
	}
	t.From = e.top
	t.Draw(l.list)
}

// podCount counts pods, and containers where they are more.
func podCount(rows []podRow) string {
	pods, containers := map[string]bool{}, 0
	for i := range rows {
		pods[rows[i].pod] = true
		if rows[i].container != nil {
			containers++
		}
	}
	text := counted(len(pods), "pod")
	if containers > len(pods) {
		text += ", " + counted(containers, "container")
	}
	return text
}

func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// scroll is the first of the rows shown, so that one of them is in sight.
func scroll(top, height, at, rows int) int {
	height = max(height, 1)
	top = min(top, max(rows-height, 0))
	if at < top {
		top = at
	}
	if at >= top+height {
		top = at - height + 1
	}
	return max(top, 0)
}

func (e *explore) configLine() string {
	f := e.last()
	if f == nil {
		return ""
	}
	text := configText(&f.step.Observation)
	if e.busy != "" {
		text = "working… " + text
	}
	return text
}

// configText is the kubelet in one line.
func configText(o *observe.Observation) string {
	c := o.Config
	words := []string{"kubelet " + string(o.Kubelet)}
	if o.Kubelet == observe.KubeletFailed && o.KubeletError != "" {
		words[0] += ": " + strings.Join(strings.Fields(o.KubeletError), " ")
	}
	add := func(what, value string) {
		if value != "" {
			words = append(words, what+value)
		}
	}
	add("policy ", c.CPUManagerPolicy)
	for _, name := range slices.Sorted(maps.Keys(c.CPUManagerPolicyOptions)) {
		switch v := c.CPUManagerPolicyOptions[name]; v {
		case "true":
			words = append(words, name)
		case "false":
		default:
			words = append(words, name+"="+v)
		}
	}
	topology := c.TopologyManagerPolicy
	if topology != "none" && topology != "" {
		topology += "/" + c.TopologyManagerScope
	}
	add("topology ", topology)
	if c.MemoryManagerPolicy != "None" {
		add("memory ", c.MemoryManagerPolicy)
	}
	add("reserved ", string(c.Reserved))
	return strings.Join(words, " · ")
}
