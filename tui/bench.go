package tui

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// bench is the state of the bench view.
type bench struct {
	profile string
	compare int // index of a comparison
	latest  BenchUpdate
	spec    BenchSpec // of latest
	running bool
	cancel  context.CancelFunc
	saved   string
	tab     int
	from    int // first line of the warnings shown
}

func newBench(profile string) *bench { return &bench{profile: profile} }

func (b *bench) stop() {
	if b.cancel != nil {
		b.cancel()
	}
}

// feed hands updates over to the screen: the newest one is kept, those before
// it that nobody has fetched are dropped.
type feed struct {
	mu     sync.Mutex
	latest *BenchUpdate
	err    error
	ended  bool
	signal chan struct{}
}

func newFeed() *feed { return &feed{signal: make(chan struct{}, 1)} }

func (f *feed) put(change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	select {
	case f.signal <- struct{}{}:
	default:
	}
}

// next waits for news.
func (f *feed) next() tea.Msg {
	<-f.signal
	f.mu.Lock()
	defer f.mu.Unlock()
	n := benchNews{feed: f, err: f.err, ended: f.ended, update: f.latest}
	f.latest = nil
	return n
}

// benchNews is what has arrived.
type benchNews struct {
	feed   *feed
	update *BenchUpdate
	err    error
	ended  bool
}

func (n benchNews) take(m *Model) tea.Cmd {
	b := m.bench
	if n.update != nil {
		b.latest = *n.update
	}
	if !n.ended {
		return n.feed.next
	}
	b.running = false
	switch {
	case errors.Is(n.err, context.Canceled):
		text := "stopped; the figures are of what was measured until then"
		if b.latest.Done {
			text += ", s saves them"
		}
		m.say(text)
	case n.err != nil:
		m.fail(fmt.Errorf("bench: %w", n.err))
	default:
		m.say("measured; s saves it for 'pinlab bench compare'")
	}
	return nil
}

func (m *Model) startBench() tea.Cmd {
	b := m.bench
	if m.deps.Bench == nil || len(m.deps.Comparisons) == 0 {
		m.fail(errors.New("the bench is not connected"))
		return nil
	}
	if b.running {
		return nil
	}
	ctx, cancel := context.WithCancel(m.ctx)
	b.cancel, b.running, b.latest, b.saved, b.from = cancel, true, BenchUpdate{}, "", 0
	b.spec = m.nextBench()
	f, run, spec := newFeed(), m.deps.Bench, b.spec
	go func() {
		defer cancel()
		err := run(ctx, spec, func(u BenchUpdate) { f.put(func() { f.latest = &u }) })
		if err != nil && ctx.Err() != nil {
			err = context.Canceled
		}
		f.put(func() { f.err, f.ended = err, true })
	}()
	return f.next
}

func (m *Model) benchKey(k tea.KeyPressMsg) tea.Cmd {
	b := m.bench
	keys := &m.keys
	tabs := max(len(b.latest.Operations), 1)
	switch {
	case key.Matches(k, keys.Start):
		return m.startBench()
	case key.Matches(k, keys.Cancel):
		b.stop()
	case key.Matches(k, keys.Save):
		m.askBenchSave()
	case key.Matches(k, keys.Policies):
		m.pickComparison()
	case key.Matches(k, keys.Profile):
		return m.pickProfile("measure on another machine", func(ref string) tea.Cmd {
			b.profile = ref
			m.offerBench()
			return nil
		})
	case key.Matches(k, keys.TabRight), key.Matches(k, keys.Right), key.Matches(k, keys.Next):
		b.tab = (b.tab + 1) % tabs
	case key.Matches(k, keys.TabLeft), key.Matches(k, keys.Left), key.Matches(k, keys.Prev):
		b.tab = (b.tab + tabs - 1) % tabs
	default:
		b.from = scrollKey(m, k, b.from, leastNotes)
	}
	return nil
}

// nextBench is what enter would measure.
func (m *Model) nextBench() BenchSpec {
	s := BenchSpec{Profile: m.bench.profile}
	if i := m.bench.compare; i < len(m.deps.Comparisons) {
		s.Comparison = m.deps.Comparisons[i]
	}
	return s
}

// offerBench says what has been chosen.
func (m *Model) offerBench() {
	s := m.nextBench()
	text := "enter measures "
	if m.bench.running {
		text = "the next one, when this is done or x has stopped it, is of "
	}
	m.say(text + s.Comparison.Name + " on " + s.Profile)
}

// subject is the machine that the figures are of, or will be.
func (b *bench) subject() string {
	if b.running || len(b.latest.Operations) > 0 {
		return b.spec.Profile
	}
	return b.profile
}

// arrange keeps what is shown within what there is.
func (b *bench) arrange(a paint.Area) {
	if n := len(b.latest.Operations); n > 0 {
		b.tab = min(b.tab, n-1)
		l := b.layout(a)
		b.from = clampFrom(b.from, len(l.warnings), l.notes.H)
	}
}

// benchClick takes a click on an operation's name.
func (m *Model) benchClick(x, y int) {
	b := m.bench
	if rule := benchRule(m.area()); len(b.latest.Operations) > 0 && rule.Contains(x, y) {
		b.tab = view.TabAt(rule.W, b.latest.names(), b.tab, x-rule.X)
	}
}

func (m *Model) pickComparison() {
	choices := make([]choice, 0, len(m.deps.Comparisons))
	for i, c := range m.deps.Comparisons {
		choices = append(choices, choice{name: c.Name, note: c.Note, do: func(m *Model) tea.Cmd {
			m.bench.compare = i
			m.offerBench()
			return nil
		}})
	}
	m.overlay = newPicker("compare", choices)
}

// askBenchSave asks for the file of a finished bench.
func (m *Model) askBenchSave() {
	if m.deps.BenchSave == nil || !m.bench.latest.Done {
		m.fail(errors.New("there is nothing to save before the bench is done or stopped"))
		return
	}
	m.overlay = newPrompt("save the samples", "bench.json", []string{"a file for 'pinlab bench compare OLD NEW'"}, func(m *Model, name string) (tea.Cmd, error) {
		name = strings.TrimSpace(name)
		if rest, ok := cutHome(name); ok {
			name = rest
		}
		if name == "" {
			return nil, errors.New("want a file's name")
		}
		err := m.deps.BenchSave(name, false)
		if errors.Is(err, fs.ErrExist) {
			m.overlay = &confirm{title: "save", question: name + " exists. Overwrite it?", yes: func(m *Model) tea.Cmd {
				m.benchSaved(name, m.deps.BenchSave(name, true))
				return nil
			}}
			return nil, nil
		}
		if err == nil {
			m.benchSaved(name, nil)
		}
		return nil, err
	})
}

func (m *Model) benchSaved(name string, err error) {
	if err != nil {
		m.fail(err)
		return
	}
	m.bench.saved = name
	m.say("saved; compare with  pinlab bench compare OLD " + name)
}
