package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// fakeSession hands out the lowest free CPUs: enough of a node to draw one.
type fakeSession struct {
	p      *hwprofiles.Profile
	o      observe.Observation
	steps  int
	closed bool
}

func (s *fakeSession) Profile() *hwprofiles.Profile { return s.p }

func (s *fakeSession) Close() error {
	s.closed = true
	return nil
}

func (s *fakeSession) Apply(_ context.Context, e scenarios.Event) (observe.Step, error) {
	s.o.Admissions, s.o.Started = nil, false
	switch e := e.(type) {
	case scenarios.StartKubelet, scenarios.RestartKubelet:
		s.o.Kubelet, s.o.Started = observe.KubeletRunning, true
		s.o.Config = observe.Config{CPUManagerPolicy: "static", TopologyManagerPolicy: "none", MemoryManagerPolicy: "None", Reserved: "0"}
		s.o.Online = observe.FromSet(s.p.OnlineCPUs())
		if s.o.SharedPool == "" {
			s.o.SharedPool = s.o.Online
		}
	case scenarios.StopKubelet, scenarios.KillKubelet:
		s.o.Kubelet = observe.KubeletStopped
	case scenarios.CreatePod:
		s.create(e.Pod)
	case scenarios.DeletePod:
		pool := s.o.SharedPool.Set()
		s.o.Containers = slices.DeleteFunc(slices.Clone(s.o.Containers), func(c observe.Container) bool {
			if c.Pod == e.Pod && c.Exclusive {
				pool = pool.Union(c.Assigned.Set())
			}
			return c.Pod == e.Pod
		})
		s.pool(observe.FromSet(pool))
	case scenarios.ClobberCPUSet:
		s.o.Containers = slices.Clone(s.o.Containers)
		for i := range s.o.Containers {
			if s.o.Containers[i].Ref() == e.Container {
				s.o.Containers[i].Actual = e.CPUs
			}
		}
	}
	s.steps++
	step := observe.Step{Index: s.steps, Event: e.String(), Observation: s.o, Log: []observe.LogLine{{Severity: "I", Text: `"A line of the kubelet" event="` + e.String() + `"`}}}
	step.Observation.Containers = slices.Clone(s.o.Containers)
	for i := range s.o.Containers {
		if c := &s.o.Containers[i]; drifted(c) {
			step.Violations = append(step.Violations, observe.Violation{Invariant: "cgroup-in-sync", Detail: fmt.Sprintf("%s is assigned %s, its cgroup says %s", c.Ref(), c.Assigned, c.Actual)})
		}
	}
	return step, nil
}

func (s *fakeSession) pool(cpus observe.CPUs) {
	for i := range s.o.Containers {
		if c := &s.o.Containers[i]; !c.Exclusive {
			c.Assigned, c.Actual = cpus, cpus
		}
	}
	s.o.SharedPool = cpus
	s.o.Checkpoint = &observe.Checkpoint{Policy: "static", SharedPool: cpus}
}

