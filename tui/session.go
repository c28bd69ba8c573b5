package tui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui/story"
)

// firstSession opens the machine that was asked for, once.
func (m *Model) firstSession() tea.Cmd {
	if m.explore.session != nil || m.explore.opening || m.deps.Open == nil {
		return nil
	}
	return m.openSession(m.opts.Profile, m.opts.Kubelet)
}

// opened is a new session with its kubelet started.
type opened struct {
	ref     string
	profile *hwprofiles.Profile
	session Session
	done    stepped
	err     error
}

// openSession makes a node of a profile and starts its kubelet. The session
// before is left when the new one is there.
func (m *Model) openSession(ref, kubelet string) tea.Cmd {
	e := m.explore
	if e.opening {
		return nil
	}
	e.opening = true
	ctx, deps := m.ctx, m.deps
	return func() tea.Msg {
		o := opened{ref: ref}
		p, err := deps.Resolve(ref)
		if err != nil {
			o.err = fmt.Errorf("machine %s: %w", ref, err)
			return o
		}
		o.profile = p
		if kubelet == "" {
			kubelet = defaultKubelet(p)
		}
		st := story.Story{Profile: ref, Kubelet: kubelet}.With("startKubelet: {}")
		sc, events, err := st.Parse(deps.Loader)
		if err == nil {
			o.session, err = deps.Open(ctx, sc, p)
		}
		if err != nil {
			o.err = err
			return o
		}
		o.done = stepped{session: o.session, story: st, config: sc.Kubelet}
		o.done.run(ctx, deps, events, nil)
		return o
	}
}

// defaultKubelet pins, with the first core reserved.
func defaultKubelet(p *hwprofiles.Profile) string {
	reserved := "0"
	if online := p.OnlineCPUs().List(); len(online) > 0 {
		reserved = fmt.Sprint(online[0])
		if c, ok := p.CPU(online[0]); ok && c.Siblings.Size() < len(online) {
			reserved = c.Siblings.String()
		}
	}
	return fmt.Sprintf("cpuManagerPolicy: static\nreservedSystemCPUs: %q\n", reserved)
}

func (o opened) take(m *Model) tea.Cmd {
	e := m.explore
	e.opening = false
	if o.err != nil {
		m.fail(o.err)
		return nil
	}
	if err := e.close(); err != nil {
		m.fail(err)
	}
	fresh := newExplore()
	fresh.session, fresh.ref, fresh.began = o.session, o.ref, o.profile
	fresh.tab, fresh.focus, fresh.onCPU = e.tab, e.focus, e.onCPU
	*e = *fresh
	return o.done.take(m)
}

// stepped is a step of the story done, or why it was not.
type stepped struct {
	// session is the one it was done in, which may be left by now.
	session Session
	story   story.Story
	config  json.RawMessage
	frames  []frame
	created []scenarios.CreatePod
	deleted []string
	err     error
}

// run applies the events of one step.
func (s *stepped) run(ctx context.Context, deps Deps, events []scenarios.Event, before *observe.Step) {
	for _, event := range events {
		step, err := s.session.Apply(ctx, event)
		if err != nil {
			s.err = err
			return
		}
		f := frame{step: step, profile: s.session.Profile()}
		if deps.Changes != nil {
			f.changes = deps.Changes(before, &step)
		}
		s.frames = append(s.frames, f)
		before = &s.frames[len(s.frames)-1].step
		switch ev := event.(type) {
		case scenarios.CreatePod:
			s.created = append(s.created, ev)
		case scenarios.DeletePod:
			s.deleted = append(s.deleted, ev.Pod)
		case scenarios.StartKubelet:
			s.patch(ev.Config)
		case scenarios.RestartKubelet:
			s.patch(ev.Config)
		}
	}
}

// patch follows the configuration.
func (s *stepped) patch(config json.RawMessage) {
	if len(config) == 0 {
		return
	}
	if merged, err := scenarios.MergeConfig(s.config, config); err == nil {
		s.config = merged
	}
}

// do makes a step happen, after those that wait already.
func (m *Model) do(step string) tea.Cmd {
	e := m.explore
	switch {
	case e.session == nil:
		m.fail(errors.New("there is no machine yet; p chooses one"))
		return nil
	case e.busy != "" && len(e.queue) >= maxQueue:
		m.fail(errors.New("too many steps wait already"))
		return nil
	case e.busy != "":
		e.queue = append(e.queue, step)
		return nil
	}
	e.busy = step
	ctx, deps, session := m.ctx, m.deps, e.session
	s := stepped{session: session, story: e.story.With(step), config: e.config}
	var before *observe.Step
	if f := e.last(); f != nil {
		before = &f.step
	}
	return func() tea.Msg {
		_, events, err := s.story.Parse(deps.Loader)
		if err != nil {
			s.err = err
			return s
		}
		s.run(ctx, deps, events, before)
		return s
	}
}

func (s stepped) take(m *Model) tea.Cmd {
	e := m.explore
	if s.session != e.session {
		_ = s.session.Close() // left while the step ran
		return nil
	}
	e.busy = ""
	if len(s.frames) > 0 {
		e.adopt(s)
		e.show()
		e.paneFrom = 0
		m.say(summary(&s.frames[len(s.frames)-1]))
		m.follow(s)
	}
	if s.err != nil {
		e.queue = nil // what waits was meant for after this step
		m.fail(s.err)
	}
	cmds := []tea.Cmd{m.askExplain()}
	if len(e.queue) > 0 {
		next := e.queue[0]
		e.queue = e.queue[1:]
		cmds = append(cmds, m.do(next))
	}
	return tea.Batch(cmds...)
}

// adopt makes a step part of the session.
func (e *explore) adopt(s stepped) {
	e.story, e.config = s.story, s.config
	for _, c := range s.created {
		e.pods[c.Pod.Name] = &created{pod: c.Pod}
		e.names[c.Pod.Name]++
	}
	for _, name := range s.deleted {
		delete(e.pods, name)
	}
	before := e.last()
	var lines []string
	for i := range s.frames {
		f := s.frames[i]
		var was *observe.Step
		if before != nil {
			was = &before.step
		}
		for _, a := range f.step.Observation.Admissions {
			if p := e.pods[a.Pod]; p != nil {
				e.turn++
				p.answer, p.turn = a, e.turn
				p.asked = asked{profile: f.profile, config: s.config, before: others(was, a.Pod)}
			}
		}
		if i == len(s.frames)-1 {
			// The events of one step cannot be told apart in a file, so only
			// the last can be followed by what was seen.
			first := e.last()
			var start *observe.Step
			if first != nil {
				start = &first.step
			}
			lines, _ = story.Expect(start, &f.step, s.admissions())
		}
		before = &s.frames[i]
	}
	e.expects = append(e.expects, lines)
	for _, f := range s.frames {
		e.push(f)
	}
}

// admissions are the last answers to each pod in the step.
func (s *stepped) admissions() []observe.Admission {
	var out []observe.Admission
	for _, f := range s.frames {
		out = append(out, f.step.Observation.Admissions...)
	}
	return out
}

// follow selects a pod that was just created.
func (m *Model) follow(s stepped) {
	if len(s.created) == 0 {
		return
	}
	name := s.created[len(s.created)-1].Pod.Name
	for i := range m.explore.rows {
		if m.explore.rows[i].pod == name {
			m.explore.selected = m.explore.rows[i].ref
		}
	}
}
