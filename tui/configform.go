package tui

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/tui/paint"
	"github.com/pinlab/pinlab/tui/view"
)

// field is one line of the form: a choice, or a text where there are none.
type field struct {
	name    string
	choices []string
	value   string
	before  string
	// option says that the field is one of cpuManagerPolicyOptions.
	option bool
}

// configForm edits the kubelet's configuration; what has changed becomes the
// patch of a restart.
type configForm struct {
	framed
	fields  []field
	at, top int
	editing bool
	input   input
	rows    paint.Area
}

// policyOptions are the CPU manager's, as in the kubelet's documentation.
func policyOptions() []string {
	return []string{
		"full-pcpus-only", "distribute-cpus-across-numa", "distribute-cpus-across-cores", "align-by-socket",
		"strict-cpu-reservation", "prefer-align-cpus-by-uncorecache",
	}
}

func (m *Model) editConfig() {
	e := m.explore
	if e.session == nil {
		return
	}
	var c struct {
		CPUManagerPolicy        string            `json:"cpuManagerPolicy"`
		CPUManagerPolicyOptions map[string]string `json:"cpuManagerPolicyOptions"`
		TopologyManagerPolicy   string            `json:"topologyManagerPolicy"`
		TopologyManagerScope    string            `json:"topologyManagerScope"`
		MemoryManagerPolicy     string            `json:"memoryManagerPolicy"`
		ReservedSystemCPUs      string            `json:"reservedSystemCPUs"`
	}
	_ = json.Unmarshal(e.config, &c) // the loader has read it already
	or := func(value, none string) string {
		if value == "" {
			return none
		}
		return value
	}
	f := &configForm{fields: []field{
		{name: "cpuManagerPolicy", choices: []string{"none", "static"}, value: or(c.CPUManagerPolicy, "none")},
		{name: "reservedSystemCPUs", value: c.ReservedSystemCPUs},
		{name: "topologyManagerPolicy", choices: []string{"none", "best-effort", "restricted", "single-numa-node"}, value: or(c.TopologyManagerPolicy, "none")},
		{name: "topologyManagerScope", choices: []string{"container", "pod"}, value: or(c.TopologyManagerScope, "container")},
		{name: "memoryManagerPolicy", choices: []string{"None", "Static"}, value: or(c.MemoryManagerPolicy, "None")},
	}}
	for _, name := range policyOptions() {
		f.fields = append(f.fields, field{name: name, choices: []string{"false", "true"}, value: or(c.CPUManagerPolicyOptions[name], "false"), option: true})
	}
	for i := range f.fields {
		f.fields[i].before = f.fields[i].value
	}
	m.overlay = f
}

// patch is what has changed, as a merge patch; empty when nothing has.
func (f *configForm) patch() map[string]any {
	patch, options := map[string]any{}, map[string]any{}
	for _, x := range f.fields {
		switch {
		case x.value == x.before:
		case x.option && x.value == "false":
			options[x.name] = nil
		case x.option:
			options[x.name] = x.value
		case x.value == "":
			patch[x.name] = nil
		default:
			patch[x.name] = x.value
		}
	}
	if len(options) > 0 {
		patch["cpuManagerPolicyOptions"] = options
	}
	return patch
}

func (f *configForm) apply(m *Model) tea.Cmd {
	m.overlay = nil
	patch := f.patch()
	if len(patch) == 0 {
		m.say("nothing changed; r restarts the kubelet as it is")
		return nil
	}
	text, err := json.Marshal(patch)
	if err != nil {
		m.fail(err)
		return nil
	}
	return m.do(fmt.Sprintf("restartKubelet: {config: %s}", text))
}

