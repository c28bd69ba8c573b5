package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/bench/stats"
)

// Request is one repetition of a configuration.
type Request struct {
	Config     record.Config      `json:"config"`
	StateDir   string             `json:"stateDir"`
	Operations []record.Operation `json:"operations"`
	// Samples is how many to take of each operation; 0 leaves it to Budget.
	Samples int `json:"samples,omitempty"`
	// Budget is the time for taking samples, and what bounds the
	// warming up. With Samples it does not end the sampling.
	Budget time.Duration `json:"budget"`
}

// Reply is what a child says: Overhead, then Batch any number of times, then Done,
// Refused or Failed.
type Reply struct {
	// Overhead comes before any sample: a child that is killed has told it.
	Overhead *record.Overhead               `json:"overhead,omitempty"`
	Batch    map[record.Operation][]float64 `json:"batch,omitempty"`
	Done     *Done                          `json:"done,omitempty"`
	// Refused is why the kubelet does not start with this configuration.
	Refused string `json:"refused,omitempty"`
	Failed  string `json:"failed,omitempty"`
}

// Done ends a repetition.
type Done struct {
	Rejected string `json:"rejected,omitempty"`
	// Unsteady tells of a warm-up that ended by time alone; nil when none did.
	Unsteady *Unsteady `json:"unsteady,omitempty"`
	// Preempted counts how often the kernel took the CPU away while samples
	// were taken, and Sampling how long that was.
	Preempted int64         `json:"preempted"`
	Sampling  time.Duration `json:"sampling"`
}

// Unsteady is a warm-up that ended before the times were steady.
type Unsteady struct {
	// Factor is how many times as long it should have been to tell anything; 0
	// when it was long enough.
	Factor float64 `json:"factor,omitempty"`
	// Drift is by how much the times still changed, as a share.
	Drift float64 `json:"drift,omitempty"`
}

// Serve is a child's whole life: one request on r, replies on w. An error is the
// harness's own failure; that of a measurement is a reply. Between is nil but in a
// test that makes the measured code slower than it is.
func Serve(r io.Reader, w io.Writer, between Between) error {
	var req Request
	if err := json.NewDecoder(r).Decode(&req); err != nil {
		return fmt.Errorf("bench worker: read request: %w", err)
	}
	out := json.NewEncoder(w)
	var broken error
	send := func(rep Reply) {
		if broken == nil {
			broken = out.Encode(rep)
		}
	}
	done, err := run(req, between, send)
	var refused *RefusedError
	switch {
	case errors.As(err, &refused):
		send(Reply{Refused: refused.cause.Error()})
	case err != nil:
		send(Reply{Failed: err.Error()})
	default:
		send(Reply{Done: &done})
	}
	if broken != nil {
		return fmt.Errorf("bench worker: write reply: %w", broken)
	}
	return nil
}

const (
	steadyWindow    = 8
	steadyTolerance = 0.10
	// minSamples are taken however long they take; the deadline is the parent's.
	minSamples = 3
	// maxSamples of an operation in one repetition: more say nothing new.
	maxSamples = 500
	// flushEvery is how long samples are held back; they are sent between two
	// cycles.
	flushEvery = 100 * time.Millisecond
	// warmShare times the budget is the most that a warm-up takes, or leastWarm:
	// what is fast is steady long before, and what is slow needs some time to
	// show anything.
	warmShare = 2
	leastWarm = 200 * time.Millisecond
	// restartShare is the part of the budget that restarts get.
	restartShare = 4
)

// LeastWarm is the time for sampling below which warm-ups are no shorter, when it
// is shared out among so many repetitions.
func LeastWarm(repetitions int) time.Duration {
	return leastWarm / warmShare * time.Duration(repetitions)
}

func run(req Request, between Between, send func(Reply)) (Done, error) {
	s, err := newSession(req.Config, req.StateDir, between)
	if err != nil {
		return Done{}, err
	}
	wants := func(ops ...record.Operation) bool {
		return slices.ContainsFunc(ops, func(op record.Operation) bool { return slices.Contains(req.Operations, op) })
	}
	send(Reply{Overhead: &record.Overhead{Timer: float64(s.overhead.timer), Loop: float64(s.overhead.loop)}})
	b := &batch{operations: req.Operations, send: func(held map[record.Operation][]float64) { send(Reply{Batch: held}) }, last: time.Now()}
	done := Done{}
	restarts := wants(record.Restart, record.Readmit)
	cycles := slices.ContainsFunc(req.Operations, func(op record.Operation) bool { return op != record.Restart && op != record.Readmit })
	budget, restartBudget := req.Budget, req.Budget
	if restarts && cycles {
		restartBudget /= restartShare
		budget -= restartBudget
	}
	phases := []struct {
		on     bool
		budget time.Duration
		once   func() error
	}{{cycles, budget, s.cycle}, {restarts, restartBudget, s.restart}}
	for _, p := range phases {
		if !p.on {
			continue
		}
		s.tell = nil
		unsteady, err := warm(p.once, max(warmShare*p.budget, leastWarm))
		if err != nil {
			return done, err
		}
		if done.Unsteady == nil || unsteady != nil && unsteady.Factor > done.Unsteady.Factor {
			done.Unsteady = unsteady
		}
		s.tell = b.add
		runtime.GC() // nobody pays for the warm-up
		before, started := preemptions(), time.Now()
		if err := take(req.Samples, p.budget, func() error { defer b.flush(false); return p.once() }); err != nil {
			return done, err
		}
		done.Preempted += preemptions() - before
		done.Sampling += time.Since(started)
		b.flush(true)
	}
	done.Rejected = s.rejected
	s.life.Stop()
	return done, nil
}

// warm repeats until the times are steady, which is nil, or the limit is reached.
func warm(once func() error, limit time.Duration) (*Unsteady, error) {
	w := stats.Steadiness{Window: steadyWindow, Tolerance: steadyTolerance}
	began := time.Now()
	for n := 1; ; n++ {
		started := time.Now()
		if err := once(); err != nil {
			return nil, err
		}
		if w.Add(float64(time.Since(started))) {
			return nil, nil
		}
		switch spent := time.Since(began); {
		case spent <= limit:
		case n < w.Needs():
			return &Unsteady{Factor: float64(spent) / float64(limit) * float64(w.Needs()) / float64(n)}, nil
		default:
			return &Unsteady{Drift: w.Drift()}, nil
		}
	}
}

// take repeats samples times, or as often as the budget allows.
func take(samples int, budget time.Duration, once func() error) error {
	began := time.Now()
	for n := 0; ; n++ {
		if samples > 0 && n >= samples || samples == 0 && (n >= maxSamples || n >= minSamples && time.Since(began) > budget) {
			return nil
		}
		if err := once(); err != nil {
			return err
		}
	}
}

// batch holds samples until they are sent.
type batch struct {
	operations []record.Operation
	held       map[record.Operation][]float64
	send       func(map[record.Operation][]float64)
	last       time.Time
}

func (b *batch) add(op record.Operation, d time.Duration) {
	if !slices.Contains(b.operations, op) {
		return
	}
	if b.held == nil {
		b.held = map[record.Operation][]float64{}
	}
	b.held[op] = append(b.held[op], float64(d))
}

func (b *batch) flush(now bool) {
	if len(b.held) > 0 && (now || time.Since(b.last) > flushEvery) {
		b.send(b.held)
		b.held, b.last = nil, time.Now()
	}
}

// preemptions is how often the kernel took the CPU from this process.
func preemptions() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return u.Nivcsw
}
