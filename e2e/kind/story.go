package kind

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/node"
)

// story is what a relay tells of the making of its cluster, to be asked for from
// outside of its machine.
type story struct {
	mu      sync.Mutex
	lines   []string
	ended   bool
	changed chan struct{} // closed and made anew with every change
}

func newStory() *story { return &story{changed: make(chan struct{})} }

func (s *story) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	s.tell()
}

func (s *story) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.tell()
}

func (s *story) tell() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Said is a part of what a relay tells.
type Said struct {
	Lines []string
	// Ended says that there will be no more.
	Ended bool
}

// saidTime bounds the wait for something to be said.
const saidTime = 30 * time.Second

// Said is a call: the lines after those that are known, as soon as there is one.
func (r *Relay) Said(known int, s *Said) error {
	late := time.After(saidTime)
	for {
		r.story.mu.Lock()
		next := r.story.changed
		s.Lines = slices.Clone(r.story.lines[min(max(0, known), len(r.story.lines)):])
		s.Ended = r.story.ended
		r.story.mu.Unlock()
		if len(s.Lines) > 0 || s.Ended {
			return nil
		}
		select {
		case <-next:
		case <-late:
			return nil
		}
	}
}

// Follow tells what a relay says, until its cluster is made or has failed to be,
// or the context ends.
func Follow(ctx context.Context, relay node.Caller, say func(string)) {
	for known := 0; ; {
		var s Said
		if err := relay.Call(ctx, "Said", known, &s); err != nil {
			return // whoever waits for the cluster is told why
		}
		for _, line := range s.Lines {
			say(line)
		}
		known += len(s.Lines)
		if s.Ended {
			return
		}
	}
}

// Logs is a call: the logs of the cluster, or of what was left of it.
func (r *Relay) Logs(_ agent.None, l *Logs) error {
	select {
	case <-r.made:
	default:
		return errMaking
	}
	if r.kind.sole != nil { // as it is now
		if err := r.kind.keepLogs(); err != nil {
			return err
		}
	}
	if r.kind.kept == "" {
		return errNoLogs
	}
	var err error
	*l, err = packLogs(r.kind.kept)
	return err
}
