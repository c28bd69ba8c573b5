package invariant_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

// check judges a node of the small machine with CPUs 0 and 4 reserved. With
// want empty everything must hold; else the one violation must be of this
// invariant and say detail. mutate may change the settled node.
type checkCase struct {
	name       string
	containers []observe.Container
	config     func(*observe.Config)
	mutate     func(*observe.Observation)
	machine    func(*hwprofiles.Profile)
	want       string
	detail     string
}

func run(t *testing.T, cases []checkCase) {
	t.Helper()
	checker := invariant.NewChecker()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			g := NewWithT(t)
			p := smallMachine()
			if tc.machine != nil {
				tc.machine(p)
			}
			o := node(p, "0,4")
			if tc.config != nil {
				tc.config(&o.Config)
			}
			o.Containers = append([]observe.Container(nil), tc.containers...)
			settle(&o)
			if tc.mutate != nil {
				tc.mutate(&o)
			}
			found := invariant.Check(o, p)
			g.Expect(checker.Check(o, p)).To(Equal(found), "a Checker that has seen other nodes says the same")
			if tc.want == "" {
				g.Expect(found).To(BeEmpty())
				return
			}
			g.Expect(found).To(HaveLen(1))
			g.Expect(found[0].Invariant).To(Equal(tc.want))
			g.Expect(found[0].Detail).To(Equal(tc.detail))
		})
	}
}

func TestExclusiveDisjoint(t *testing.T) {
	over := func(o *observe.Observation) { o.Reconciled = false } // leave cgroups aside
	initThenApp := []observe.Container{initDone("a", "setup", "1,5"), app("a", "app", "1,5")}
	run(t, []checkCase{
		{name: "neighbours", containers: []observe.Container{app("a", "app", "1,5"), app("b", "app", "2,6")}},
		{
			name: "two pods on one core", containers: []observe.Container{app("a", "app", "1,5"), app("b", "app", "2,5")},
			mutate: over, want: invariant.ExclusiveDisjoint, detail: "a/app and b/app both hold CPU 5",
		},
		{name: "app after init", containers: initThenApp},
		{
			name: "app waits for init", containers: initThenApp,
			mutate: func(o *observe.Observation) {
				o.Containers[0].State, o.Containers[0].Actual = observe.StateRunning, "1,5"
				o.Containers[1].State, o.Containers[1].Actual = observe.StateWaiting, ""
			},
		},
		{
			name: "app beside its running init", containers: initThenApp,
			mutate: func(o *observe.Observation) {
				o.Reconciled, o.Containers[0].State = false, observe.StateRunning
			},
			want: invariant.ExclusiveDisjoint, detail: "a/setup and a/app both hold CPUs 1,5",
		},
		{
			name:       "init of another pod",
			containers: []observe.Container{initDone("a", "setup", "1,5"), app("a", "x", "1"), app("b", "app", "5")},
			mutate: func(o *observe.Observation) {
				over(o)
				o.Containers[1].State, o.Containers[1].Actual = observe.StateWaiting, ""
			},
			want: invariant.ExclusiveDisjoint, detail: "a/setup and b/app both hold CPU 5",
		},
		{name: "sidecar after init", containers: []observe.Container{initDone("a", "setup", "1,5"), sidecar("a", "proxy", "1,5"), app("a", "app", "2")}},
		{
			name: "app on its sidecar's CPU", containers: []observe.Container{sidecar("a", "proxy", "1"), app("a", "app", "1,5")},
			mutate: over, want: invariant.ExclusiveDisjoint, detail: "a/proxy and a/app both hold CPU 1",
		},
		{
			name:       "init after sidecar",
			containers: []observe.Container{sidecar("a", "proxy", "1"), initDone("a", "setup", "1"), app("a", "app", "2")},
			mutate:     over, want: invariant.ExclusiveDisjoint, detail: "a/proxy and a/setup both hold CPU 1",
		},
		{
			name: "with a container that is gone", containers: []observe.Container{app("a", "app", "1,5")},
			mutate: func(o *observe.Observation) {
				over(o)
				o.Stale = []observe.Assignment{{Pod: "uid", Container: "c", CPUs: "5"}}
				settleFile(o)
			},
			want: invariant.ExclusiveDisjoint, detail: "a/app and uid/c, which is gone, both hold CPU 5",
		},
		{
			name: "kubelet down", containers: []observe.Container{app("a", "app", "1,5"), app("b", "app", "2,5")},
			mutate: func(o *observe.Observation) { o.Kubelet = observe.KubeletStopped; o.Reconciled = false },
		},
	})
}

