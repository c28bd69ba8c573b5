package explore

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/invariant"
	"github.com/pinlab/pinlab/sim/observe"
)

var (
	allocate    = []string{"cpumanager.(*staticPolicy).allocateForAdd", "cpumanager.(*staticPolicy).Allocate", "cpumanager.(*manager).Allocate", "topologymanager.(*scope).admitPolicyNone"}
	allocatePod = []string{"cpumanager.(*staticPolicy).allocatePodForAdd", "cpumanager.(*staticPolicy).AllocatePod", "cpumanager.(*manager).AllocatePod"}
	remove      = []string{"cpumanager.(*staticPolicy).RemoveContainer", "cpumanager.(*manager).policyRemoveContainerByRef"}
	startPolicy = []string{"cpumanager.(*staticPolicy).Start", "cpumanager.(*manager).Start"}
	reconcile   = []string{"cpumanager.(*manager).reconcileState", "cpumanager.(*manager).Start"}
	store       = []string{"cpumanager/state.(*stateCheckpoint).storeState", "cpumanager/state.(*stateCheckpoint).Delete", remove[0]}
)

func wrote(path []string, pod, container string) observe.Statement {
	return observe.Statement{Message: "w", Path: path, Write: true, Pod: pod, Container: container}
}

func failed(message string, path []string) observe.Statement {
	return observe.Statement{Message: message, Error: true, Path: path}
}

// TestPathOf finds the code behind violations.
func TestPathOf(t *testing.T) {
	o := &observe.Observation{
		Containers:   []observe.Container{{Pod: "a", Container: "app", Assigned: "1", Actual: "1"}, {Pod: "a", Container: "init"}, {Pod: "b", Container: "app", Assigned: "2", Actual: "1-2"}},
		Stale:        []observe.Assignment{{Pod: "gone", Container: "app"}},
		KubeletError: "start cpu manager error: 12 CPUs", Reconciled: true,
		Admissions: []observe.Admission{{Pod: "a", Reason: "TopologyAffinityError"}},
	}
	type step []observe.Statement
	for _, c := range []struct {
		name              string
		steps             []step
		invariant, detail string
		event             string
		path, errs        []string
	}{
		{
			"the write of this step",
			[]step{{wrote(allocate, "a", "app"), wrote(allocatePod, "b", "app")}},
			invariant.ReservedNotExclusive, "a/app holds CPU 0", "createPod", allocate[:2], nil,
		},
		{
			"of two, that of this step",
			[]step{{wrote(allocate, "a", "app")}, {wrote(allocatePod, "b", "app")}},
			invariant.ExclusiveDisjoint, "a/app and b/app both hold CPU 1", "startKubelet", allocatePod[:2], nil,
		},
		{
			"nothing was removed",
			[]step{{wrote(allocate, "gone", "app")}, {}},
			invariant.NoLeak, "gone/app, which is gone, holds CPU 1", "deletePod",
			[]string{allocate[0], allocate[1], "(no write in deletePod)"},
			nil,
		},
		{
			"the pool",
			[]step{{wrote(allocate, "a", "app"), wrote(remove, "", "")}},
			invariant.PoolAccounted, "CPU 1 is online and neither in the shared pool 0 nor assigned", "deletePod", remove[:1], nil,
		},
		{
			"from outside",
			[]step{{wrote(allocate, "a", "app")}, {}},
			invariant.PoolAccounted, "CPU 1 is offline and still in the shared pool", "offlineCPUs",
			[]string{"(no write in offlineCPUs)"},
			nil,
		},
		{
			"an entry that nobody wrote is not the pool's",
			[]step{{wrote(allocate, "", "")}},
			invariant.ExclusiveCount, "a/app asked for 2 CPUs", "createPod",
			[]string{"(no write in createPod)"},
			nil,
		},
		{
			"a start and what it fails on",
			[]step{{wrote(allocate, "a", "app")}, {failed("invalid state", startPolicy), failed("Policy start error", startPolicy[1:])}},
			invariant.RestartStarts, "x", "startKubelet",
			[]string{startPolicy[0], allocate[1]},
			[]string{"start cpu manager error: N CPUs"},
		},
		{
			"a failing save",
			[]step{{failed("other", allocate), failed("Failed to save checkpoint", store)}},
			invariant.CheckpointInSync, "the shared pool is 1 in the state file, 2 in the manager", "deletePod", store[:1],
			[]string{"Failed to save checkpoint"},
		},
		{
			"a failing update",
			[]step{{failed("policy error", allocate), failed("failed to update container", reconcile)}},
			invariant.ExclusiveIsolated, "b/app can run on CPU 1 of a/app", "createPod", reconcile[:1],
			[]string{"failed to update container"},
		},
		{
			"an assignment that is wrong, not a cgroup",
			[]step{{wrote(allocate, "a", "app"), failed("failed to update container", reconcile)}},
			invariant.ExclusiveIsolated, "a/app can run on CPU 1 of b/app", "createPod", allocate[:2], nil,
		},
		{
			"refused hints",
			[]step{{{Message: "TopologyHints", Pod: "b", Refused: []string{"cpu"}}, {Message: "TopologyHints", Pod: "a", Refused: []string{"memory"}}}},
			invariant.RestartKeepsPods, "nothing has changed and pod a, which ran, is rejected", "startKubelet",
			[]string{"memorymanager.(*staticPolicy).GetTopologyHints"},
			[]string{"TopologyAffinityError"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			var tr tracker
			for _, s := range c.steps {
				tr.begin()
				for _, statement := range s {
					tr.note(statement)
				}
			}
			path, errs := tr.pathOf(observe.Violation{Invariant: c.invariant, Detail: c.detail}, c.event, o)
			g.Expect(path).To(Equal(c.path))
			g.Expect(errs).To(Equal(c.errs))
		})
	}
}

// Upstream names the container that the order of a map gave it first: the same start
// can fail with another one's name, and is the same cause.
func TestStartNamesOneContainer(t *testing.T) {
	g := NewWithT(t)
	failed := func(container string) string {
		return template(`start cpu manager error: pod: uid-p2, container: `+container+` cpuset: "0,4" overlaps with default cpuset "0-1"`, &observe.Observation{})
	}
	g.Expect(failed("side0")).To(Equal(failed("app1")))
	g.Expect(failed("app1")).To(Equal(`start cpu manager error: pod: UID, container: C cpuset: "N" overlaps with default cpuset "N"`))
}
