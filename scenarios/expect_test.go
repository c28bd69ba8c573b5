package scenarios

import (
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// seen is a node of 2 sockets with 4 cores and 8 CPUs each (core siblings are
// 8 apart), an uncore cache for each two cores, and three containers.
func seen(t *testing.T) Seen {
	t.Helper()
	p, err := hwprofiles.ParseShape("sockets=2 cores=4 threads=2 l3=2")
	if err != nil {
		t.Fatal(err)
	}
	p.Name = "tiny"
	return Seen{
		Profile: p,
		Observation: observe.Observation{
			Kubelet: observe.KubeletRunning,
			Config:  observe.Config{CPUManagerPolicy: "static", Reserved: "0,8"},
			Online:  "0-15", SharedPool: "0,2-4,6-8,11-15",
			Admissions: []observe.Admission{{Pod: "big", Reason: "UnexpectedAdmissionError", Message: "not enough cpus available"}},
			Containers: []observe.Container{
				{Pod: "a", Container: "app", Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed", Requested: 2, Exclusive: true, Assigned: "1,9", Actual: "1,9", Mems: "0", Devices: []string{"nic0"}, NUMANodes: []int{0}, Reason: "whole CPUs"},
				{Pod: "a", Container: "side", Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed", Assigned: "0,2-4,6-8,11-15", Actual: "0-15", Reason: "fractional CPUs"},
				{Pod: "wide", Container: "app", Kind: observe.KindApp, State: observe.StateRunning, QoS: "Guaranteed", Requested: 2, Exclusive: true, Assigned: "5,10", Actual: "5,10", NUMANodes: []int{0, 1}},
				{Pod: "empty", Container: "app", Kind: observe.KindApp, State: observe.StateWaiting, QoS: "Burstable"},
			},
			Checkpoint: &observe.Checkpoint{Policy: "static", SharedPool: "0,2-15", Entries: []observe.Assignment{{Pod: "a", Container: "app", CPUs: "1,9"}}},
		},
		Log: []observe.LogLine{{Text: `"Static policy: Start"`}, {Text: "unable to freeze"}},
		Admissions: map[string]observe.Admission{
			"a":   {Pod: "a", Admitted: true},
			"big": {Pod: "big", Reason: "UnexpectedAdmissionError", Message: "not enough cpus available"},
		},
		Violations: []observe.Violation{{Invariant: "checkpoint-in-sync", Detail: "disk says 2-15"}, {Invariant: "checkpoint-in-sync", Detail: "and more"}},
	}
}

func TestCheck(t *testing.T) {
	var b strings.Builder
	down := func(s *Seen) {
		s.Observation = observe.Observation{Kubelet: observe.KubeletFailed, KubeletError: "start cpu manager error: drain this node", CheckpointError: "checkpoint is corrupted"}
		s.Violations = nil
	}
	gone := func(s *Seen) { s.Observation.Checkpoint = nil }
	noCaches := func(s *Seen) {
		p, err := hwprofiles.ParseShape("cores=8 threads=2 l3=none nodes=0")
		if err != nil {
			t.Fatal(err)
		}
		s.Profile = p
	}
	for _, c := range []struct {
		expect string
		change func(*Seen)
	}{
		{expect: "{kubelet: running, sharedPool: '0,2-4,6-8,11-15', reserved: '8,0', kubeletError: ''}"},
		{expect: "{kubelet: failed, sharedPool: 0-4, reserved: ''}"},
		{expect: "{kubeletError: drain}"},
		{expect: "{kubelet: running, kubeletError: other}", change: down},
		{expect: "{kubelet: failed, kubeletError: drain this node}", change: down},
		{expect: "{pods: {a: {present: true, admitted: true, qos: Guaranteed}, big: {present: false, admitted: false, reason: UnexpectedAdmissionError, message: not enough}}}"},
		{expect: "{pods: {a: {present: false, admitted: false, qos: Burstable, reason: OutOfcpu}, big: {present: true, admitted: true, qos: Guaranteed, reason: OutOfcpu, message: memory}, wide: {admitted: true}}}"},
		{expect: "{containers: {a/app: {present: true, state: running, exclusive: true, cpus: '9,1', actual: assigned, count: 2, numaNodes: [0], oneNUMANode: true, oneSocket: true, oneUncoreCache: true, wholeCores: true, mems: 0, qos: Guaranteed, reason: whole, devices: nic0}}}"},
		{expect: "{containers: {a/app: {state: terminated, exclusive: false, cpus: 1-2, actual: 2-3, count: 3, numaNodes: [1, 0], oneNUMANode: false, oneSocket: false, oneUncoreCache: false, wholeCores: false, mems: 0-1, qos: Burstable, reason: fractional, devices: [nic1, nic0]}}}"},
		{expect: "{containers: {a/app: {present: false}, a/side: {cpus: shared}, wide/app: {cpus: shared}, empty/app: {cpus: none, actual: none, devices: []}}}"},
		{expect: "{containers: {a/side: {actual: assigned}, wide/app: {actual: shared}, empty/app: {cpus: '1', actual: '1'}}}"},
		{expect: "{containers: {wide/app: {numaNodes: [0, 1], oneNUMANode: false, oneSocket: false, oneUncoreCache: false, wholeCores: false}}}"},
		{expect: "{containers: {wide/app: {oneNUMANode: true, oneSocket: true, oneUncoreCache: true, wholeCores: true}}}"},
		{expect: "{containers: {empty/app: {oneNUMANode: true, wholeCores: false, numaNodes: []}}}"},
		{expect: "{containers: {a/app: {oneNUMANode: true, oneUncoreCache: false, oneSocket: true}}}", change: noCaches},
		{expect: "{containers: {a/app: {cpus: 1}, b/app: {}, b/other: {present: false}}}"},
		{expect: "{checkpoint: {exists: true, policy: static, sharedPool: '0,2-15', entries: {a/app: '1,9'}}}"},
		{expect: "{checkpoint: {exists: false, policy: none, sharedPool: 0-15, entries: {a/ap: '1,9'}}}"},
		{expect: "{checkpoint: {entries: {a/app: 1-2}}}"},
		{expect: "{checkpoint: {exists: true, policy: static}}", change: down},
		{expect: "{checkpoint: {exists: true, policy: static}}", change: gone},
		{expect: "{checkpoint: {exists: false}}", change: gone},
		{expect: "{violations: [checkpoint-in-sync]}"},
		{expect: "{violations: [no-leak]}"},
		{expect: "{violations: []}"},
		{expect: "{log: [unable to freeze, 'Static policy']}"},
		{expect: "{log: too many open files}"},
		{expect: `{cel: ['container["a/app"].assigned == "1,9"', 'containers.filter(c, c.exclusive).size() == 2']}`},
		{expect: `{cel: ['kubelet == "failed"', 'container["a/ap"].exclusive', '1 / (count(sharedPool) - count(sharedPool)) == 1', 'container["a/app"].assgined == ""']}`},
	} {
		// The names are checked by the loader's tests; here any goes.
		s, err := Loader{}.Parse([]byte(withSteps(
			"- createPod: {name: a, containers: [{name: app}, {name: side}, {name: ap}]}\n"+
				"- createPod: {name: b, containers: [{name: app}, {name: other}]}\n"+
				"- createPod: {name: big, containers: [{name: app}]}\n- createPod: {name: wide, containers: [{name: app}]}\n"+
				"- createPod: {name: empty, containers: [{name: app}]}\n- expect: "+c.expect)), "x")
		gomega.NewWithT(t).Expect(err).NotTo(gomega.HaveOccurred())
		seen := seen(t)
		if c.change != nil {
			c.change(&seen)
		}
		fmt.Fprintf(&b, "%s\n", c.expect)
		failures, _ := s.Steps[len(s.Steps)-1].Expect.Check(t.Context(), seen)
		if len(failures) == 0 {
			b.WriteString("  holds\n")
		}
		for _, f := range failures {
			fmt.Fprintf(&b, "  %s\n", f)
		}
	}
	golden(t, "check.golden", b.String())
}

func TestCELSeesEverything(t *testing.T) {
	for _, expr := range []string{
		`kubelet == "running" && kubeletError == ""`,
		`config.cpuManagerPolicy == "static" && config.reserved == reserved && config.cpuManagerPolicyOptions.size() == 0`,
		`online == "0-15" && count(online) == 16`,
		`sharedPool == minus(online, union("1,9", "5,10"))`,
		`cpus("0-2,5") == [0, 1, 2, 5] && cpus("") == []`,
		`overlaps("0-3", "3-4") && !overlaps("0-3", "4") && subset("1", "0-3") && !subset("4", "0-3")`,
		`size(cpus(sharedPool)) == count(sharedPool)`,
		`containers.size() == 4 && containers[0].ref == "a/app" && containers[0].kind == "app"`,
		`container["a/app"].requested == 2 && container["a/app"].numaNodes == [0] && container["a/app"].devices == ["nic0"] && container["a/app"].mems == "0"`,
		`container["a/side"].requested == 0 && container["a/side"].numaNodes.size() == 0 && container["a/side"].mems == ""`,
		`containers.filter(c, c.exclusive).all(c, !overlaps(c.assigned, sharedPool) && count(c.assigned) == c.requested)`,
		`pods.a.admitted && pods.a.qos == "Guaranteed" && pods.big.reason == "UnexpectedAdmissionError" && pods.big.message.contains("not enough")`,
		`admissions[0].pod == "big" && stale.size() == 0`,
		`checkpoint.exists && checkpoint.policy == "static" && checkpoint.entries["a/app"] == "1,9" && checkpoint.error == ""`,
		`violations == ["checkpoint-in-sync"]`,
		`log.exists(l, l.contains("freeze"))`,
		`profile.name == "tiny" && profile.smt == 2 && profile.sockets == 2 && profile.cores == 8 && profile.online == online`,
		`profile.numaNodes[1].id == 1 && profile.numaNodes[1].cpus == "4-7,12-15" && profile.numaNodes[1].memoryBytes > 0`,
		`profile.numaNodes.exists_one(n, subset(container["a/app"].assigned, n.cpus))`,
	} {
		e := Expect{CEL: []CELExpr{{Expr: expr}}}
		gomega.NewWithT(t).Expect(e.Check(t.Context(), seen(t))).To(gomega.BeEmpty(), expr)
	}
}

// How often a real loop logs its lines nobody knows, whether it does one can.
func TestLogCountsAreTold(t *testing.T) {
	for expr, counts := range map[string]bool{
		`log.size() == 99`: true,
		`size(log) == 99`:  true,
		`log.filter(l, l.contains("freeze")).size() == 99`: true,
		`log.exists(l, l.contains("no such line"))`:        false,
		`log.exists(l, l.size() == 99)`:                    false,
		`stale.size() == 99`:                               false,
	} {
		t.Run(expr, func(t *testing.T) {
			g := gomega.NewWithT(t)
			e := Expect{CEL: []CELExpr{{Expr: expr}}, Log: []string{"not logged"}}
			failures, logCounts := e.Check(t.Context(), seen(t))
			g.Expect(failures).To(gomega.HaveLen(2))
			if counts {
				g.Expect(logCounts).To(gomega.Equal(failures[1:]))
			} else {
				g.Expect(logCounts).To(gomega.BeEmpty())
			}
		})
	}
}

func TestCELIsBounded(t *testing.T) {
	g := gomega.NewWithT(t)
	range10 := "[0,1,2,3,4,5,6,7,8,9]"
	expr := range10 + ".all(a, true)"
	for i := range 12 {
		expr = fmt.Sprintf("%s.all(v%d, %s)", range10, i, expr)
	}
	e := Expect{CEL: []CELExpr{{Expr: expr}}}
	g.Expect(e.Check(t.Context(), seen(t))).To(gomega.ConsistOf(gomega.ContainSubstring("actual cost limit exceeded")))

	e = Expect{CEL: []CELExpr{{Expr: `cpus("0-x").size() > 0`}, {Expr: "nonsense"}}}
	g.Expect(e.Check(t.Context(), seen(t))).To(gomega.ConsistOf(
		gomega.ContainSubstring(`CPU list "0-x"`), gomega.ContainSubstring(`unknown name "nonsense"`)))
}

// A name is corrected where another map has one like it, not where it has the same.
func TestCELMissingKey(t *testing.T) {
	g := gomega.NewWithT(t)
	e := Expect{CEL: []CELExpr{{Expr: `container["a/ap"].requested == 2`}, {Expr: `cpuMax["a/app"] == "max 100000"`}}}
	g.Expect(e.Check(t.Context(), seen(t))).To(gomega.Equal([]string{
		`cel "container[\"a/ap\"].requested == 2": no such key: a/ap; did you mean "a/app"?`,
		`cel "cpuMax[\"a/app\"] == \"max 100000\"": no such key: a/app`,
	}))
}
