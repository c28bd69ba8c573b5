package tui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// verify is the state of the verify view.
type verify struct {
	mapState
	focus  focus
	filter filter

	node     Node
	known    bool // node is there
	err      error
	looking  bool
	again    bool // something changed while it was looked at
	watching bool
	cancel   context.CancelFunc

	rows     []podRow
	drift    cpuset.CPUSet // of the rows
	selected string
	top      int
	finding  int
	paneFrom int
	lines    []view.Line // of the pane
}

func newVerify() *verify { return &verify{focus: onPane, node: Node{}} }

func (v *verify) stop() {
	if v.cancel != nil {
		v.cancel()
	}
}

// audited is what an audit found.
type audited struct {
	node Node
	err  error
}

// firstAudit looks at the node when its view is first seen, and from then on
// whenever something changes.
func (m *Model) firstAudit() tea.Cmd {
	v := m.verify
	if m.deps.Audit == nil {
		return nil
	}
	var cmds []tea.Cmd
	if !v.known && !v.looking {
		cmds = append(cmds, m.audit())
	}
	return tea.Batch(append(cmds, m.keepWatch())...)
}

// keepWatch watches what is not watched yet, or no longer.
func (m *Model) keepWatch() tea.Cmd {
	v := m.verify
	if v.watching || m.deps.Watch == nil {
		return nil
	}
	v.watching = true
	ctx, cancel := context.WithCancel(m.ctx)
	v.cancel = cancel
	return m.watch(ctx)
}

func (m *Model) audit() tea.Cmd {
	v := m.verify
	if v.looking {
		v.again = true
		return nil
	}
	v.looking = true
	ctx, look := m.ctx, m.deps.Audit
	return func() tea.Msg {
		n, err := look(ctx)
		return audited{n, err}
	}
}

func (x audited) take(m *Model) tea.Cmd {
	v := m.verify
	v.looking = false
	if x.err != nil {
		v.err = x.err
	} else {
		v.err, v.node, v.known = nil, x.node, true
		v.finding = min(v.finding, max(len(v.node.Findings)-1, 0))
		v.show()
	}
	if v.again {
		v.again = false
		return m.audit()
	}
	return nil
}

// changed says that what the audit reads is no longer what it was.
type changed struct {
	ctx context.Context
	err error
}

func (m *Model) watch(ctx context.Context) tea.Cmd {
	wait := m.deps.Watch
	return func() tea.Msg { return changed{ctx, wait(ctx)} }
}

// settle is how long a change is given to be complete: a state file is written
// and renamed, cgroups follow.
const settle = 300 * time.Millisecond

func (x changed) take(m *Model) tea.Cmd {
	if x.ctx.Err() != nil {
		return nil
	}
	if x.err != nil {
		m.verify.watching = false
		m.message = view.Message{Text: "changes are not watched: " + x.err.Error() + "; r looks again", Role: paint.Warn}
		return nil
	}
	ctx := x.ctx
	return tea.Tick(settle, func(time.Time) tea.Msg { return settled{ctx} })
}

// settled says that it is time to look.
type settled struct{ ctx context.Context }

func (x settled) take(m *Model) tea.Cmd { return tea.Batch(m.audit(), m.watch(x.ctx)) }

func (v *verify) show() {
	if !v.known {
		return
	}
	v.mapState.show(v.node.Profile, v.node.Observation, nil, v.filter.text)
	v.rows = podRows(&v.mapState.seen, v.owners, nil, v.filter.text)
	v.markDrift()
	if v.row() < 0 && len(v.rows) > 0 {
		v.selected = v.rows[0].ref
	}
}

func (v *verify) row() int {
	for i := range v.rows {
		if v.rows[i].ref == v.selected {
			return i
		}
	}
	return -1
}

