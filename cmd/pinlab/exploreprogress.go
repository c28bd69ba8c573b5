package main

import (
	"fmt"
	"io"
	"time"

	"github.com/pinlab/pinlab/sim/explore"
)

// exploreProgress is one line about a search, on a terminal only.
type exploreProgress struct {
	w       io.Writer
	live    bool
	started time.Time
	last    explore.Stats
}

func newExploreProgress(w io.Writer, started time.Time) *exploreProgress {
	return &exploreProgress{w: w, live: isTerminal(w), started: started}
}

func (p *exploreProgress) show(s explore.Stats) {
	p.last = s
	if p.live {
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.text())
	}
}

func (p *exploreProgress) text() string {
	s, took := p.last, time.Since(p.started)
	return fmt.Sprintf("%s  %d runs, %.0f events/s, %d features, %d findings, %d new",
		took.Truncate(time.Second), s.Runs, float64(s.Events)/max(took.Seconds(), 0.001), s.Features, s.Findings, s.New)
}

// close says once, on any stream, how fast the search was: the report itself holds
// no times.
func (p *exploreProgress) close() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	fmt.Fprintln(p.w, p.text())
}
