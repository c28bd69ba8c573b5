package kubelet

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// gate is the SourcesReady that the CPU manager asks at the head of every
// reconcile tick. It parks the manager's own loop there and lets single ticks
// through, so that time belongs to the harness and not to upstream's timer.
//
// While the loop is parked, whoever asks is the harness itself (admission asks
// too) and gets an answer at once. The loop is expected only between open and
// its next arrival, and nobody else asks in that time.
type gate struct {
	ready    atomic.Bool // what AllReady answers
	loopTurn atomic.Bool // the next to ask is the loop

	arrived chan struct{} // the loop is parked
	proceed chan bool     // true: run a tick, false: end
	dead    chan struct{} // closed when the lifetime ends
	once    sync.Once

	// left and back are when the loop last went and came back; they belong to
	// the loop until it is parked.
	left, back time.Time
}

func newGate(sourcesReady bool) *gate {
	g := &gate{arrived: make(chan struct{}), proceed: make(chan bool), dead: make(chan struct{})}
	g.ready.Store(sourcesReady)
	return g
}

// AddSource implements upstream's SourcesReady.
func (g *gate) AddSource(string) {}

// AllReady implements upstream's SourcesReady.
func (g *gate) AllReady() bool {
	if !g.loopTurn.Load() {
		return g.ready.Load()
	}
	g.back = time.Now()
	select {
	case g.arrived <- struct{}{}:
	case <-g.dead:
		runtime.Goexit()
	}
	select {
	case run := <-g.proceed:
		if !run {
			runtime.Goexit()
		}
	case <-g.dead:
		runtime.Goexit()
	}
	g.left = time.Now()
	return g.ready.Load()
}

// open announces the loop: call it before anything that starts the loop.
func (g *gate) open() { g.loopTurn.Store(true) }

// tick lets the loop run once and waits until it is parked again or has ended.
func (g *gate) tick(ended <-chan struct{}) {
	// Before proceed is sent: the loop may ask again before this goroutine runs.
	g.open()
	select {
	case g.proceed <- true:
	case <-ended:
		return
	}
	g.waitParked(ended)
}

func (g *gate) waitParked(ended <-chan struct{}) {
	select {
	case <-g.arrived:
	case <-ended:
	}
	g.loopTurn.Store(false)
}

// close ends a parked loop's goroutine.
func (g *gate) close() { g.once.Do(func() { close(g.dead) }) }