func (m *Model) verifyKey(k tea.KeyPressMsg) tea.Cmd {
	v := m.verify
	keys := &m.keys
	tab := 0
	switch {
	case key.Matches(k, keys.Refresh):
		if m.deps.Audit == nil {
			m.fail(errors.New("there is no node to look at"))
			return nil
		}
		return tea.Batch(m.audit(), m.keepWatch())
	case m.paneKeys(k, &v.focus, &tab, 1, &v.paneFrom):
	case !v.known:
	case key.Matches(k, keys.Filter):
		v.filter.typing = true
	case key.Matches(k, keys.Back):
		v.filter = filter{}
		v.show()
	case key.Matches(k, keys.Drift):
		if n := len(v.node.Findings); n > 0 {
			v.finding, v.focus = (v.finding+1)%n, onPane
			_, v.paneFrom = v.paneLines(v.layout(m.area(), v.focus).pane.W - 1)
		}
	case keys.folds(k), v.focus == onMap:
		v.mapKey(m, k)
	case v.focus == onList:
		if at := moveKey(m, k, v.row(), len(v.rows), 5); at < len(v.rows) {
			v.selected = v.rows[at].ref
		}
	default:
		v.paneFrom = scrollKey(m, k, v.paneFrom, 5)
	}
	return nil
}

// paneLines are the findings, and above them the selected CPU while the map has
// the focus; at is the line of the chosen finding.
func (v *verify) paneLines(width int) (lines []view.Line, at int) {
	if v.err != nil {
		lines = append(view.Wrap([]view.Line{{Text: "not up to date: " + v.err.Error(), Role: paint.Warn}}, width), view.Line{})
	}
	if c, ok := v.selectedCPU(); ok && v.focus == onMap {
		lines = append(lines, view.Wrap(cpuLines(&v.mapState, c), width)...)
		lines = append(lines, view.Line{})
	}
	switch n := len(v.node.Unread); {
	case len(v.node.Findings) > 0:
	case n > 0:
		text := fmt.Sprintf("nothing found in what could be read; %d could not:", n)
		lines = append(lines, view.Wrap([]view.Line{{Text: text, Role: paint.Warn}}, width)...)
	default:
		lines = append(lines, view.Wrap([]view.Line{{Text: "nothing found: every container runs where it is assigned", Role: paint.Good}}, width)...)
	}
	for i, f := range v.node.Findings {
		role := paint.Text
		switch f.Severity {
		case "critical":
			role = paint.Bad
		case "warning":
			role = paint.Warn
		}
		text := view.Wrap([]view.Line{{Text: fmt.Sprintf("  %s: %s: %s", f.Severity, f.Check, f.What), Role: role}}, width)
		if i == v.finding {
			text[0].Text = "▸" + text[0].Text[1:]
			at = len(lines)
		}
		lines = append(lines, text...)
		if i == v.finding {
			for _, d := range f.Details {
				lines = append(lines, view.Wrap([]view.Line{{Text: "    " + d, Role: paint.Text}}, width)...)
			}
		}
	}
	for _, text := range v.node.Unread {
		lines = append(lines, view.Wrap([]view.Line{{Text: "unread: " + text, Role: paint.Dim}}, width)...)
	}
	return lines, at
}

// verifyRows are assigned against actual.
func (v *verify) table(focused bool) view.Table {
	t := view.Table{Head: []string{"", "POD/CONTAINER", "ASSIGNED", "ACTUAL", "THREADS", "RESULT"}, Selected: -1}
	for i := range v.rows {
		r := &v.rows[i]
		c := r.container
		assigned := r.cells[3]
		actual := view.Cell{Text: listOr(c.Actual, "-")}
		drift := view.Cell{Text: "as assigned", Role: paint.Good}
		switch {
		case c.Assigned == "" || c.Actual == "":
			drift = view.Cell{Text: "not known", Role: paint.Dim}
		case !driftOf(c).IsEmpty():
			actual.Role, drift = paint.Bad, view.Cell{Text: "DRIFT", Role: paint.Bad}
		case c.Assigned == c.Actual:
			actual.Text = "="
		}
		threads := make([]string, 0, len(c.Threads))
		for _, list := range c.Threads {
			threads = append(threads, string(list))
		}
		t.Rows = append(t.Rows, view.Row{r.cells[0], r.cells[1], assigned, actual, {Text: strings.Join(threads, " "), Role: paint.Warn}, drift})
	}
	if focused {
		t.Selected = v.row()
	}
	return t
}
