package tui

import (
	"context"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/tui/paint"
)

func quantity(text string) resource.Quantity { return resource.MustParse(text) }

// driver runs a model without a terminal: every command is run to its end at
// once, so that a test sees the state that a user would wait for.
type driver struct {
	t testing.TB
	m *Model
}

func drive(t testing.TB, opts Options, w, h int) *driver {
	t.Helper()
	if opts.Profile == "" {
		opts.Profile = "xeon-2s24c-smt2"
	}
	if opts.Theme == "" {
		opts.Theme = paint.Plain
	}
	m, err := New(context.Background(), fakeDeps(t), opts)
	if err != nil {
		t.Fatal(err)
	}
	m.restless = 0
	d := &driver{t, m}
	d.send(tea.WindowSizeMsg{Width: w, Height: h})
	d.run(m.Init())
	t.Cleanup(func() { _ = m.Close() })
	return d
}

func (d *driver) send(msg tea.Msg) {
	_, cmd := d.m.Update(msg)
	d.m.View()
	d.run(cmd)
}

func (d *driver) run(cmd tea.Cmd) {
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
	case nil, tea.QuitMsg:
	default:
		d.send(msg)
	}
}

// press sends keys by their names, as tmux has them; what is no name is typed.
func (d *driver) press(keys ...string) *driver {
	for _, k := range keys {
		if text, ok := strings.CutPrefix(k, "type:"); ok {
			for _, r := range text {
				d.send(tea.KeyPressMsg{Code: r, Text: string(r)})
			}
			continue
		}
		d.send(keyOf(k))
	}
	return d
}

func keyOf(name string) tea.KeyPressMsg {
	named := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab},
		"shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift}, "up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown},
		"left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight}, "backspace": {Code: tea.KeyBackspace},
		"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
		"space": {Code: tea.KeySpace, Text: " "}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "ctrl+d": {Code: 'd', Mod: tea.ModCtrl},
		"ctrl+c": {Code: 'c', Mod: tea.ModCtrl},
	}
	if k, ok := named[name]; ok {
		return k
	}
	r := []rune(name)[0]
	return tea.KeyPressMsg{Code: r, Text: name}
}

// text is the screen without colours.
func (d *driver) text() string {
	d.t.Helper()
	palette, err := paint.NewPalette(paint.Plain)
	if err != nil {
		d.t.Fatal(err)
	}
	return plain(d.m.screen().String(palette))
}

// plain drops escape sequences of colours.
func plain(text string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "\x1b[")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		_, text, _ = strings.Cut(after, "m")
	}
}
