package scenarios

import (
	"context"
	"fmt"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// fake is a node that knows no kubelet: a pod's only container gets the CPUs
// that its annotation names, and an event may be told to go wrong.
type fake struct {
	version    string
	containers []observe.Container
	admissions []observe.Admission
	log        []observe.LogLine
	profile    *hwprofiles.Profile
	kubelet    observe.KubeletState
	// trouble is what a kubelet ends with that is started, or when it gets to a
	// reboot; empty when all is well.
	trouble  string
	started  bool
	observed int
	closed   bool
	// on is called for each event before it is applied.
	on func(Event) error
}

func newFake() *fake {
	p, err := hwprofiles.ParseShape("sockets=2 cores=4 threads=2")
	if err != nil {
		panic(err)
	}
	p.Name = "fake-machine"
	return &fake{version: "v1.37.2", profile: p, kubelet: observe.KubeletStopped}
}

func (f *fake) Name() string                 { return "fake" }
func (f *fake) KubeletVersion() string       { return f.version }
func (f *fake) Profile() *hwprofiles.Profile { return f.profile }
func (f *fake) Close() error                 { f.closed = true; return nil }

func (f *fake) Log() []observe.LogLine {
	lines := f.log
	f.log = nil
	return lines
}

func (f *fake) Apply(_ context.Context, event Event) error {
	if f.on != nil {
		if err := f.on(event); err != nil {
			return err
		}
	}
	f.log = append(f.log, observe.LogLine{Severity: "I", Text: "log of " + event.String()})
	switch e := event.(type) {
	case StartKubelet:
		f.started, f.kubelet = true, observe.KubeletRunning
		if f.trouble != "" {
			f.kubelet = observe.KubeletFailed
		}
	case Reboot:
		if f.trouble != "" {
			f.kubelet = observe.KubeletFailed
		}
	case CreatePod:
		cpus := observe.CPUs(e.Pod.Annotations["cpus"])
		f.containers = append(f.containers, observe.Container{
			Pod: e.Pod.Name, Container: e.Pod.Spec.Containers[0].Name, Kind: observe.KindApp, State: observe.StateRunning,
			QoS: "Guaranteed", Requested: cpus.Set().Size(), Exclusive: true, Assigned: cpus, Actual: cpus, Reason: "whole CPUs",
		})
		f.admissions = append(f.admissions, observe.Admission{Pod: e.Pod.Name, Admitted: true})
	case DeletePod:
		for i := range f.containers {
			if f.containers[i].Pod == e.Pod {
				f.containers = append(f.containers[:i:i], f.containers[i+1:]...)
				return nil
			}
		}
		return fmt.Errorf("%w: no pod %s", ErrMisuse, e.Pod)
	}
	return nil
}

func (f *fake) Observe(context.Context) (observe.Observation, error) {
	f.observed++
	pool := f.profile.OnlineCPUs()
	for i := range f.containers {
		pool = pool.Difference(f.containers[i].Assigned.Set())
	}
	o := observe.Observation{
		Kubelet: f.kubelet, SharedPool: observe.FromSet(pool), Admissions: f.admissions,
		Containers: append([]observe.Container(nil), f.containers...),
	}
	if f.kubelet == observe.KubeletFailed {
		o.KubeletError = f.trouble
	}
	o.Started, f.started = f.started, false
	f.admissions = nil
	return o, nil
}

// overlapping is the one invariant of the runner's tests: a pod's name says
// which invariants it breaks while it is there.
func overlapping(o observe.Observation, _ *hwprofiles.Profile) []observe.Violation {
	var list []observe.Violation
	for _, c := range o.Containers {
		for _, name := range []string{"aligned", "no-leak"} {
			if strings.HasPrefix(c.Pod, name) {
				list = append(list, observe.Violation{Invariant: name, Detail: c.Ref() + " breaks it"})
			}
		}
	}
	return list
}