func TestPodPool(t *testing.T) {
	// A pod with pod-level resources of 4 CPUs, one container of which is
	// promised one for itself.
	pod := []observe.Container{app("a", "main", "1"), inPod("a", "log", "2,5-6"), inPod("a", "agent", "2,5-6"), shared("b", "app")}
	with := func(c observe.Container) []observe.Container { return append(pod[:2:2], c) }
	run(t, []checkCase{
		{name: "shared within the pod", containers: pod},
		{
			name: "not with the pod's own exclusive container", containers: pod,
			mutate: func(o *observe.Observation) {
				o.Reconciled = false
				o.Containers[1].Assigned = "1-2,5-6"
				settleFile(o)
			},
			want: invariant.ExclusiveDisjoint, detail: "a/main and a/log both hold CPU 1",
		},
		{
			name: "not with another pod", containers: with(app("c", "app", "2")),
			mutate: func(o *observe.Observation) { o.Reconciled = false },
			want:   invariant.ExclusiveDisjoint, detail: "a/log and c/app both hold CPU 2",
		},
	})
}

// inPod returns a running container of its pod's own pool.
func inPod(pod, name string, cpus observe.CPUs) observe.Container {
	c := app(pod, name, cpus)
	c.Exclusive, c.Requested = false, 0
	c.PodShared = true
	return c
}

// settleFile writes the state file anew from what the manager says.
func settleFile(o *observe.Observation) {
	o.Checkpoint = &observe.Checkpoint{Policy: "static", SharedPool: o.SharedPool, Entries: append([]observe.Assignment(nil), o.Stale...)}
	for _, c := range o.Containers {
		if c.Exclusive || c.Assigned != o.SharedPool {
			o.Checkpoint.Entries = append(o.Checkpoint.Entries, observe.Assignment{Pod: c.Pod, Container: c.Container, CPUs: c.Assigned})
		}
	}
}

func TestPodPoolIsolated(t *testing.T) {
	g := NewWithT(t)
	o := node(smallMachine(), "0,4", app("a", "main", "1"), inPod("a", "log", "2,5"), inPod("a", "agent", "2,5"), shared("b", "app"))
	o.Containers[1].Actual = "1-2,5"
	o.Containers[3].Actual = "0,2-4,6-7"
	g.Expect(invariant.Check(o, smallMachine())).To(Equal([]observe.Violation{
		{Invariant: invariant.ExclusiveIsolated, Detail: "a/log can run on CPU 1 of a/main: its cgroup says 1-2,5"},
		{Invariant: invariant.ExclusiveIsolated, Detail: "b/app can run on CPU 2 of a/log: its cgroup says 0,2-4,6-7"},
		{Invariant: invariant.ExclusiveIsolated, Detail: "b/app can run on CPU 2 of a/agent: its cgroup says 0,2-4,6-7"},
		{Invariant: invariant.CgroupInSync, Detail: "a/log is assigned 2,5, its cgroup says 1-2,5"},
		{Invariant: invariant.CgroupInSync, Detail: "b/app is assigned 0,3-4,6-7, its cgroup says 0,2-4,6-7"},
	}))
}

func TestExclusiveIsolated(t *testing.T) {
	g := NewWithT(t)
	o := node(smallMachine(), "0,4", app("a", "app", "1,5"), shared("b", "app"))
	o.Containers[1].Actual = "0-7"
	want := []observe.Violation{
		{Invariant: invariant.ExclusiveIsolated, Detail: "b/app can run on CPUs 1,5 of a/app: its cgroup says 0-7"},
		{Invariant: invariant.CgroupInSync, Detail: "b/app is assigned 0,2-4,6-7, its cgroup says 0-7"},
	}
	g.Expect(invariant.Check(o, smallMachine())).To(Equal(want))

	o.Kubelet = observe.KubeletStopped
	g.Expect(invariant.Check(o, smallMachine())).To(Equal(want[:1]), "a stopped kubelet cannot repair it, and it hurts all the same")
	o.Reconciled = false
	g.Expect(invariant.Check(o, smallMachine())).To(BeEmpty(), "the loop may still come")

	run(t, []checkCase{
		{
			name: "not yet running", containers: []observe.Container{app("a", "app", "1,5"), shared("b", "app")},
			mutate: func(o *observe.Observation) {
				o.Containers[1].State, o.Containers[1].Actual = observe.StateWaiting, ""
			},
		},
		{
			name: "the owner does not run", containers: []observe.Container{app("a", "app", "1,5"), shared("b", "app")},
			mutate: func(o *observe.Observation) {
				o.Containers[0].State, o.Containers[0].Actual = observe.StateWaiting, ""
				o.Containers[1].Actual = "0-7"
			},
			want: invariant.CgroupInSync, detail: "b/app is assigned 0,2-4,6-7, its cgroup says 0-7",
		},
	})

	two := node(smallMachine(), "0,4", app("a", "app", "1,5"), app("b", "app", "2,6"))
	two.Containers[1].Actual = "2,5"
	g.Expect(invariant.Check(two, smallMachine())).To(ContainElement(observe.Violation{
		Invariant: invariant.ExclusiveIsolated, Detail: "b/app can run on CPU 5 of a/app: its cgroup says 2,5",
	}))
}

