package tui

import (
	"context"
	"io"
	"os"
	"regexp"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"
)

// idle lets the library sleep while there is nothing to draw. The library looks for a
// changed frame at every tick of its frame rate, for as long as it lives, and on a
// virtual machine waking up so often costs more than 1 % of a CPU. The goroutine that
// looks is the one that writes the frame; it is held in that write until the next
// message is handled.
type idle struct {
	ctx context.Context
	out io.Writer
	// woken has a token when a message was handled since the last write.
	woken chan struct{}
	// handling is false when messages are not handled (any more): then nothing is held.
	handling atomic.Bool
	program  atomic.Pointer[tea.Program]
}

// checkAlive is how often a held write makes sure that messages are still handled,
// and how long it lasts at most when they are not: after a panic, for example.
const checkAlive = time.Second

// stillThere is the message for that.
type stillThere struct{}

// queries matches what is asked of a terminal at the start. That is no frame, and one
// may come after it.
var queries = regexp.MustCompile(`^(\x1b\[\?\d+\$p|\x1b\]\d+;\?(\x07|\x1b\\))+$`)

func newIdle(ctx context.Context, out io.Writer) *idle {
	i := &idle{ctx: ctx, out: out, woken: make(chan struct{}, 1)}
	i.handling.Store(true)
	return i
}

// writer is what the program writes to; a terminal stays one.
func (i *idle) writer() io.Writer {
	if f, ok := i.out.(*os.File); ok {
		return idleFile{File: f, idle: i}
	}
	return i
}

type idleFile struct {
	*os.File
	idle *idle
}

func (f idleFile) Write(b []byte) (int, error) { return f.idle.Write(b) }

func (i *idle) Write(b []byte) (int, error) {
	n, err := i.out.Write(b)
	if err == nil && !queries.Match(b) {
		i.sleep()
	}
	return n, err
}

func (i *idle) sleep() {
	check := time.NewTicker(checkAlive)
	defer check.Stop()
	for i.handling.Load() {
		select {
		case <-i.woken:
			return
		case <-i.ctx.Done():
			return
		case <-check.C:
			i.handling.Store(false) // until the message has come
			if p := i.program.Load(); p != nil {
				go p.Send(stillThere{})
			}
			select {
			case <-i.woken:
				return
			case <-i.ctx.Done():
				return
			case <-check.C:
			}
		}
	}
}

func (i *idle) wake() {
	select {
	case i.woken <- struct{}{}:
	default:
	}
}

// filter sees every message before it is handled.
func (i *idle) filter(_ tea.Model, msg tea.Msg) tea.Msg {
	i.handling.Store(true)
	switch msg.(type) {
	case stillThere:
		return nil
	case tea.QuitMsg, tea.InterruptMsg, tea.SuspendMsg:
		i.handling.Store(false)
		i.wake()
	case tea.KeyPressMsg:
		// The view wakes it: what is drawn then is the new frame.
	default:
		i.wake() // the library may want the lock that the write holds
	}
	return msg
}

// wakeful is a model whose views wake the program.
type wakeful struct {
	tea.Model
	idle *idle
}

func (w wakeful) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m, cmd := w.Model.Update(msg)
	w.Model = m
	return w, cmd
}

func (w wakeful) View() tea.View {
	v := w.Model.View()
	w.idle.wake()
	return v
}
