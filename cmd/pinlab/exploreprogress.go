package main

import (
	"fmt"
	"io"
	"time"

	"github.com/pinlab/pinlab/sim/explore"
)

// exploreProgress is one line about a search: on a terminal one that changes, elsewhere
// one now and then.
type exploreProgress struct {
	w       io.Writer
	live    bool
	started time.Time
	shown   time.Time
	last    explore.Stats
}

// liveEvery is the least time between two changes of the line on a terminal.
const liveEvery = 100 * time.Millisecond

func newExploreProgress(w io.Writer, started time.Time) *exploreProgress {
	return &exploreProgress{w: w, live: isTerminal(w), started: started, shown: started}
}

func (p *exploreProgress) show(s explore.Stats) {
	p.last = s
	every := plainEvery
	if p.live {
		every = liveEvery
	}
	if time.Since(p.shown) < every {
		return
	}
	p.shown = time.Now()
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.text())
	} else {
		fmt.Fprintln(p.w, p.text())
	}
}

func (p *exploreProgress) text() string {
	s, took := p.last, time.Since(p.started)
	what := fmt.Sprintf("%d features", s.Features)
	switch {
	case s.Points > 0:
		what = fmt.Sprintf("%d crash points, %d scenarios done", s.Points, s.Scenarios)
	case s.States > 0:
		what = fmt.Sprintf("%d states, %d duplicates cut, depth %d done", s.States, s.Cut, s.Depth)
	}
	return fmt.Sprintf("%s  %d runs, %.0f events/s, %s, %d findings, %d new",
		took.Truncate(time.Second), s.Runs, float64(s.Events)/max(took.Seconds(), 0.001), what, s.Findings, s.New)
}

// close says once, on any stream, how fast the search was: the report itself holds
// no times.
func (p *exploreProgress) close() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	fmt.Fprintln(p.w, p.text())
}