func TestPoolAccounted(t *testing.T) {
	one := []observe.Container{app("a", "app", "1,5")}
	run(t, []checkCase{
		{name: "all accounted", containers: one},
		{
			name: "strict", containers: one,
			config: func(c *observe.Config) { c.CPUManagerPolicyOptions["strict-cpu-reservation"] = "true" },
		},
		{
			name: "lost", containers: one,
			mutate: func(o *observe.Observation) { o.SharedPool = "0,3-4,6-7"; settleFile(o) },
			want:   invariant.PoolAccounted, detail: "CPU 2 is online and neither in the shared pool 0,3-4,6-7 nor assigned",
		},
		{
			name: "twice", containers: one,
			mutate: func(o *observe.Observation) { o.SharedPool = "0-4,6-7"; settleFile(o) },
			want:   invariant.PoolAccounted, detail: "CPU 1 is assigned to a/app and in the shared pool 0-4,6-7",
		},
		{
			name: "offline in the pool", containers: one,
			mutate: func(o *observe.Observation) { o.Online = "0-2,4-7" },
			want:   invariant.PoolAccounted, detail: "CPU 3 is offline and still in the shared pool",
		},
		{
			name: "offline and assigned", containers: one,
			mutate: func(o *observe.Observation) { o.Online = "0-4,6-7" },
			want:   invariant.PoolAccounted, detail: "CPU 5 is offline and still assigned to a/app",
		},
		{
			name: "come online", containers: one,
			mutate: func(o *observe.Observation) { o.Online = "0-8" },
			want:   invariant.PoolAccounted, detail: "CPU 8 is online and neither in the shared pool 0,2-4,6-7 nor assigned",
		},
		{
			name: "invisible to the kubelet", containers: one,
			machine: func(p *hwprofiles.Profile) { p.CPUs[7].NoTopology = true },
			mutate:  func(o *observe.Observation) { o.SharedPool = "0,2-4,6"; settleFile(o) },
		},
		{
			name: "policy none", containers: one,
			mutate: func(o *observe.Observation) {
				o.Config.CPUManagerPolicy, o.SharedPool, o.Checkpoint = "none", "", nil
				o.Containers[0].Assigned, o.Containers[0].Exclusive = "", false
			},
		},
		{
			name: "kubelet down", containers: one,
			mutate: func(o *observe.Observation) { o.Kubelet, o.SharedPool = observe.KubeletStopped, "" },
		},
	})
}

func TestReservedNotExclusive(t *testing.T) {
	strict := func(c *observe.Config) { c.CPUManagerPolicyOptions["strict-cpu-reservation"] = "true" }
	run(t, []checkCase{
		{name: "beside the reserved", containers: []observe.Container{app("a", "app", "1,5")}},
		{
			name: "on the sibling's core", containers: []observe.Container{app("a", "app", "1,4")},
			want: invariant.ReservedNotExclusive, detail: "a/app holds CPU 4 of the reserved 0,4",
		},
		{
			name: "not in the pool", containers: []observe.Container{app("a", "app", "1,5")},
			mutate: func(o *observe.Observation) { o.SharedPool = "0,2-3,6-7"; settleFile(o) },
			want:   invariant.ReservedNotExclusive, detail: "reserved CPU 4 missing from the shared pool 0,2-3,6-7",
		},
		{
			name: "strict and in the pool", config: strict,
			mutate: func(o *observe.Observation) { o.SharedPool = "0-3,5-7"; settleFile(o) },
			want:   invariant.ReservedNotExclusive, detail: "the shared pool 0-3,5-7 has CPU 0, reserved strictly",
		},
		{name: "strict", config: strict},
	})
}

func TestExclusiveCount(t *testing.T) {
	run(t, []checkCase{
		{name: "two asked, two held", containers: []observe.Container{app("a", "app", "1,5")}},
		{
			name: "two asked, one held", containers: []observe.Container{app("a", "app", "1")},
			mutate: func(o *observe.Observation) { o.Containers[0].Requested = 2 },
			want:   invariant.ExclusiveCount, detail: "a/app asked for 2 CPUs and holds 1: 1",
		},
		{
			name: "not owed any more", containers: []observe.Container{app("a", "app", "1,5")},
			mutate: func(o *observe.Observation) {
				o.Containers[0].Requested, o.Containers[0].Reason = 0, "pod-level resources: feature gate PodLevelResourceManagers is off"
			},
			want: invariant.ExclusiveCount, detail: "a/app holds 1,5 of its own, which it is not owed: pod-level resources: feature gate PodLevelResourceManagers is off",
		},
		{
			name: "two asked, none held", containers: []observe.Container{shared("a", "app")},
			mutate: func(o *observe.Observation) { o.Containers[0].Requested = 2 },
			want:   invariant.ExclusiveCount, detail: "a/app runs, asked for 2 CPUs and holds none of its own",
		},
		{
			name: "waiting", containers: []observe.Container{shared("a", "app")},
			mutate: func(o *observe.Observation) {
				c := &o.Containers[0]
				c.Requested, c.State, c.Actual = 2, observe.StateWaiting, ""
			},
		},
		{
			name: "policy none", containers: []observe.Container{shared("a", "app")},
			mutate: func(o *observe.Observation) {
				o.Containers[0].Requested, o.Config.CPUManagerPolicy = 2, "none"
			},
		},
	})
}

