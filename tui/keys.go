package tui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// keyMap is every key that does something. The help is made from it.
type keyMap struct {
	Quit, Help, View1, View2, View3, View4, Next, Prev, Filter, Theme, Back key.Binding

	Up, Down, Left, Right, PageUp, PageDown, Top, Bottom, Enter, TabLeft, TabRight key.Binding

	ZoomIn, ZoomOut, Finer, Coarser, Auto key.Binding

	Profile, Config, Add, Manifest, Delete, Crash, Exit, Restart, Stop, Kill, Reconcile, Fault, Step, Save key.Binding

	Open, StepNext, StepPrev, NextBroken, PrevBroken, First, Last key.Binding

	Start, Cancel, Policies, Refresh, Drift key.Binding
}

func bind(help, desc string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(help, desc))
}

func newKeys() keyMap {
	return keyMap{
		Quit: bind("q", "quit", "q", "ctrl+c"), Help: bind("?", "help", "?", "f1"),
		View1: bind("1", "explore", "1"), View2: bind("2", "replay", "2"),
		View3: bind("3", "bench", "3"), View4: bind("4", "verify", "4"),
		Next: bind("tab", "next pane", "tab"), Prev: bind("shift+tab", "previous pane", "shift+tab"),
		Filter: bind("/", "filter", "/"), Theme: bind("t", "next theme", "t"), Back: bind("esc", "back, clear the filter", "esc"),

		Up: bind("k ↑", "up", "k", "up"), Down: bind("j ↓", "down", "j", "down"),
		Left: bind("h ←", "left", "h", "left"), Right: bind("l →", "right", "l", "right"),
		PageUp: bind("ctrl+u", "page up", "ctrl+u", "pgup"), PageDown: bind("ctrl+d", "page down", "ctrl+d", "pgdown"),
		Top: bind("g", "top", "g", "home"), Bottom: bind("G", "bottom", "G", "end"), Enter: bind("enter", "choose", "enter"),
		TabLeft: bind("[", "previous tab", "["), TabRight: bind("]", "next tab", "]"),

		ZoomIn: bind("z", "zoom in", "z"), ZoomOut: bind("Z", "zoom out", "Z", "backspace"),
		Finer: bind("+", "unfold", "+", "="), Coarser: bind("-", "fold", "-"), Auto: bind("0", "fold to fit", "0"),

		Profile: bind("p", "machine", "p"), Config: bind("c", "kubelet config", "c"), Add: bind("a", "add a pod", "a"),
		Manifest: bind("m", "add a manifest file", "m"), Delete: bind("d", "delete the pod", "d"),
		Crash: bind("x", "crash the container", "x"), Exit: bind("e", "end the container", "e"),
		Restart: bind("r", "restart the kubelet", "r"), Stop: bind("S", "stop, start kubelet", "S"), Kill: bind("K", "kill the kubelet", "K"),
		Reconcile: bind("R", "reconcile", "R"), Fault: bind("f", "inject a fault", "f"),
		Step: bind(":", "any step", ":"), Save: bind("s", "save to a file", "s"),

		Open: bind("o", "open a scenario", "o"), StepNext: bind("l →", "next step", "l", "right", "space", "."), StepPrev: bind("h ←", "step back", "h", "left", ","),
		NextBroken: bind("n", "next violation", "n"), PrevBroken: bind("N", "previous violation", "N"),
		First: bind("g", "first step", "g", "home"), Last: bind("G", "last step", "G", "end"),

		Start: bind("enter", "measure", "enter"), Cancel: bind("x", "stop", "x"), Policies: bind("c", "policies", "c"),
		Refresh: bind("r", "look again", "r"), Drift: bind("n", "next finding", "n"),
	}
}

// folds says that a key changes what of the map is shown, wherever the focus is.
func (k *keyMap) folds(p tea.KeyPressMsg) bool {
	return key.Matches(p, k.Finer, k.Coarser, k.Auto, k.ZoomIn, k.ZoomOut)
}

