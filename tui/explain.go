package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// explanation is what the managers said of a pod.
type explanation struct {
	key    string // pod and turn
	text   string
	err    error
	asking bool
	// memory says that other pods hold memory of a memory manager, whose state
	// the question does not have.
	memory bool
	cancel context.CancelFunc
}

func (x *explanation) stop() {
	if x.cancel != nil {
		x.cancel()
	}
}

// restless is how long a selection must stay before the managers are asked.
const restless = 120 * time.Millisecond

// askExplain asks about the selected pod when its answer is not there yet.
func (m *Model) askExplain() tea.Cmd {
	e := m.explore
	row := e.row()
	if m.deps.Explain == nil || row == nil || e.pods[row.pod] == nil || e.last() == nil {
		return nil
	}
	p := e.pods[row.pod]
	key, at := fmt.Sprintf("%s %d", row.pod, p.turn), p.asked
	if p.turn == 0 { // what would be decided on the node as it is now
		f := e.last()
		key = fmt.Sprintf("%s after %d", row.pod, f.step.Index)
		at = asked{profile: f.profile, config: e.config, before: others(&f.step, row.pod)}
	}
	if e.explain.key == key {
		return nil
	}
	e.explain.stop()
	pod := p.pod.DeepCopy()
	pod.APIVersion, pod.Kind = "v1", "Pod"
	manifest, err := json.Marshal(pod)
	if err != nil {
		e.explain = explanation{key: key, err: err}
		return nil
	}
	q := Question{Pod: manifest, Profile: at.profile, Config: at.config, State: at.before}
	ctx, cancel := context.WithCancel(m.ctx)
	e.explain = explanation{key: key, asking: true, memory: holdsMemory(&at), cancel: cancel}
	ask, wait := m.deps.Explain, m.restless
	return func() tea.Msg {
		defer cancel()
		select {
		case <-ctx.Done():
			return explained{key: key, err: ctx.Err()}
		case <-time.After(wait):
		}
		text, err := ask(ctx, q)
		return explained{key, text, err}
	}
}

func holdsMemory(a *asked) bool {
	var c struct {
		MemoryManagerPolicy string `json:"memoryManagerPolicy"`
	}
	_ = json.Unmarshal(a.config, &c) // the loader has read it already
	return c.MemoryManagerPolicy == "Static" && a.before != nil && len(a.before.Entries) > 0
}

// explained is the managers' answer.
type explained struct {
	key, text string
	err       error
}

func (x explained) take(m *Model) tea.Cmd {
	e := &m.explore.explain
	if e.key != x.key || errors.Is(x.err, context.Canceled) {
		return nil
	}
	e.asking, e.text, e.err = false, strings.TrimRight(x.text, "\n"), x.err
	return nil
}
