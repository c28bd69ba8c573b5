package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	. "github.com/onsi/gomega"
)

// clickOn clicks the first place where a text stands on the screen, so many columns
// from its beginning.
func (d *driver) clickOn(text string, off int) *driver {
	d.t.Helper()
	for y, line := range strings.Split(d.text(), "\n") {
		if before, _, ok := strings.Cut(line, text); ok {
			d.send(tea.MouseClickMsg{X: len([]rune(before)) + off, Y: y, Button: tea.MouseLeft})
			return d
		}
	}
	d.t.Fatalf("%q is not on the screen:\n%s", text, d.text())
	return d
}

// TestClickPrompt places the cursor, takes the words of the last line for their
// keys, and closes the box with a click beside it.
func TestClickPrompt(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}} {
		g := NewWithT(t)
		d := drive(t, Options{}, size[0], size[1]).press(":", "type:advance: 1s")
		d.clickOn("1s", 0).press("type:3")
		g.Expect(d.text()).To(ContainSubstring("> advance: 31s"))
		d.clickOn("31s", 20).press("backspace", "type:m") // behind the end
		g.Expect(d.text()).To(ContainSubstring("> advance: 31m"))
		d.clickOn("for example", 0)
		g.Expect(d.m.overlay).NotTo(BeNil(), "a click within the box does not close it")
		d.clickOn("enter take it", 2)
		g.Expect(d.m.overlay).To(BeNil())
		g.Expect(d.m.explore.story.Steps).To(HaveLen(2))
		d.press(":").clickOn("esc close", 5)
		g.Expect(d.m.overlay).To(BeNil())
		d.press(":").clickOn("explore", 0)
		g.Expect(d.m.overlay).To(BeNil(), "a click beside the box closes it")
		g.Expect(d.m.explore.story.Steps).To(HaveLen(2))
	}
}

// TestClickLongLine keeps a line in its place when its middle is clicked.
func TestClickLongLine(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24).press(":", "type:"+strings.Repeat("0123456789", 12)+"end")
	g.Expect(d.text()).NotTo(ContainSubstring("> 0123"), "the line is scrolled")
	before := d.text()
	d.clickOn("end", 0)
	g.Expect(d.text()).To(Equal(before), "scrolled no further")
	d.press("type:!")
	g.Expect(d.text()).To(ContainSubstring("!end"))
	d.press("home")
	g.Expect(d.text()).To(ContainSubstring("> 0123"))
}

// TestClickChooses chooses an item with one click.
func TestClickChooses(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24).press("a").clickOn("4 CPUs", 1)
	g.Expect(d.m.overlay).To(BeNil())
	g.Expect(d.text()).To(ContainSubstring("create pod pod-1 (app: 4 CPUs, 1Gi)"))
	d.press("a").clickOn("/ filter", 0).press("type:8")
	g.Expect(d.text()).To(ContainSubstring("│ /8"))
	d.clickOn("8 CPUs", 0)
	g.Expect(d.text()).To(ContainSubstring("create pod pod-2 (app: 8 CPUs, 1Gi)"))
	d.press("p").clickOn("esc close", 0)
	g.Expect(d.m.overlay).To(BeNil())
}

// TestClickConfig changes values where they stand.
func TestClickConfig(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24).press("c").clickOn("‹ none ›", 2)
	g.Expect(d.text()).To(ContainSubstring("‹ best-effort ›"))
	d.clickOn("‹ best-effort ›", 0)
	g.Expect(d.text()).To(ContainSubstring("‹ none ›"))
	d.clickOn("‹ none ›", 2).clickOn("0,48", 0)
	f := d.m.overlay.(*configForm)
	g.Expect(f.editing).To(BeTrue())
	d.clickOn("> 0,48", 3).press("type:-1") // behind the 0
	g.Expect(d.text()).To(ContainSubstring("> 0-1,48"))
	d.clickOn("cpuManagerPolicy", 0)
	g.Expect(f.editing).To(BeFalse())
	g.Expect(f.fields[1].value).To(Equal("0-1,48"))
	d.clickOn("enter restart", 0)
	steps := d.m.explore.story.Steps
	g.Expect(steps[len(steps)-1]).To(Equal(`restartKubelet: {config: {"reservedSystemCPUs":"0-1,48","topologyManagerPolicy":"best-effort"}}`))
}

// TestClickConfirm answers with a click on the answer.
func TestClickConfirm(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24).press("a", "enter", "p", "/", "type:1024", "enter")
	g.Expect(d.m.overlay).To(BeAssignableToTypeOf(&confirm{}))
	d.clickOn("n no", 0)
	g.Expect(d.m.explore.ref).To(Equal("xeon-2s24c-smt2"))
	d.press("p", "/", "type:1024", "enter").clickOn("y yes", 3)
	g.Expect(d.m.explore.ref).To(Equal("generic-1024"))
}

// TestClickHints takes the keys of the last line, and the names above a pane.
func TestClickHints(t *testing.T) {
	g := NewWithT(t)
	d := drive(t, Options{}, 80, 24).press("a", "enter").clickOn("? help", 3)
	g.Expect(d.m.overlay).To(BeAssignableToTypeOf(&helpBox{}))
	d.clickOn("explore", 0).clickOn("r restart", 2)
	g.Expect(d.text()).To(ContainSubstring("restart kubelet"))
	d.clickOn("tab: explain", 0).clickOn("changes │", 0)
	g.Expect(d.m.explore.tab).To(Equal(tabChanges))
	d.clickOn("shift+tab: pods", 4)
	g.Expect(d.m.explore.focus).To(Equal(onList))
}
