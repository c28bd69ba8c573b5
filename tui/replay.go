package tui

import (
	"context"
	"errors"
	"fmt"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/cpumap"
	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

func replayTabs() []string { return []string{"changes", "log"} }

// replay is the state of the replay view: a recording and a place in it.
type replay struct {
	mapState
	focus  focus
	filter filter

	ref     string // what is replayed
	profile string // where, empty for the scenario's own
	rec     *Recording
	at      int // index of a step
	ticks   []view.Tick
	// seen is the step whose observation holds at each step: an expectation has
	// none of its own.
	seen []int

	loading string
	cancel  context.CancelFunc

	rows     []podRow
	selected string
	top      int
	tab      int
	paneFrom int
	lines    []view.Line // of the pane
	// changes are what the step changed, as told by tell.
	changes []string
	tell    func(before, now *observe.Step) []string
}

func newReplay(tell func(before, now *observe.Step) []string) *replay {
	return &replay{focus: onPane, tell: tell}
}

func (r *replay) stop() {
	if r.cancel != nil {
		r.cancel()
	}
}

// replayed is a recording, or why there is none.
type replayed struct {
	ref, profile string
	rec          Recording
	err          error
}

// openReplay runs a scenario; the recording before stays until it is done.
func (m *Model) openReplay(ref, profile string) tea.Cmd {
	r := m.replay
	if m.deps.Replay == nil {
		m.fail(errors.New("replay is not connected"))
		return nil
	}
	r.stop()
	ctx, cancel := context.WithCancel(m.ctx)
	r.cancel, r.loading = cancel, ref
	run := m.deps.Replay
	return func() tea.Msg {
		defer cancel()
		rec, err := run(ctx, ref, profile)
		return replayed{ref, profile, rec, err}
	}
}

func (x replayed) take(m *Model) tea.Cmd {
	r := m.replay
	if errors.Is(x.err, context.Canceled) || r.loading != x.ref {
		return nil // another one is asked for by now
	}
	r.loading = ""
	if x.err == nil && len(x.rec.Result.Steps) == 0 {
		x.err = errors.New("it has no steps: " + x.rec.Result.Reason)
	}
	if x.err != nil {
		m.fail(fmt.Errorf("%s: %w", x.ref, x.err))
		return nil
	}
	fresh := newReplay(r.tell)
	fresh.ref, fresh.profile, fresh.rec, fresh.tab = x.ref, x.profile, &x.rec, r.tab
	fresh.index()
	fresh.goTo(0)
	*r = *fresh
	if res := &x.rec.Result; res.Verdict != scenarios.Pass {
		m.message = view.Message{Text: string(res.Verdict) + ": " + res.Reason, Role: paint.Warn}
	}
	return nil
}

// index works out the timeline.
func (r *replay) index() {
	seen := -1
	for i := range r.rec.Result.Steps {
		s := &r.rec.Result.Steps[i]
		observed := s.Observation.Kubelet != ""
		if observed {
			seen = i
		}
		expected := 0
		for _, v := range s.Violations {
			if v.Expected {
				expected++
			}
		}
		failures := len(s.Failures)
		if s.Error != "" {
			failures++
		}
		r.ticks = append(r.ticks, view.StepTick(observed, len(s.Violations), expected, failures, observed && s.Observation.Kubelet != observe.KubeletRunning))
		r.seen = append(r.seen, seen)
	}
}

// before is the step with an observation before another one, -1 for none.
func (r *replay) before(seen int) int {
	if seen <= 0 {
		return -1
	}
	return r.seen[seen-1]
}

// goTo shows a step.
func (r *replay) goTo(at int) {
	if r.rec == nil {
		return
	}
	r.at = max(min(at, len(r.rec.Result.Steps)-1), 0)
	r.paneFrom, r.changes = 0, nil
	if r.tell != nil && r.seen[r.at] == r.at {
		steps := r.rec.Result.Steps
		var before *observe.Step
		if b := r.before(r.at); b >= 0 {
			before = &steps[b]
		}
		r.changes = r.tell(before, &steps[r.at])
	}
	r.show()
}

// show takes the current step over into the map.
func (r *replay) show() {
	if r.rec == nil || r.seen[r.at] < 0 {
		r.rows, r.machine, r.plan = nil, nil, nil
		return
	}
	seen := r.seen[r.at]
	steps := r.rec.Result.Steps
	var before cpumap.Marks
	r.letters = nil
	if b := r.before(seen); seen == r.at && b >= 0 {
		// A step's letters do not depend on the way to it, but on the step
		// before, so that what stays keeps its letter.
		r.letters = cpumap.Letters{}.Next(&steps[b].Observation)
		p := r.rec.Profiles[b]
		before = cpumap.NewOwners(&steps[b].Observation, p, r.letters).Marks(cpumap.NewMachine(p))
	}
	r.mapState.show(r.rec.Profiles[seen], steps[seen].Observation, before, r.filter.text)
	r.rows = podRows(&r.mapState.seen, r.owners, rejections(steps[:seen+1]), r.filter.text)
	if at := r.row(); at < 0 && len(r.rows) > 0 {
		r.selected = r.rows[0].ref
	}
}

// rejections are the kubelet's last answers to each pod that is still there.
func rejections(steps []observe.Step) map[string]*created {
	pods := map[string]*created{}
	for i := range steps {
		for _, a := range steps[i].Observation.Admissions {
			pods[a.Pod] = &created{answer: a}
		}
	}
	known := map[string]bool{}
	if n := len(steps); n > 0 {
		for _, c := range steps[n-1].Observation.Containers {
			known[c.Pod] = true
		}
	}
	for name := range pods {
		if !known[name] {
			delete(pods, name)
		}
	}
	return pods
}

func (r *replay) row() int {
	for i := range r.rows {
		if r.rows[i].ref == r.selected {
			return i
		}
	}
	return -1
}

func (r *replay) subject() string {
	switch {
	case r.rec == nil:
		return ""
	default:
		return r.rec.Result.Scenario + " on " + r.rec.Result.Profile
	}
}

func (m *Model) replayKey(k tea.KeyPressMsg) tea.Cmd {
	r := m.replay
	keys := &m.keys
	switch {
	case key.Matches(k, keys.Open):
		return m.pickScenario()
	case key.Matches(k, keys.Profile):
		if r.ref != "" {
			return m.pickProfile("replay "+r.ref+" on another machine", func(ref string) tea.Cmd { return m.openReplay(r.ref, ref) })
		}
		return nil
	case r.rec == nil && key.Matches(k, keys.Enter):
		return m.pickScenario()
	}
	if r.rec == nil || m.paneKeys(k, &r.focus, &r.tab, len(replayTabs()), &r.paneFrom) {
		return nil
	}
	switch {
	case key.Matches(k, keys.Back):
		if r.filter.text != "" {
			r.filter = filter{}
			r.show()
		}
	case key.Matches(k, keys.Filter):
		r.filter.typing = true
	case key.Matches(k, keys.NextBroken):
		r.broken(1)
	case key.Matches(k, keys.PrevBroken):
		r.broken(-1)
	case keys.folds(k):
		r.mapKey(m, k)
	case r.focus == onMap && k.String() != "space" && k.String() != "." && k.String() != ",":
		r.mapKey(m, k)
	case key.Matches(k, keys.StepNext):
		r.goTo(r.at + 1)
	case key.Matches(k, keys.StepPrev):
		r.goTo(r.at - 1)
	case key.Matches(k, keys.First):
		r.goTo(0)
	case key.Matches(k, keys.Last):
		r.goTo(len(r.ticks) - 1)
	case r.focus == onList:
		if at := moveKey(m, k, r.row(), len(r.rows), 5); at < len(r.rows) {
			r.selected = r.rows[at].ref
		}
	default:
		r.paneFrom = scrollKey(m, k, r.paneFrom, r.layout(belowTimeline(m.area()), r.focus).pane.H)
	}
	return nil
}

// paneKeys takes the keys that change focus and tab.
func (m *Model) paneKeys(k tea.KeyPressMsg, f *focus, tab *int, tabs int, from *int) bool {
	switch {
	case key.Matches(k, m.keys.Next):
		*f, *from = (*f+1)%focuses, 0
	case key.Matches(k, m.keys.Prev):
		*f, *from = (*f+focuses-1)%focuses, 0
	case key.Matches(k, m.keys.TabLeft):
		*tab, *from = (*tab+tabs-1)%tabs, 0
	case key.Matches(k, m.keys.TabRight):
		*tab, *from = (*tab+1)%tabs, 0
	default:
		return false
	}
	return true
}

// broken goes to the next step in which something did not hold.
func (r *replay) broken(by int) {
	steps := r.rec.Result.Steps
	for i := r.at + by; i >= 0 && i < len(steps); i += by {
		if s := &steps[i]; len(s.Violations)+len(s.Failures) > 0 || s.Error != "" {
			r.goTo(i)
			return
		}
	}
}
