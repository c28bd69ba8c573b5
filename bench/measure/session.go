package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"

	cadvisor "github.com/google/cadvisor/lib/model"
	v1 "k8s.io/api/core/v1"
)

// Between stands between the managers and their node, where they call it.
type Between func(kubelet.Node) kubelet.Node

// session is a kubelet with resident pods, and a pod that comes and goes.
type session struct {
	config  *kubelet.Config
	machine *cadvisor.MachineInfo
	dir     string
	request int
	// containers are those of each pod.
	containers int
	node       *node
	// seen is the node as the kubelet has it.
	seen      kubelet.Node
	residents []*v1.Pod
	life      *kubelet.Lifetime
	overhead  overhead
	// tell takes each sample; nil while warming up.
	tell func(record.Operation, time.Duration)

	calls    map[kubelet.Call]spent
	written  spent
	count    int
	rejected string
	ticks    bool // the policy has a reconcile loop
}

// spent is the time of a number of calls.
type spent struct {
	time  time.Duration
	calls int
}

func (s spent) plus(d time.Duration) spent { return spent{s.time + d, s.calls + 1} }

// newSession puts the state file in place and starts the kubelet on it.
func newSession(c record.Config, dir string, between Between) (*session, error) {
	profile, err := Resolve(c.Profile)
	if err != nil {
		return nil, err
	}
	layout, err := NewLayout(profile)
	if err != nil {
		return nil, err
	}
	lists, err := layout.Residents(c.Fill, c.Request)
	if err != nil {
		return nil, err
	}
	s := &session{
		dir: dir, request: c.Request, containers: c.Containers, node: newNode(), calls: map[kubelet.Call]spent{},
		overhead: calibrate(), ticks: c.Policy == PolicyStatic,
	}
	s.seen = s.node
	if between != nil {
		s.seen = between(s.node)
	}
	if s.machine, err = profile.MachineInfo(); err != nil {
		return nil, err
	}
	doc, err := kubeletConfig(c, layout, profile, len(lists))
	if err != nil {
		return nil, err
	}
	decoder, err := kubelet.NewConfigDecoder()
	if err != nil {
		return nil, err
	}
	if s.config, err = decoder.Decode(doc); err != nil {
		return nil, &RefusedError{err}
	}
	for i := range lists {
		pod := newPod(residentName(i), c.Request, c.Containers)
		s.residents = append(s.residents, pod)
		s.node.add(pod)
		s.node.run(pod)
	}
	state, err := layout.state(c, lists)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, observe.CPUStateFile), state, 0o600); err != nil {
		return nil, err
	}
	return s, s.restart()
}

// RefusedError says that the kubelet does not start with a configuration.
type RefusedError struct{ cause error }

func (e *RefusedError) Error() string { return "the kubelet does not start: " + e.cause.Error() }

// Unwrap returns the kubelet's own error.
func (e *RefusedError) Unwrap() error { return e.cause }

// restart ends the kubelet and starts another on its state file.
func (s *session) restart() error {
	if s.life != nil {
		s.life.Stop()
	}
	s.life = kubelet.New(kubelet.Params{
		Config: s.config, Machine: s.machine, StateDir: s.dir, Node: s.seen, SourcesReady: true, NoLog: true,
		OnCall: func(c kubelet.Call, took time.Duration) { s.calls[c] = s.calls[c].plus(took) },
		OnWrite: func(_ string, write func() error) error {
			started := time.Now()
			err := write()
			s.written = s.written.plus(time.Since(started))
			return err
		},
	})
	started := time.Now()
	err := s.life.Start()
	took := time.Since(started)
	if err != nil {
		return &RefusedError{err}
	}
	s.sample(record.Restart, took-s.overhead.timer)
	if len(s.residents) > 0 {
		var sum time.Duration
		for i, p := range s.residents {
			clear(s.calls)
			if _, err := s.life.Admit(p, s.residents[:i]); err != nil {
				return err
			}
			sum += s.call(kubelet.CallAdmit, s.calls[kubelet.CallHints].calls+s.calls[kubelet.CallAllocate].calls)
		}
		s.sample(record.Readmit, sum)
		for _, p := range s.residents {
			if err := s.preStart(p); err != nil {
				return err
			}
		}
	}
	return s.life.Reconcile()
}

// preStart is what the kubelet does before each container of a pod starts.
func (s *session) preStart(p *v1.Pod) error {
	for i := range p.Spec.Containers {
		if err := s.life.PreStart(p, &p.Spec.Containers[i], containerID(p, i)); err != nil {
			return err
		}
	}
	return nil
}

// cycle lets a pod come and go.
func (s *session) cycle() error {
	s.count++
	pod := newPod("guest-"+strconv.Itoa(s.count), s.request, s.containers)
	s.node.add(pod)
	clear(s.calls)
	s.written = spent{}
	res, err := s.life.Admit(pod, s.residents)
	if err != nil {
		return err
	}
	s.admission()
	if !res.Admitted {
		s.rejected = fmt.Sprintf("%s: %s", res.Reason, res.Message)
		s.node.remove(pod)
		return s.life.Reconcile()
	}
	if err := s.preStart(pod); err != nil {
		return err
	}
	s.node.run(pod)
	if err := s.tick(record.Reconcile, 0); err != nil {
		return err
	}
	s.node.remove(pod)
	s.written = spent{}
	started := time.Now()
	for i := range pod.Spec.Containers {
		if err := s.life.PostStop(containerID(pod, i)); err != nil {
			return err
		}
	}
	return s.tick(record.Remove, time.Since(started)-s.overhead.timer)
}

// tick lets the reconcile loop run once.
func (s *session) tick(op record.Operation, before time.Duration) error {
	if err := s.life.Reconcile(); err != nil || !s.ticks {
		return err
	}
	nested := time.Duration(s.written.calls) * s.overhead.pair
	if op == record.Reconcile {
		nested = 0
	}
	s.sample(op, before+s.life.LastTick()-s.overhead.loop-nested)
	return nil
}

// admission takes an admission apart.
func (s *session) admission() {
	hints, allocate := s.calls[kubelet.CallHints], s.calls[kubelet.CallAllocate]
	total := s.call(kubelet.CallAdmit, hints.calls+allocate.calls+s.written.calls)
	checkpoint := s.written.time - time.Duration(s.written.calls)*s.overhead.timer
	taken := s.call(kubelet.CallAllocate, s.written.calls) - checkpoint
	asked := s.call(kubelet.CallHints, 0)
	s.sample(record.Admit, total)
	s.sample(record.Hints, asked)
	s.sample(record.Merge, total-asked-taken-checkpoint)
	s.sample(record.Allocate, taken)
	s.sample(record.Checkpoint, checkpoint)
	if s.calls[kubelet.CallFit].calls > 0 { // a pod that the managers reject is not compared
		s.sample(record.Fit, s.call(kubelet.CallFit, 0))
	}
}

// call is the time of an upstream call in the current admission, without the
// clock's own and that of the nested calls that were timed within it.
func (s *session) call(c kubelet.Call, nested int) time.Duration {
	sum := s.calls[c]
	return sum.time - time.Duration(sum.calls)*s.overhead.timer - time.Duration(nested)*s.overhead.pair
}

// sample tells a sample. What the subtraction makes negative was too short to be
// measured, and is zero.
func (s *session) sample(op record.Operation, d time.Duration) {
	if s.tell != nil {
		s.tell(op, max(d, 0))
	}
}
