package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/vt"
	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/tui/paint"
)

// update says that the golden screens are written anew; the flag is teatest's.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

// scene is a screen that a user comes to by some keys.
type scene struct {
	name string
	opts Options
	keys []string
}

func scenes() []scene {
	pods := []string{"a", "enter", "a", "j", "j", "enter"}
	with := func(keys ...string) []string { return append(append([]string{}, pods...), keys...) }
	return []scene{
		{"explore-empty", Options{}, nil},
		{"explore-pods", Options{}, pods},
		{"explore-explain", Options{}, with("tab")},
		{"explore-core", Options{}, with("tab", "tab", "l", "l", "l")},
		{"explore-rejected", Options{}, with(":", "type:createPod: {name: big, containers: [{name: app, cpu: 200, memory: 1Gi}]}", "enter", "tab")},
		{"explore-1024", Options{Profile: "generic-1024"}, pods},
		{"explore-2-cpus", Options{Profile: "detected"}, nil},
		{"explore-zoomed", Options{Profile: "generic-1024"}, with("tab", "tab", "z")},
		{"explore-filter", Options{}, with("/", "type:pod-2")},
		{"help", Options{}, []string{"?"}},
		{"presets", Options{}, []string{"a"}},
		{"config", Options{}, []string{"c", "j", "j", "l"}},
		{"faults", Options{}, with("f")},
		{"step-refused", Options{}, []string{":", "type:deletePod: nobody", "enter"}},
		{"replay", Options{View: ViewReplay, Scenario: "made-up"}, []string{"n"}},
		{"replay-log", Options{View: ViewReplay, Scenario: "made-up"}, []string{"n", "]"}},
		{"bench-idle", Options{View: ViewBench}, nil},
		{"bench", Options{View: ViewBench}, []string{"enter"}},
		{"verify", Options{View: ViewVerify}, nil},
		{"verify-list", Options{View: ViewVerify}, []string{"shift+tab"}},
	}
}

// TestScreens holds every screen, as a terminal shows it, against a file.
func TestScreens(t *testing.T) {
	for _, s := range scenes() {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 60}} {
			for _, theme := range []paint.Theme{paint.Plain, paint.Dark, paint.Light} {
				t.Run(fmt.Sprintf("%s/%dx%d/%s", s.name, size[0], size[1], theme), func(t *testing.T) {
					g := NewWithT(t)
					opts := s.opts
					opts.Theme = theme
					d := drive(t, opts, size[0], size[1]).press(s.keys...)
					screen := onTerminal(d.m, size[0], size[1])
					// What is seen does not depend on colours, and nothing was too
					// wide for the terminal.
					g.Expect(trimmed(plain(screen))).To(Equal(trimmed(d.text())))
					if theme == paint.Plain {
						golden(t, fmt.Sprintf("%s-%dx%d.txt", s.name, size[0], size[1]), trimmed(plain(screen)))
					} else if size[0] == 80 || slices.Contains([]string{"explore-pods", "replay", "bench", "verify"}, s.name) {
						golden(t, fmt.Sprintf("%s-%dx%d-%s.ansi", s.name, size[0], size[1], theme), screen)
					}
				})
			}
		}
	}
}

// onTerminal is what a terminal makes of a model's screen.
func onTerminal(m *Model, w, h int) string {
	e := vt.NewEmulator(w, h)
	_, _ = e.WriteString(strings.ReplaceAll(m.View().Content, "\n", "\r\n"))
	return e.Render()
}

// trimmed drops spaces at the ends of lines, and lines without anything at the
// end.
func trimmed(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "screens", name)
	if update() {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was (go test ./tui -update writes it anew):\n%s", name, got)
	}
}