// keyGroup is a part of the help.
type keyGroup struct {
	title string
	keys  []key.Binding
}

func (k *keyMap) everywhere() keyGroup {
	return keyGroup{"everywhere", []key.Binding{k.View1, k.View2, k.View3, k.View4, k.Next, k.Prev, k.Filter, k.Back, k.Theme, k.Help, k.Quit}}
}

// ofBench are the other keys of a view without panes and lists.
func (k *keyMap) ofBench() []keyGroup {
	named := func(b key.Binding, keys, desc string) key.Binding {
		b.SetHelp(keys, desc)
		return b
	}
	return []keyGroup{
		{"moving", []key.Binding{
			named(k.TabRight, "] l →", "next operation"), named(k.TabLeft, "[ h ←", "previous operation"),
			named(k.Down, "j ↓", "more warnings"), named(k.Up, "k ↑", "warnings before"),
		}},
		{"everywhere", []key.Binding{k.View1, k.View2, k.View3, k.View4, k.Theme, k.Help, k.Quit}},
	}
}

func (k *keyMap) moves() keyGroup {
	return keyGroup{"moving", []key.Binding{k.Up, k.Down, k.Left, k.Right, k.PageUp, k.PageDown, k.Top, k.Bottom, k.TabLeft, k.TabRight}}
}

func (k *keyMap) maps() keyGroup {
	return keyGroup{"CPU map", []key.Binding{k.ZoomIn, k.ZoomOut, k.Finer, k.Coarser, k.Auto}}
}

// of are the groups of a view.
func (k *keyMap) of(v ViewName) []keyGroup {
	switch v {
	case ViewReplay:
		return []keyGroup{{"replay", []key.Binding{k.Open, k.StepNext, k.StepPrev, k.NextBroken, k.PrevBroken, k.First, k.Last, k.Profile}}, k.maps(), k.moves(), k.everywhere()}
	case ViewBench:
		return append([]keyGroup{{"bench", []key.Binding{k.Start, k.Cancel, k.Profile, k.Policies, k.Save}}}, k.ofBench()...)
	case ViewVerify:
		return []keyGroup{{"verify", []key.Binding{k.Refresh, k.Drift}}, k.maps(), k.moves(), k.everywhere()}
	}
	return []keyGroup{
		{"explore", []key.Binding{k.Profile, k.Config, k.Add, k.Manifest, k.Delete, k.Crash, k.Exit, k.Restart, k.Stop, k.Kill, k.Reconcile, k.Fault, k.Step, k.Save}},
		k.maps(), k.moves(), k.everywhere(),
	}
}

// hints are the keys that the last line of a view shows, with shorter words
// than the help.
func (k *keyMap) hints(v ViewName, onMap bool) []key.Binding {
	short := func(b key.Binding, desc string) key.Binding {
		b.SetHelp(b.Help().Key, desc)
		return b
	}
	begin := []key.Binding{short(k.Help, "help"), k.Quit}
	var list []key.Binding
	switch v {
	case ViewReplay:
		next, back := short(k.StepNext, "step"), short(k.StepPrev, "back")
		if onMap { // where h and l move the cursor
			next, back = bind(".", "step"), bind(",", "back")
		}
		list = []key.Binding{short(k.Open, "open"), next, back, short(k.NextBroken, "violation"), short(k.Next, "pane"), short(k.ZoomIn, "zoom")}
	case ViewBench:
		list = []key.Binding{k.Start, k.Cancel, short(k.Profile, "machine"), k.Policies, short(k.TabRight, "operation"), short(k.Save, "save")}
	case ViewVerify:
		list = []key.Binding{k.Refresh, k.Drift, short(k.ZoomIn, "zoom"), short(k.Next, "pane"), k.Filter}
	default:
		list = []key.Binding{
			short(k.Add, "add"), short(k.Delete, "delete"), short(k.Restart, "restart"), short(k.Config, "config"), short(k.Fault, "fault"),
			short(k.Profile, "machine"), short(k.Save, "save"), short(k.Next, "pane"),
		}
	}
	return append(begin, list...)
}
