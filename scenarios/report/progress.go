package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report/screen"
)

// Progress shows how far a run is: one line that is rewritten on a terminal,
// nothing at all elsewhere.
type Progress struct {
	mu       sync.Mutex
	w        io.Writer
	live     bool
	paint    screen.Painter
	width    int
	names    []string
	finished []bool
	steps    map[int][2]int
	counts   map[scenarios.Verdict]int
	done     int
	started  time.Time
	last     time.Time
	// every is the time between two lines where the display is not live; 0 for
	// none.
	every time.Duration
}

// Plainly has a line printed now and then where the display is not live, for
// runs that take long.
func (p *Progress) Plainly(every time.Duration) { p.every = every }

// NewProgress makes a display; live says whether w is a terminal.
func NewProgress(w io.Writer, live, color bool, width int) *Progress {
	return &Progress{w: w, live: live, paint: screen.Painter{Color: color}, width: width, steps: map[int][2]int{}, counts: map[scenarios.Verdict]int{}}
}

// Add announces a job; jobs are numbered in the order of the calls.
func (p *Progress) Add(scenario, profile string) {
	if p.started.IsZero() {
		p.started = time.Now()
		p.last = p.started
	}
	p.names = append(p.names, scenario+" on "+profile)
	p.finished = append(p.finished, false)
}

// Step says how many steps of a job are done.
func (p *Progress) Step(job, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps[job] = [2]int{done, total}
	p.draw(false)
}

// Finish says how a job ended.
func (p *Progress) Finish(job int, v scenarios.Verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.steps, job)
	if job < len(p.finished) && !p.finished[job] {
		p.finished[job] = true
		p.done++
		p.counts[v]++
	}
	p.draw(p.done == len(p.names))
}

// Close removes the line.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// redraw is the shortest time between two pictures.
const redraw = 50 * time.Millisecond

const barWidth = 24

func (p *Progress) draw(force bool) {
	if !p.live {
		p.plain()
		return
	}
	if !force && time.Since(p.last) < redraw {
		return
	}
	p.last = time.Now()
	total := max(len(p.names), 1)
	full := barWidth * p.done / total
	line := fmt.Sprintf("[%s%s] %d/%d", strings.Repeat("#", full), strings.Repeat(".", barWidth-full), p.done, len(p.names))
	if n := p.counts[scenarios.Fail] + p.counts[scenarios.Errored] + p.counts[scenarios.Hang]; n > 0 {
		line += fmt.Sprintf(", %d not passed", n)
	}
	line += p.pace()
	current := -1
	for job := range p.steps {
		if current < 0 || job < current {
			current = job
		}
	}
	if current >= 0 && current < len(p.names) {
		at := p.steps[current]
		line += fmt.Sprintf("  %s, step %d of %d", p.names[current], min(at[0]+1, at[1]), at[1])
	}
	if r := []rune(line); len(r) > p.width-1 {
		line = string(r[:p.width-1])
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

// plain prints a line when it is time for one.
func (p *Progress) plain() {
	if p.every == 0 || time.Since(p.last) < p.every {
		return
	}
	p.last = time.Now()
	line := fmt.Sprintf("%d of %d done", p.done, len(p.names))
	if n := p.counts[scenarios.Fail] + p.counts[scenarios.Errored] + p.counts[scenarios.Hang]; n > 0 {
		line += fmt.Sprintf(", %d not passed", n)
	}
	fmt.Fprintln(p.w, line+p.pace())
}

// settled is how long a run takes before its pace says anything.
const settled = 2 * time.Second

// pace says how fast it goes and how long it will take.
func (p *Progress) pace() string {
	took := time.Since(p.started)
	if p.done == 0 || took < settled {
		return ""
	}
	rate := float64(p.done) / took.Seconds()
	left := time.Duration(float64(len(p.names)-p.done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf(", %.1f/s, %v left", rate, left)
}