func TestCheckpointInSync(t *testing.T) {
	two := []observe.Container{app("a", "app", "1,5"), app("b", "app", "2,6")}
	file := func(change func(*observe.Checkpoint)) func(*observe.Observation) {
		return func(o *observe.Observation) { change(o.Checkpoint) }
	}
	run(t, []checkCase{
		{name: "in sync", containers: two},
		{
			name: "another order", containers: two,
			mutate: file(func(f *observe.Checkpoint) { f.Entries[0], f.Entries[1] = f.Entries[1], f.Entries[0] }),
		},
		{
			name: "older pool", containers: two, mutate: file(func(f *observe.Checkpoint) { f.SharedPool = "0-7" }),
			want: invariant.CheckpointInSync, detail: "the shared pool is 0-7 in the state file, 0,3-4,7 in the manager",
		},
		{
			name: "missing entry", containers: two, mutate: file(func(f *observe.Checkpoint) { f.Entries = f.Entries[:1] }),
			want: invariant.CheckpointInSync, detail: "b/app holds 2,6, the state file has no entry",
		},
		{
			name: "other CPUs", containers: two, mutate: file(func(f *observe.Checkpoint) { f.Entries[1].CPUs = "3,7" }),
			want: invariant.CheckpointInSync, detail: "b/app holds 2,6, the state file says 3,7",
		},
		{
			name: "older entry", containers: two,
			mutate: file(func(f *observe.Checkpoint) {
				f.Entries = append(f.Entries, observe.Assignment{Pod: "c", Container: "app", CPUs: "3"})
			}),
			want: invariant.CheckpointInSync, detail: "the state file gives 3 to c/app, the manager does not",
		},
		{
			name: "another policy", containers: two, mutate: file(func(f *observe.Checkpoint) { f.Policy = "none" }),
			want: invariant.CheckpointInSync, detail: `the state file was written by policy "none", the manager runs "static"`,
		},
		{
			name: "deleted", containers: two, mutate: func(o *observe.Observation) { o.Checkpoint = nil },
			want: invariant.CheckpointInSync, detail: "there is no state file; a restart would forget every assignment",
		},
		{
			name: "truncated", containers: two,
			mutate: func(o *observe.Observation) { o.Checkpoint, o.CheckpointError = nil, "unexpected end of JSON input" },
			want:   invariant.CheckpointInSync, detail: "the state file is unreadable: unexpected end of JSON input",
		},
		{
			name: "kubelet down", containers: two,
			mutate: func(o *observe.Observation) { o.Checkpoint, o.Kubelet = nil, observe.KubeletStopped },
		},
	})
}

func TestCgroupInSync(t *testing.T) {
	two := []observe.Container{app("a", "app", "1,5"), shared("b", "app")}
	run(t, []checkCase{
		{name: "in sync", containers: two},
		{
			name: "drift", containers: two, mutate: func(o *observe.Observation) { o.Containers[1].Actual = "0,2" },
			want: invariant.CgroupInSync, detail: "b/app is assigned 0,2-4,6-7, its cgroup says 0,2",
		},
		{
			name: "the kernel took an offline CPU away", containers: two,
			mutate: func(o *observe.Observation) { o.Containers[1].Actual, o.Online = "0,2,4,6-7", "0-2,4-7" },
			want:   invariant.PoolAccounted, detail: "CPU 3 is offline and still in the shared pool",
		},
		{
			name: "before the tick", containers: two,
			mutate: func(o *observe.Observation) { o.Containers[1].Actual = "0,2"; o.Reconciled = false },
		},
	})
}

