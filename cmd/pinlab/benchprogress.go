package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pinlab/pinlab/bench"
)

// benchProgress is one line on a terminal that says how far a run is; elsewhere
// it says nothing.
type benchProgress struct {
	w     io.Writer
	live  bool
	width int
	done  int
	total int
	last  time.Time
}

func newBenchProgress(w io.Writer, total int) *benchProgress {
	return &benchProgress{w: w, live: isTerminal(w), width: width(w), total: total}
}

func (p *benchProgress) tell(e bench.Event) {
	const redraw = 100 * time.Millisecond
	if e.Kind == bench.Finished {
		p.done++
	}
	if !p.live || e.Kind == bench.Warned || time.Since(p.last) < redraw {
		return
	}
	p.last = time.Now()
	line := fmt.Sprintf("repetition %d of %d", e.Repetition+1, e.Repetitions)
	if e.Left > 0 {
		line += fmt.Sprintf(", about %v left", e.Left.Round(time.Second))
	}
	if p.done > 0 {
		line += fmt.Sprintf(", %d of %d configurations done", p.done, p.total)
	}
	line += "  " + strings.Join([]string{e.Config.Profile, e.Config.TopologyPolicy, e.Config.Fill, string(e.Config.Storage)}, " ")
	if r := []rune(line); len(r) > p.width-1 {
		line = string(r[:p.width-1])
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

func (p *benchProgress) close() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
