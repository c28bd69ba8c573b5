package tui

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	. "github.com/onsi/gomega"
)

// counter shows how many keys it was told of; q leaves, p panics, c panics elsewhere.
type counter struct{ keys int }

func (counter) Init() tea.Cmd { return nil }

func (c counter) View() tea.View { return tea.NewView(strings.Repeat("#", c.keys)) }

func (c counter) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return c, nil
	}
	c.keys++
	switch k.String() {
	case "q":
		return c, tea.Quit
	case "p":
		panic("on purpose")
	case "c":
		return c, func() tea.Msg { panic("on purpose, elsewhere") }
	}
	return c, nil
}

// TestHeldProgramEnds holds a program in the write of its last frame, and ends it in
// every way that there is.
func TestHeldProgramEnds(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(keys io.WriteCloser, cancel func())
		err  error
	}{
		{"quit", func(keys io.WriteCloser, _ func()) { _, _ = io.WriteString(keys, "q") }, nil},
		{"context", func(_ io.WriteCloser, cancel func()) { cancel() }, tea.ErrProgramKilled},
		{"panic", func(keys io.WriteCloser, _ func()) { _, _ = io.WriteString(keys, "p") }, tea.ErrProgramPanic},
		{"panic in a command", func(keys io.WriteCloser, _ func()) { _, _ = io.WriteString(keys, "c") }, tea.ErrProgramPanic},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := NewWithT(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in, keys := io.Pipe()
			defer keys.Close()
			out := frames{make(chan struct{}, 1)}
			i := newIdle(ctx, out)
			p := tea.NewProgram(wakeful{Model: counter{}, idle: i},
				tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(i.writer()), tea.WithFilter(i.filter), tea.WithFPS(frameRate),
				tea.WithWindowSize(40, 4), tea.WithColorProfile(colorprofile.ANSI256), tea.WithoutSignalHandler(), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
			i.program.Store(p)
			ended := make(chan error, 1)
			go func() {
				_, err := p.Run()
				ended <- err
			}()
			<-out.drawn
			for range 3 { // each key is drawn though the program was held
				_, _ = io.WriteString(keys, "x")
				g.Eventually(out.drawn, 5*time.Second).Should(Receive())
			}
			test.end(keys, cancel)
			var err error
			g.Eventually(ended, 20*checkAlive).Should(Receive(&err))
			if test.err == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(test.err))
			}
		})
	}
}

// TestHeldWrite: a write that nobody wakes lasts as long as messages are handled.
func TestHeldWrite(t *testing.T) {
	g := NewWithT(t)
	i := newIdle(t.Context(), io.Discard)
	write := func(text string) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			_, _ = io.WriteString(i.writer(), text)
			close(done)
		}()
		return done
	}
	g.Eventually(write("\x1b]11;?\x07")).Should(BeClosed(), "a query is no frame")
	frame := write("frame")
	g.Consistently(frame, checkAlive/10).ShouldNot(BeClosed())
	i.filter(nil, tea.KeyPressMsg{})
	g.Consistently(frame, checkAlive/10).ShouldNot(BeClosed(), "the view comes after the key")
	i.wake()
	g.Eventually(frame).Should(BeClosed())

	// There is no program, so nobody answers.
	g.Eventually(write("frame"), 20*checkAlive).Should(BeClosed())
	g.Eventually(write("frame")).Should(BeClosed(), "nothing is held any more")
	i.filter(nil, tea.WindowSizeMsg{})
	<-i.woken
	frame = write("frame")
	g.Consistently(frame, checkAlive/10).ShouldNot(BeClosed(), "messages are handled again")
	i.filter(nil, tea.QuitMsg{})
	g.Eventually(frame).Should(BeClosed())
	g.Eventually(write("frame")).Should(BeClosed())
}