func (s *fakeSession) create(pod *corev1.Pod) {
	free := s.o.SharedPool.Set().Difference(s.o.Config.Reserved.Set()).List()
	s.o.Containers = slices.Clone(s.o.Containers)
	for i := range pod.Spec.Containers {
		c := &pod.Spec.Containers[i]
		n := int(c.Resources.Requests.Cpu().Value())
		x := observe.Container{Pod: pod.Name, Container: c.Name, Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed", Reason: fmt.Sprintf("QoS Guaranteed with %d whole CPUs", n), Requested: n}
		switch {
		case n == 0:
			x.QoS, x.Reason, x.Assigned = "BestEffort", "QoS BestEffort", s.o.SharedPool
		case n > len(free):
			s.o.Admissions = append(s.o.Admissions, observe.Admission{Pod: pod.Name, Reason: "UnexpectedAdmissionError", Message: fmt.Sprintf("not enough cpus available to satisfy request: requested=%d, available=%d", n, len(free))})
			x.State, x.Assigned = observe.StateWaiting, ""
			s.o.Containers = append(s.o.Containers, x)
			return
		default:
			x.Exclusive = true
			taken := map[int]bool{}
			for _, id := range free[:n] {
				taken[id] = true
				if cpu, ok := s.p.CPU(id); ok && !slices.Contains(x.NUMANodes, cpu.NUMANode) {
					x.NUMANodes = append(x.NUMANodes, cpu.NUMANode)
				}
			}
			all := s.o.SharedPool.Set().List()
			rest := slices.DeleteFunc(all, func(id int) bool { return taken[id] })
			x.Assigned = setOf(free[:n])
			free = free[n:]
			s.pool(setOf(rest))
		}
		x.Actual = x.Assigned
		s.o.Containers = append(s.o.Containers, x)
	}
	s.o.Admissions = append(s.o.Admissions, observe.Admission{Pod: pod.Name, Admitted: true})
}

func setOf(ids []int) observe.CPUs {
	words := make([]string, 0, len(ids))
	for _, id := range ids {
		words = append(words, fmt.Sprint(id))
	}
	cpus, err := observe.ParseCPUs(strings.Join(words, ","))
	if err != nil {
		panic(err)
	}
	return cpus
}

// fakeDeps connect the explorer with made-up nodes.
func fakeDeps(t testing.TB) Deps {
	t.Helper()
	return Deps{
		Resolve: func(ref string) (*hwprofiles.Profile, error) {
			if ref == "detected" {
				ref = "sockets=1 cores=2 threads=1"
			}
			return hwprofiles.Resolve(ref)
		},
		Open: func(_ context.Context, _ *scenarios.Scenario, p *hwprofiles.Profile) (Session, error) {
			return &fakeSession{p: p}, nil
		},
		Explain: func(_ context.Context, q Question) (string, error) {
			return "pod/app: PINNED to some CPUs\n\nMachine: " + q.Profile.Name, nil
		},
		Changes: func(_, now *observe.Step) []string {
			return []string{"shared pool " + string(now.Observation.SharedPool)}
		},
		Replay:      fakeReplay,
		Audit:       fakeAudit,
		Bench:       fakeBench,
		BenchSave:   func(string, bool) error { return nil },
		Comparisons: []Comparison{{Name: "CPU manager policies", Note: "half full node", Policies: []string{"none", "static"}}},
		Profiles: func() ([]ProfileInfo, error) {
			return []ProfileInfo{{Name: "xeon-2s24c-smt2", Description: "2 × Xeon", CPUs: 96}, {Name: "generic-1024", Description: "1024 CPUs", CPUs: 1024}}, nil
		},
		Scenarios: func() ([]ScenarioInfo, error) {
			return []ScenarioInfo{{Name: "first-pin", Class: "basics", Title: "A Guaranteed pod has its CPUs to itself"}}, nil
		},
	}
}

// record applies events to a node and keeps what was seen.
func record(p *hwprofiles.Profile, events ...scenarios.Event) Recording {
	s := &fakeSession{p: p}
	rec := Recording{Result: scenarios.Result{Scenario: "made-up", Profile: p.Name, Verdict: scenarios.Pass, Target: "sim"}}
	for _, e := range events {
		step, err := s.Apply(context.Background(), e)
		if err != nil {
			panic(err)
		}
		rec.Result.Steps = append(rec.Result.Steps, step)
		rec.Profiles = append(rec.Profiles, p)
	}
	rec.Result.Steps = append(rec.Result.Steps, observe.Step{Index: len(events) + 1, Event: "expect"})
	rec.Profiles = append(rec.Profiles, p)
	return rec
}

func pod(name string, cpus string) scenarios.CreatePod {
	p := &corev1.Pod{}
	p.Name = name
	p.Spec.Containers = []corev1.Container{{Name: "app"}}
	p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: quantity(cpus)}
	return scenarios.CreatePod{Pod: p}
}

func fakeReplay(_ context.Context, ref, _ string) (Recording, error) {
	machine := "xeon-2s24c-smt2"
	if ref == "generic-1024" { // named by its machine
		machine = ref
	}
	p, err := hwprofiles.Resolve(machine)
	if err != nil {
		return Recording{}, err
	}
	if ref == "nothing" {
		return Recording{}, fmt.Errorf("no scenario %s", ref)
	}
	return record(p, scenarios.StartKubelet{}, pod("db", "14"), pod("web", "4"),
		scenarios.ClobberCPUSet{Container: "web/app", CPUs: "0-95"}, scenarios.DeletePod{Pod: "db"}), nil
}

func fakeAudit(context.Context) (Node, error) { return auditOf("") }

func auditOf(ref string) (Node, error) {
	rec, err := fakeReplay(context.Background(), ref, "")
	if err != nil {
		return Node{}, err
	}
	s := rec.Result.Steps[3]
	return Node{
		Name: "this node", Profile: rec.Profiles[3], Observation: s.Observation,
		Findings: []Finding{{Severity: "critical", Check: "cgroup-in-sync", What: s.Violations[0].Detail, Details: []string{"web/app", "it runs on other containers' exclusive CPUs", "restart the container"}}},
		Unread:   []string{"/proc/1: permission denied"},
	}, nil
}

func fakeBench(_ context.Context, spec BenchSpec, tell func(BenchUpdate)) error {
	counts := func(peak int) []int {
		out := make([]int, 48)
		for i := range out {
			d := i - peak
			out[i] = max(40-d*d, 0)
		}
		return out
	}
	p90, p99 := 1.2e6, 2.1e6
	op := BenchOperation{Name: "admit"}
	for i := range 48 {
		op.Bounds = append(op.Bounds, 1e5*(1+float64(i)))
	}
	for i, name := range spec.Comparison.Policies {
		op.Series = append(op.Series, BenchSeries{Policy: name, N: 200, Counts: counts(10 + 8*i), Mean: 1e6, P50: 9e5, P90: &p90, P99: &p99, Max: 4e6})
	}
	op.Series[0].P99 = nil
	tell(BenchUpdate{Part: 1, Operations: []BenchOperation{op, {Name: "remove", Bounds: op.Bounds, Series: op.Series}}, Warnings: []string{"the machine was busy before the run"}, Done: true})
	return nil
}
