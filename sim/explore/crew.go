package explore

import (
	"context"
	"sync"
)

// crew are the workers of a search. Causes are shrunk before anything else is done, and
// nobody waits for that: a hang takes minutes to shrink, and meanwhile the other
// workers go on.
type crew struct {
	shrinks, batches chan func(Worker)
	ctx              context.Context // of the search: workers' processes outlive a crew
	working          sync.WaitGroup
	shrinking        sync.WaitGroup

	mu     sync.Mutex
	failed error
	// queue are the causes in their order, those that have been taken in left out.
	queue []*shrunk
}

// shrunk is a cause and what shrinking has made of it; nil where it made nothing.
type shrunk struct {
	pending
	finding *Finding
	done    bool
}

// queued bounds the tasks that wait; whoever has more waits with them.
const queued = 1024

func newCrew(ctx context.Context, workers []Worker) *crew {
	c := &crew{ctx: ctx, shrinks: make(chan func(Worker), queued), batches: make(chan func(Worker), queued)}
	for _, w := range workers {
		c.working.Go(func() { c.work(w) })
	}
	return c
}

func (c *crew) work(w Worker) {
	for {
		var task func(Worker)
		var more bool
		select {
		case task, more = <-c.shrinks:
		default:
			select {
			case task, more = <-c.shrinks:
			case task, more = <-c.batches:
			}
		}
		if !more {
			return
		}
		task(w)
	}
}

// dismiss ends the crew when all is done.
func (c *crew) dismiss() {
	close(c.shrinks)
	c.working.Wait()
}

func (c *crew) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
}

// err is what ended the crew's work early.
func (c *crew) err() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// each calls do for every index below n and waits for it; when a task has failed or the
// context is at its end, those that are left are not begun.
func (c *crew) each(n int, do func(w Worker, i int) error) error {
	return c.begin(n, do)()
}

// begin does what each does and leaves the waiting to the caller.
func (c *crew) begin(n int, do func(w Worker, i int) error) (wait func() error) {
	var all sync.WaitGroup
	all.Add(n)
	for i := range n {
		c.batches <- func(w Worker) {
			defer all.Done()
			if c.err() == nil {
				c.fail(do(w, i)) // before anybody may think that all went well
			}
		}
	}
	return func() error {
		all.Wait()
		return c.err()
	}
}

// batchRuns are the replays that a worker is given at a time.
const batchRuns = 4

// replay has the n jobs that at tells replayed. The outcomes are there when wait has
// returned.
func (c *crew) replay(n int, at func(i int) job) (outcomes []Outcome, wait func() error) {
	outcomes = make([]Outcome, n)
	wait = c.begin((n+batchRuns-1)/batchRuns, func(w Worker, batch int) error {
		first, last := batch*batchRuns, min(n, (batch+1)*batchRuns)
		jobs := make([]job, 0, batchRuns)
		for i := first; i < last; i++ {
			jobs = append(jobs, at(i))
		}
		out, err := w.Many(c.ctx, jobs)
		copy(outcomes[first:], out)
		return err
	})
	return outcomes, wait
}

// shrink has causes shrunk, some time.
func (c *crew) shrink(list []pending, do func(context.Context, Worker, pending) (*Finding, error)) {
	for _, p := range list {
		s := &shrunk{pending: p}
		c.mu.Lock()
		c.queue = append(c.queue, s)
		c.mu.Unlock()
		c.shrinking.Add(1)
		c.shrinks <- func(w Worker) {
			defer c.shrinking.Done()
			var f *Finding
			if c.err() == nil {
				var err error
				f, err = do(c.ctx, w, s.pending)
				c.fail(err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			s.finding, s.done = f, true
		}
	}
}

// take returns the causes whose turn it is: those before the first that is not done.
func (c *crew) take() []*shrunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.queue) && c.queue[n].done {
		n++
	}
	out := c.queue[:n:n]
	c.queue = c.queue[n:]
	return out
}