func TestThreadsInCgroup(t *testing.T) {
	two := []observe.Container{app("a", "app", "1,5"), shared("b", "app")}
	run(t, []checkCase{
		{
			name: "as the cgroup, and a thread that pinned itself", containers: two,
			mutate: func(o *observe.Observation) {
				o.Containers[0].Threads = []observe.CPUs{"5"}
				o.Sandboxes = []observe.Sandbox{{Pod: "a", Actual: "0-7"}}
			},
		},
		{
			name: "a thread got away", containers: two,
			mutate: func(o *observe.Observation) { o.Containers[1].Threads = []observe.CPUs{"0-7"} },
			want:   invariant.ThreadsInCgroup, detail: "b/app: a thread may run on 0-7, its cgroup says 0,2-4,6-7",
		},
		{
			name: "the parent has fewer", containers: two,
			mutate: func(o *observe.Observation) { o.Containers[0].Configured = "1,3,5" },
			want:   invariant.ThreadsInCgroup, detail: "a/app: its cgroup was given 1,3,5, and the kernel allows 1,5",
		},
		{
			name: "an offline CPU was given too", containers: []observe.Container{app("a", "app", "1,5")},
			mutate: func(o *observe.Observation) {
				o.Containers[0].Configured, o.Containers[0].Actual, o.Online = "1,5", "1", "0-4,6-7"
			},
			want: invariant.PoolAccounted, detail: "CPU 5 is offline and still assigned to a/app",
		},
		{
			name: "a thread of a sandbox", containers: two,
			mutate: func(o *observe.Observation) {
				o.Sandboxes = []observe.Sandbox{{Pod: "b", Actual: "0-3", Threads: []observe.CPUs{"0-4"}}}
			},
			want: invariant.ThreadsInCgroup, detail: "the sandbox of b: a thread may run on 0-4, its cgroup says 0-3",
		},
	})
}

func TestNoLeak(t *testing.T) {
	larger := []observe.Container{initDone("a", "setup", "1,5"), app("a", "app", "1"), shared("b", "app")}
	stale := func(o *observe.Observation) {
		o.Stale = []observe.Assignment{{Pod: "uid", Container: "c", CPUs: "3"}}
		o.Containers, o.Checkpoint = nil, nil
		settle(o)
	}
	run(t, []checkCase{
		{name: "gone", mutate: stale, want: invariant.NoLeak, detail: "uid/c is gone and still holds CPU 3"},
		{name: "gone, before the tick", mutate: func(o *observe.Observation) { stale(o); o.Reconciled = false }},
		{name: "gone, but not everybody has been heard", mutate: func(o *observe.Observation) { stale(o); o.SourcesNotReady = true }},
		{
			name: "a pod's own, and nobody in it", want: invariant.NoLeak, detail: "pod a holds CPU 1, of which no container has any",
			mutate: func(o *observe.Observation) {
				o.PodCPUs, o.SharedPool, o.Checkpoint.SharedPool = []observe.Assignment{{Pod: "a", CPUs: "1"}}, "0,2-7", "0,2-7"
			},
		},
		{name: "init as large", containers: []observe.Container{initDone("a", "setup", "1,5"), app("a", "app", "1,5")}},
		{
			name: "init as large as all apps", containers: []observe.Container{initDone("a", "setup", "1,5"), app("a", "x", "1"), app("a", "y", "5")},
		},
		{
			name: "init larger", containers: larger,
			want: invariant.NoLeak, detail: "a/setup has ended and still holds CPU 5, which no container of its pod uses",
		},
		{
			name: "init may run again", containers: larger,
			mutate: func(o *observe.Observation) {
				o.Containers[1].State, o.Containers[1].Actual = observe.StateWaiting, ""
			},
		},
		{
			name: "ended with its pod, still shown", containers: []observe.Container{app("a", "app", "1,5")},
			mutate: func(o *observe.Observation) {
				o.Containers[0].State, o.Containers[0].Actual = observe.StateTerminated, ""
				o.Stale = []observe.Assignment{{Pod: "a", Container: "app", CPUs: "1,5"}}
			},
			want: invariant.NoLeak, detail: "a/app is gone and still holds CPUs 1,5",
		},
		{
			name: "rejected", containers: []observe.Container{app("a", "app", "1,5")},
			mutate: func(o *observe.Observation) {
				o.Containers[0].State, o.Containers[0].Actual = observe.StateWaiting, ""
				o.Admissions = []observe.Admission{{Pod: "a"}}
			},
			want: invariant.NoLeak, detail: "a/app was rejected and still holds CPUs 1,5",
		},
	})
}

func TestRestartStarts(t *testing.T) {
	failed := func(o *observe.Observation) {
		o.Kubelet, o.KubeletError = observe.KubeletFailed, "could not restore state\n"
	}
	run(t, []checkCase{
		{name: "unchanged and running", mutate: func(o *observe.Observation) { o.UnchangedRestart = true }},
		{name: "changed and failed", mutate: failed},
		{
			name: "unchanged and failed", mutate: func(o *observe.Observation) { failed(o); o.UnchangedRestart = true },
			want: invariant.RestartStarts, detail: "nothing has changed and the kubelet does not start again: could not restore state",
		},
	})
}