func (f *configForm) key(m *Model, k tea.KeyPressMsg) tea.Cmd {
	x := &f.fields[f.at]
	if f.editing {
		switch k.String() {
		case "enter":
			x.value, f.editing = strings.TrimSpace(f.input.String()), false
			f.at = min(f.at+1, len(f.fields)-1) // enter edits here, and applies there
		case "esc":
			f.editing = false
		default:
			f.input.key(k)
		}
		return nil
	}
	switch {
	case key.Matches(k, m.keys.Back), key.Matches(k, m.keys.Quit):
		m.overlay = nil
	case len(x.choices) == 0 && (key.Matches(k, m.keys.Enter) || k.String() == "space"):
		f.editing, f.input = true, newInput(x.value)
	case key.Matches(k, m.keys.Enter):
		return f.apply(m)
	case k.String() == "space", key.Matches(k, m.keys.Right):
		x.turn(1)
	case key.Matches(k, m.keys.Left):
		x.turn(-1)
	default:
		f.at = moveKey(m, k, f.at, len(f.fields), 5)
	}
	return nil
}

// turn takes the next choice; a text has none.
func (x *field) turn(by int) {
	if len(x.choices) == 0 {
		return
	}
	i := slices.Index(x.choices, x.value)
	x.value = x.choices[(i+by+len(x.choices))%len(x.choices)]
}

func (f *configForm) paste(text string) {
	if f.editing {
		f.input.insert(text)
	}
}

// valueColumn is where the values begin.
const valueColumn = 36

// click selects a field; on its value, or when it is selected already, it is the
// next choice (the one before, on the left arrow), or edits. What was being edited
// is taken.
func (f *configForm) click(m *Model, x, y int) tea.Cmd {
	if k, ok := f.hinted(x, y); ok {
		return f.key(m, k)
	}
	i := f.top + y - f.rows.Y
	if !f.rows.Contains(x, y) || i >= len(f.fields) {
		return nil
	}
	if f.editing && i == f.at {
		f.input.click(x, y)
		return nil
	}
	if f.editing {
		f.key(m, pressOf("enter"))
	}
	again := i == f.at
	f.at = i
	switch at := x - f.rows.X - valueColumn; {
	case at < 0 && !again:
	case at == 0 && len(f.fields[i].choices) > 0:
		f.fields[i].turn(-1)
	default:
		return f.key(m, pressOf("space"))
	}
	return nil
}

func (f *configForm) arrange(a paint.Area) {
	in := f.frame(centre(a, 70, len(f.fields)+4), f.keys()...)
	f.rows = in.Sub(0, 0, in.W, in.H-2)
	f.top = scroll(f.top, f.rows.H, f.at, len(f.fields))
	f.input.arrange(f.value(f.rows, f.at-f.top))
}

func (f *configForm) value(rows paint.Area, y int) paint.Area {
	return rows.Sub(valueColumn, y, rows.W-valueColumn, 1)
}

// keys are those of the last line, for the selected field.
func (f *configForm) keys() []view.Hint {
	switch {
	case f.editing:
		return []view.Hint{{Key: "enter", Text: "take it"}, {Key: "esc", Text: "leave it as it was"}}
	case len(f.fields[f.at].choices) == 0:
		return []view.Hint{{Key: "enter", Text: "edit"}, {Key: "esc", Text: "close"}}
	}
	return []view.Hint{{Key: "space", Text: "change"}, {Key: "enter", Text: "restart the kubelet with it"}, {Key: "esc", Text: "close"}}
}

func (f *configForm) draw(a paint.Area) {
	in := middle(a, 70, len(f.fields)+4).Box("kubelet configuration")
	rows := in.Sub(0, 0, in.W, in.H-2)
	for y := range rows.H {
		i := f.top + y
		if i >= len(f.fields) {
			break
		}
		x := f.fields[i]
		rows.Print(0, y, x.name, paint.Text, 0)
		value := f.value(rows, y)
		role := paint.Text
		if x.value != x.before {
			role = paint.Warn
		}
		switch {
		case i == f.at && f.editing:
			f.input.draw(value)
			continue
		case len(x.choices) > 0:
			value.Print(0, 0, "‹ "+x.value+" ›", role, 0)
		case x.value == "":
			value.Print(0, 0, "-", paint.Dim, 0)
		default:
			value.Print(0, 0, x.value, role, 0)
		}
		if i == f.at {
			rows.Invert(y)
		}
	}
	f.drawLast(in)
}
