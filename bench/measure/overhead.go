package measure

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// overhead is the harness's own share of what is measured.
type overhead struct {
	// timer is what the clock shows for nothing: it is in every measured time.
	timer time.Duration
	// pair is what a timed call costs whoever times it from outside: two
	// readings of the clock.
	pair time.Duration
	// loop is the timer between two ticks of upstream's loop.
	loop time.Duration
}

const (
	timerRounds = 2000
	loopRounds  = 200
)

// calibrate measures the overhead on this machine, now.
func calibrate() overhead {
	empty := make([]time.Duration, timerRounds)
	started := time.Now()
	for i := range empty {
		at := time.Now()
		empty[i] = time.Since(at)
	}
	all := time.Since(started)
	slices.Sort(empty)
	return overhead{timer: empty[timerRounds/2], pair: min(all/timerRounds, 2*empty[timerRounds/2]+1), loop: calibrateLoop()}
}

// calibrateLoop runs the loop of upstream's manager with nothing in it: the same
// function of the same library, with the same period.
func calibrateLoop() time.Duration {
	gaps := make([]time.Duration, 0, loopRounds)
	stop := make(chan struct{})
	var ended time.Time
	wait.Until(func() {
		if !ended.IsZero() {
			gaps = append(gaps, time.Since(ended))
		}
		if len(gaps) == loopRounds {
			close(stop)
			return
		}
		ended = time.Now()
	}, time.Nanosecond, stop)
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}
