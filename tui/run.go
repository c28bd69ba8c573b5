package tui

import (
	"context"
	"errors"
	"fmt"
	"io"

	tea "charm.land/bubbletea/v2"
)

// frameRate is how often the screen may be drawn, in frames per second. A frame
// is drawn only when something has changed; 80 keeps a key press below 16 ms.
const frameRate = 80

// Run shows the explorer on a terminal until the user leaves it. The terminal is
// left as it was.
func Run(ctx context.Context, m *Model, in io.Reader, out io.Writer, more ...tea.ProgramOption) error {
	idle := newIdle(ctx, out)
	options := append([]tea.ProgramOption{
		tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(idle.writer()), tea.WithFPS(frameRate), tea.WithFilter(idle.filter),
	}, more...)
	p := tea.NewProgram(wakeful{Model: m, idle: idle}, options...)
	idle.program.Store(p)
	_, err := p.Run()
	closed := m.Close()
	switch {
	case errors.Is(err, tea.ErrInterrupted), errors.Is(err, context.Canceled), errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil:
		err = nil // the user has ended it another way
	case err != nil:
		err = fmt.Errorf("terminal: %w", err)
	}
	return errors.Join(err, closed)
}
