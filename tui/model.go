package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// Model is everything the explorer knows.
type Model struct {
	ctx  context.Context
	deps Deps
	opts Options
	keys keyMap

	palette *paint.Palette
	theme   paint.Theme
	w, h    int

	view    ViewName
	leaving bool
	overlay overlay
	message view.Message

	lists lists
	// restless is how long a selection must stay before its pod is explained.
	restless time.Duration
	explore  *explore
	replay   *replay
	bench    *bench
	verify   *verify
}

// New makes an explorer. The context ends what it has started.
func New(ctx context.Context, deps Deps, opts Options) (*Model, error) {
	if opts.Theme == "" {
		opts.Theme = paint.Dark
	}
	palette, err := paint.NewPalette(opts.Theme)
	if err != nil {
		return nil, err
	}
	if opts.View == "" {
		opts.View = ViewExplore
	}
	m := &Model{
		ctx: ctx, deps: deps, opts: opts, keys: newKeys(), palette: palette, theme: opts.Theme,
		w: 80, h: 24, view: opts.View, restless: restless,
		explore: newExplore(), replay: newReplay(deps.Changes), bench: newBench(opts.Profile), verify: newVerify(),
	}
	return m, nil
}

// Init opens what the first view is about.
func (m *Model) Init() tea.Cmd {
	var cmds []tea.Cmd
	if m.opts.Background {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	if m.opts.Scenario != "" {
		cmds = append(cmds, m.openReplay(m.opts.Scenario, ""))
	}
	return tea.Batch(append(cmds, m.enter(m.view))...)
}

// enter goes to a view and begins what it needs.
func (m *Model) enter(v ViewName) tea.Cmd {
	m.view, m.message = v, view.Message{}
	switch v {
	case ViewExplore:
		return m.firstSession()
	case ViewVerify:
		return m.firstAudit()
	}
	return nil
}

// Close ends the session and what else runs.
func (m *Model) Close() error {
	m.replay.stop()
	m.bench.stop()
	m.verify.stop()
	return m.explore.close()
}

func (m *Model) say(text string) { m.message = view.Message{Text: text, Role: paint.Text} }

func (m *Model) fail(err error) {
	m.message = view.Message{Text: paint.Wrap(err.Error(), 10000)[0], Role: paint.Bad}
}

// setTheme changes the colours.
func (m *Model) setTheme(t paint.Theme) {
	if p, err := paint.NewPalette(t); err == nil {
		m.palette, m.theme = p, t
	}
}

// nextTheme goes round the themes; from then on the user has chosen.
func (m *Model) nextTheme() {
	if m.opts.NoColor {
		m.say("NO_COLOR is set: there are no colours to choose from")
		return
	}
	m.opts.Background = false
	next := map[paint.Theme]paint.Theme{paint.Dark: paint.Light, paint.Light: paint.Plain, paint.Plain: paint.Dark}
	m.setTheme(next[m.theme])
	m.say("theme " + string(m.theme))
}