func TestRestartKeepsPods(t *testing.T) {
	rejected := func(o *observe.Observation) {
		o.Admissions = []observe.Admission{{Pod: "db", Readmission: true, Reason: "UnexpectedAdmissionError", Message: "no memory"}}
	}
	run(t, []checkCase{
		{name: "something has changed", mutate: rejected},
		{name: "a new pod is rejected", mutate: func(o *observe.Observation) {
			o.UnchangedRestart, o.Admissions = true, []observe.Admission{{Pod: "new", Reason: "OutOfcpu"}}
		}},
		{name: "admitted again", mutate: func(o *observe.Observation) {
			o.UnchangedRestart, o.Admissions = true, []observe.Admission{{Pod: "db", Readmission: true, Admitted: true}}
		}},
		{
			name: "a pod that ran is rejected", mutate: func(o *observe.Observation) { rejected(o); o.UnchangedRestart = true },
			want: invariant.RestartKeepsPods, detail: "nothing has changed and pod db, which ran, is rejected: UnexpectedAdmissionError: no memory",
		},
	})
}

func TestMemoryAccounted(t *testing.T) {
	memory := func(free uint64) func(*observe.Observation) {
		return func(o *observe.Observation) {
			o.NUMAMemory = []observe.NUMAMemory{{Node: 0, Allocatable: 10, Free: 10}, {Node: 1, Allocatable: 10, Reserved: 4, Free: free}}
		}
	}
	run(t, []checkCase{
		{name: "adds up", mutate: memory(6)},
		{
			name: "does not", mutate: memory(7), want: invariant.MemoryAccounted,
			detail: "NUMA node 1 has 10 bytes allocatable, of which 4 are reserved and 7 free",
		},
	})
}

// On the small machine, with its core 0,4 reserved, 1,5 are free on NUMA node 0 and
// 2-3,6-7 on node 1.
func TestRoomAdmits(t *testing.T) {
	asks := func(cpus int, reason string) func(*observe.Observation) {
		return func(o *observe.Observation) {
			o.Admissions = []observe.Admission{{Pod: "new", ExclusiveCPUs: cpus, Reason: reason}}
		}
	}
	const full, affinity = "UnexpectedAdmissionError", "TopologyAffinityError"
	set := func(policy, option string) func(*observe.Config) {
		return func(c *observe.Config) {
			c.TopologyManagerPolicy, c.CPUManagerPolicyOptions = policy, map[string]string{option: "true"}
		}
	}
	half := []observe.Container{app("a", "app", "1")}
	static := func(policy string) func(*observe.Config) {
		return func(c *observe.Config) { c.TopologyManagerPolicy, c.MemoryManagerPolicy = policy, "Static" }
	}
	asksMemory := func(cpus int, mib uint64, free ...uint64) func(*observe.Observation) {
		return func(o *observe.Observation) {
			asks(cpus, affinity)(o)
			o.Admissions[0].ExclusiveMemory = mib << 20
			for node, mib := range free {
				o.NUMAMemory = append(o.NUMAMemory, observe.NUMAMemory{Node: node, Allocatable: mib << 20, Free: mib << 20})
			}
		}
	}
	run(t, []checkCase{
		{name: "all that is free", mutate: asks(6, full), want: invariant.RoomAdmits, detail: "pod new asks for 6 CPUs and is rejected (UnexpectedAdmissionError); free: CPUs 1-3,5-7"},
		{name: "one more than is free", mutate: asks(7, full)},
		{name: "held by another", containers: half, mutate: asks(6, full)},
		{name: "rejected by the count of allocatable CPUs", mutate: asks(1, "OutOfcpu")},
		{name: "more than CPUs asked for", mutate: asks(0, full)},
		{name: "admitted", mutate: func(o *observe.Observation) { asks(1, "")(o); o.Admissions[0].Admitted = true }},
		{name: "it ran before", mutate: func(o *observe.Observation) { asks(1, full)(o); o.Admissions[0].Readmission = true }},
		{name: "another was asked first", mutate: func(o *observe.Observation) {
			asks(1, full)(o)
			o.Admissions = append(o.Admissions, observe.Admission{Pod: "b", Admitted: true})
		}},
		{name: "memory on nodes, and what is asked for is not known", config: static("best-effort"), mutate: asks(1, affinity)},
		{
			name: "a node has the memory", config: static("best-effort"), mutate: asksMemory(3, 10, 3, 12), want: invariant.RoomAdmits,
			detail: "pod new asks for 3 CPUs and 10 MiB and is rejected (TopologyAffinityError); free on NUMA node 1: CPUs 1-3,5-7, 12 MiB",
		},
		{name: "no node has the memory", config: static("none"), mutate: asksMemory(3, 13, 3, 12)},
		{name: "the memory is another node's", config: static("restricted"), mutate: asksMemory(3, 10, 12, 3)},
		{
			name: "one node has both", config: static("restricted"), mutate: asksMemory(2, 10, 12, 3), want: invariant.RoomAdmits,
			detail: "pod new asks for 2 CPUs and 10 MiB and is rejected (TopologyAffinityError); free on NUMA node 0: CPUs 1,5, 12 MiB",
		},
		{
			name: "memory alone", config: static("restricted"), mutate: asksMemory(0, 10, 3, 12), want: invariant.RoomAdmits,
			detail: "pod new asks for 10 MiB and is rejected (TopologyAffinityError); free on NUMA node 1: CPUs 2-3,6-7, 12 MiB",
		},
		{name: "handed out with another's", config: static("restricted"), mutate: func(o *observe.Observation) {
			asksMemory(2, 10, 12, 3)(o)
			o.NUMAMemory[0].Group, o.NUMAMemory[1].Group = []int{0, 1}, []int{0, 1}
		}},
		{
			name: "one node has them", config: set("single-numa-node", ""), mutate: asks(4, affinity), want: invariant.RoomAdmits,
			detail: "pod new asks for 4 CPUs and is rejected (TopologyAffinityError); free on NUMA node 1: CPUs 2-3,6-7",
		},
		{name: "two nodes have them", config: set("restricted", ""), mutate: asks(5, affinity)},
		{
			name: "whole cores", config: set("none", "full-pcpus-only"), mutate: asks(6, "SMTAlignmentError"), want: invariant.RoomAdmits,
			detail: "pod new asks for 6 CPUs and is rejected (SMTAlignmentError); free: CPUs 1-3,5-7",
		},
		{name: "no whole core", config: set("none", "full-pcpus-only"), mutate: asks(3, "SMTAlignmentError")},
		{name: "a container with half a core", config: set("none", "full-pcpus-only"), mutate: func(o *observe.Observation) {
			asks(2, "SMTAlignmentError")(o)
			o.Admissions[0].ExclusiveStep = 1
		}},
		{
			name: "half a core is no room", config: set("none", "full-pcpus-only"), containers: []observe.Container{app("a", "app", "2-3,6-7")},
			mutate: func(o *observe.Observation) {
				o.Config.Reserved = "0-1,4"
				asks(2, "SMTAlignmentError")(o)
			},
		},
		{
			name: "cores differ in size", config: set("none", "full-pcpus-only"), mutate: asks(2, "SMTAlignmentError"),
			machine: func(p *hwprofiles.Profile) { p.CPUs[7].Online = false },
		},
	})
}

// Here the core 0,4 is reserved, too.
func TestRoomAligns(t *testing.T) {
	admitted := func(o *observe.Observation) {
		o.Admissions = []observe.Admission{{Pod: "new", Admitted: true, ExclusiveCPUs: o.Containers[0].Requested}}
	}
	set := func(policy string, options ...string) func(*observe.Config) {
		return func(c *observe.Config) {
			c.TopologyManagerPolicy, c.CPUManagerPolicyOptions = policy, map[string]string{}
			for _, o := range options {
				c.CPUManagerPolicyOptions[o] = "true"
			}
		}
	}
	holding := func(cpus observe.CPUs) []observe.Container { return []observe.Container{app("new", "app", cpus)} }
	beside := func(cpus, other observe.CPUs) []observe.Container {
		return append(holding(cpus), app("old", "app", other))
	}
	nodes := func(p *hwprofiles.Profile) { // one for each core
		for i := range p.CPUs {
			p.CPUs[i].NUMANode = p.CPUs[i].Core
		}
	}
	oneNode := func(p *hwprofiles.Profile) {
		for i := range p.CPUs {
			p.CPUs[i].NUMANode = 0
		}
	}
	oneSocket := func(p *hwprofiles.Profile) {
		for i := range p.CPUs {
			p.CPUs[i].Socket = 0
		}
	}
	caches := func(p *hwprofiles.Profile) { // one for each core
		for i := range p.CPUs {
			p.CPUs[i].UncoreCache = p.CPUs[i].Core
		}
	}
	run(t, []checkCase{
		{name: "on one node", config: set("best-effort"), containers: holding("2,6"), mutate: admitted},
		{
			name: "on two nodes, one had room", config: set("best-effort"), containers: holding("1-2"), mutate: admitted,
			want: invariant.RoomAligns, detail: "new/app holds CPUs 1-2 on NUMA nodes 0-1; one NUMA node had room: CPUs 1-3,5-7",
		},
		{
			name: "on three nodes, two had room", config: set("best-effort"), containers: holding("1-3"), mutate: admitted, machine: nodes,
			want: invariant.RoomAligns, detail: "new/app holds CPUs 1-3 on NUMA nodes 1-3; 2 NUMA nodes had room: CPUs 1-3,5-7",
		},
		{name: "on three nodes, two had none", config: set("best-effort"), containers: beside("1-3", "5-7"), mutate: admitted, machine: nodes},
		{name: "no node had room", config: set("best-effort"), containers: beside("1-2,5", "3,6-7"), mutate: admitted},
		{name: "nobody gives hints", config: set("none"), containers: holding("1-2"), mutate: admitted},
		{name: "sockets count", config: set("best-effort", "align-by-socket"), containers: holding("1-2"), mutate: admitted, machine: oneSocket},
		{
			name: "on two sockets, one had room", config: set("best-effort", "align-by-socket"), containers: holding("1-2"), mutate: admitted,
			want: invariant.RoomAligns, detail: "new/app holds CPUs 1-2 on sockets 0-1; socket 0 alone had room",
		},
		{name: "whole cores are asked for", config: set("best-effort", "full-pcpus-only"), containers: beside("1-2,5-6", "3,7"), mutate: admitted},
		{
			name: "split without need", config: set("none"), containers: holding("2-3"), mutate: admitted, want: invariant.RoomAligns,
			detail: "new/app holds CPUs 2-3, parts of cores: CPU 2 without its sibling 6, CPU 3 without its sibling 7; whole cores were free: CPUs 2-3,6-7",
		},
		{name: "split on purpose", config: set("none", "distribute-cpus-across-cores"), containers: holding("2-3"), mutate: admitted},
		{
			name: "together without need", config: set("none", "distribute-cpus-across-cores"), containers: holding("2,6"), mutate: admitted, want: invariant.RoomAligns,
			detail: "new/app holds CPUs 2,6 of one core; 2 cores had a CPU that was free: CPUs 2-3,6-7",
		},
		{name: "together since there is no other", config: set("none", "distribute-cpus-across-cores"), containers: beside("2,6", "3,7"), mutate: admitted},
		{name: "an odd number", config: set("none"), containers: holding("2"), mutate: admitted},
		{name: "an odd number, most of it whole", config: set("none"), containers: holding("2-3,6"), mutate: admitted},
		{
			name: "an odd number, split without need", config: set("none"), containers: holding("1-3"), mutate: admitted, want: invariant.RoomAligns, machine: oneNode,
			detail: "new/app holds CPUs 1-3, parts of cores: CPU 1 without its sibling 5, CPU 2 without its sibling 6, CPU 3 without its sibling 7; whole cores were free: CPUs 1-3,5-7",
		},
		{name: "no whole core was left", config: set("none"), containers: beside("2-3", "6-7"), mutate: admitted},
		{name: "cores of unequal size", config: set("none"), containers: holding("2-3"), mutate: admitted, machine: func(p *hwprofiles.Profile) { p.CPUs[5].Online = false }},
		{name: "even", config: set("none", "distribute-cpus-across-numa"), containers: holding("1-2,5-6"), mutate: admitted},
		{name: "uneven by one", config: set("none", "distribute-cpus-across-numa"), containers: holding("1-2,6"), mutate: admitted},
		{
			name: "uneven", config: set("none", "distribute-cpus-across-numa"), containers: holding("1-3,6"), mutate: admitted, want: invariant.RoomAligns,
			detail: "new/app holds CPUs 1-3,6, between 1 and 3 on each of the NUMA nodes 0-1; there was room for the same on each: CPUs 1-3,5-7",
		},
		{name: "uneven since there was no room", config: set("none", "distribute-cpus-across-numa"), containers: beside("1-3,6", "5"), mutate: admitted},
		{name: "one cache had no room", config: set("none", "prefer-align-cpus-by-uncorecache"), containers: holding("2-3,6-7"), mutate: admitted, machine: caches},
		{
			name: "two caches, one had room", config: set("none", "prefer-align-cpus-by-uncorecache", "distribute-cpus-across-cores"), containers: holding("2-3"), mutate: admitted,
			machine: caches, want: invariant.RoomAligns, detail: "new/app holds CPUs 2-3 under L3 caches 2-3; L3 cache 2 alone had room",
		},
		{name: "another had CPUs, too", config: set("best-effort"), containers: append(holding("1"), app("new", "second", "2")), mutate: admitted},
		{name: "memory on nodes", config: func(c *observe.Config) { set("best-effort")(c); c.MemoryManagerPolicy = "Static" }, containers: holding("1-2"), mutate: admitted},
		{name: "it ran before", config: set("best-effort"), containers: holding("1-2"), mutate: func(o *observe.Observation) { admitted(o); o.Admissions[0].Readmission = true }},
	})
}

func TestNamesAndDocs(t *testing.T) {
	g := NewWithT(t)
	g.Expect(invariant.Names()).To(HaveLen(15))
	for _, name := range invariant.Names() {
		g.Expect(len(invariant.Doc(name))).To(BeNumerically(">", 100), name)
	}
	g.Expect(invariant.Doc("no-such")).To(BeEmpty())
}

func TestManyViolationsAreBounded(t *testing.T) {
	g := NewWithT(t)
	o := node(machine(1, 1, 64, 1, true), "")
	for i := range 64 {
		o.Containers = append(o.Containers, app("p"+string(rune('A'+i)), "app", observe.FromSet(cpuset.New(5))))
	}
	o.Reconciled = false
	settle(&o)
	found := invariant.Check(o, machine(1, 1, 64, 1, true))
	g.Expect(found).To(HaveLen(33))
	g.Expect(found[32]).To(Equal(observe.Violation{Invariant: invariant.ExclusiveDisjoint, Detail: "and 1984 more"}))
}
