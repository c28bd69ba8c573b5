package scenarios

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// Seen is what an expectation is held against.
type Seen struct {
	Observation observe.Observation
	// Profile is the machine as it is now.
	Profile *hwprofiles.Profile
	// Log holds the lines since the last expectation.
	Log []observe.LogLine
	// Admissions holds the last answer given to each pod.
	Admissions map[string]observe.Admission
	// Violations are those of the state reached.
	Violations []observe.Violation
	// Told is what the kubelet tells others, where an expression asks for it.
	Told observe.Told
}

// Check says what is not as expected, one sentence for each difference with
// what was expected and what was seen. Those that are about the number of lines
// logged are given once more.
func (e *Expect) Check(ctx context.Context, seen Seen) (failures, logCounts []string) {
	c := &checking{seen: &seen}
	e.checkNode(c)
	for _, name := range slices.Sorted(maps.Keys(e.Pods)) {
		c.pod(name, e.Pods[name])
	}
	for _, ref := range slices.Sorted(maps.Keys(e.Containers)) {
		c.container(ref, e.Containers[ref])
	}
	if e.Checkpoint != nil {
		c.checkpoint(e.Checkpoint)
	}
	if e.Violations != nil {
		c.violations(*e.Violations)
	}
	for _, text := range e.Log {
		c.log(text)
	}
	for i := range e.CEL {
		if trouble := e.CEL[i].eval(ctx, c.vars); trouble != "" {
			c.failf("cel %s: %s", quote(oneLine(e.CEL[i].Expr)), trouble)
			if p := e.CEL[i].program; p != nil && p.countsLog {
				logCounts = append(logCounts, c.failures[len(c.failures)-1])
			}
		}
	}
	return c.failures, logCounts
}

// asksTold says that an expression is about what the kubelet tells others.
func (e *Expect) asksTold() bool {
	return slices.ContainsFunc(e.CEL, func(x CELExpr) bool { return asksTold.MatchString(x.Expr) })
}

var asksTold = regexp.MustCompile(`\b(metrics|podResources|cpuMax)\b`)

func (e *Expect) checkNode(c *checking) {
	o := &c.seen.Observation
	if e.Kubelet != "" && o.Kubelet != e.Kubelet {
		text := fmt.Sprintf("kubelet: %s, want %s", o.Kubelet, e.Kubelet)
		if o.KubeletError != "" {
			text += " (" + o.KubeletError + ")"
		}
		c.failures = append(c.failures, text)
	}
	switch {
	case e.KubeletError == "" || strings.Contains(o.KubeletError, e.KubeletError):
	case o.KubeletError == "":
		c.failf("kubelet error: none, want one with %q", e.KubeletError)
	default:
		c.failf("kubelet error: %q, want it to contain %q", o.KubeletError, e.KubeletError)
	}
	c.list("shared pool:", o.SharedPool, e.SharedPool)
	c.list("reserved CPUs:", o.Config.Reserved, e.Reserved)
}

// checking holds one check's findings.
type checking struct {
	seen     *Seen
	failures []string
	byRef    map[string]*observe.Container
	celVars  map[string]any
}

func (c *checking) failf(format string, args ...any) {
	c.failures = append(c.failures, fmt.Sprintf(format, args...))
}

// vars are the variables of CEL, laid out once.
func (c *checking) vars() map[string]any {
	if c.celVars == nil {
		c.celVars = celVars(c.seen)
	}
	return c.celVars
}

// list compares a CPU list.
func (c *checking) list(what string, got observe.CPUs, want *observe.CPUs) {
	if want != nil && got != *want {
		c.failf("%s %s, want %s%s", what, shown(got), shown(*want), difference(got, *want))
	}
}

// shown writes a list so that an empty one can be seen.
func shown(cpus observe.CPUs) string {
	if cpus == "" {
		return "none"
	}
	return string(cpus)
}

// difference says how two lists differ, where that is not plain to see.
func difference(got, want observe.CPUs) string {
	missing, extra := want.Set().Difference(got.Set()), got.Set().Difference(want.Set())
	if missing.Size() == want.Set().Size() {
		return "" // nothing in common
	}
	var parts []string
	if !missing.IsEmpty() {
		parts = append(parts, "missing "+missing.String())
	}
	if !extra.IsEmpty() {
		parts = append(parts, "extra "+extra.String())
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (c *checking) pod(name string, want ExpectPod) {
	var qos string
	present := false
	for i := range c.seen.Observation.Containers {
		if container := &c.seen.Observation.Containers[i]; container.Pod == name {
			qos, present = container.QoS, true
			break
		}
	}
	if want.Present != nil && present != *want.Present {
		c.failf("pod %s: %s, want it %s", name, presence(present), presence(*want.Present))
	}
	if want.QoS != "" && qos != want.QoS {
		if !present {
			qos = "not on the node"
		}
		c.failf("pod %s: %s, want QoS class %s", name, qos, want.QoS)
	}
	if want.Admitted == nil && want.Reason == "" && want.Message == "" {
		return
	}
	got, ok := c.seen.Admissions[name]
	if !ok {
		c.failf("pod %s: no admission was seen", name)
		return
	}
	if want.Admitted != nil && got.Admitted != *want.Admitted {
		c.failf("pod %s: %s, want it %s", name, answer(got), admitted(*want.Admitted))
	}
	if want.Reason != "" && got.Reason != want.Reason {
		c.failf("pod %s: %s, want reason %s", name, answer(got), want.Reason)
	}
	if want.Message != "" && !strings.Contains(got.Message, want.Message) {
		c.failf("pod %s: %s, want a message with %q", name, answer(got), want.Message)
	}
}

func presence(present bool) string {
	if present {
		return "on the node"
	}
	return "not on the node"
}

func admitted(yes bool) string {
	if yes {
		return "admitted"
	}
	return "rejected"
}

// answer is an admission in words.
func answer(a observe.Admission) string {
	text := admitted(a.Admitted)
	if a.Reason != "" {
		text += " (" + a.Reason + ")"
	}
	if a.Message != "" {
		text += fmt.Sprintf(" %q", a.Message)
	}
	return text
}

func (c *checking) checkpoint(want *ExpectCheckpoint) {
	o := &c.seen.Observation
	exists := o.Checkpoint != nil || o.CheckpointError != ""
	if want.Exists != nil && exists != *want.Exists {
		c.failf("checkpoint: %s, want it %s", onDisk(exists), onDisk(*want.Exists))
	}
	if want.Policy == "" && want.SharedPool == nil && want.Entries == nil {
		return
	}
	if o.Checkpoint == nil {
		trouble := "there is none"
		if exists {
			trouble = o.CheckpointError
		}
		c.failf("checkpoint: cannot be read (%s)", trouble)
		return
	}
	if want.Policy != "" && o.Checkpoint.Policy != want.Policy {
		c.failf("checkpoint: policy %q, want %q", o.Checkpoint.Policy, want.Policy)
	}
	c.list("checkpoint: shared pool", o.Checkpoint.SharedPool, want.SharedPool)
	if want.Entries == nil {
		return
	}
	got := make(map[string]observe.CPUs, len(o.Checkpoint.Entries))
	for _, e := range o.Checkpoint.Entries {
		got[e.Pod+"/"+e.Container] = e.CPUs
	}
	for _, ref := range slices.Sorted(maps.Keys(*want.Entries)) {
		cpus := (*want.Entries)[ref]
		have, ok := got[ref]
		if !ok {
			c.failf("checkpoint: no entry %s, want %s%s", ref, shown(cpus), didYouMean(ref, slices.Sorted(maps.Keys(got))))
			continue
		}
		c.list("checkpoint: entry "+ref+":", have, &cpus)
	}
	for _, ref := range slices.Sorted(maps.Keys(got)) {
		if _, ok := (*want.Entries)[ref]; !ok {
			c.failf("checkpoint: entry %s: %s, want no such entry", ref, shown(got[ref]))
		}
	}
}

func onDisk(exists bool) string {
	if exists {
		return "on disk"
	}
	return "not on disk"
}

// violations compares the names of what is broken now.
func (c *checking) violations(want []string) {
	got := map[string]string{}
	for _, v := range c.seen.Violations {
		if _, ok := got[v.Invariant]; !ok {
			got[v.Invariant] = v.Detail
		}
	}
	for _, name := range want {
		if _, ok := got[name]; !ok {
			c.failf("invariant %s: holds, want it broken", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !slices.Contains(want, name) {
			c.failf("invariant %s: broken, want it to hold: %s", name, got[name])
		}
	}
}

func (c *checking) log(text string) {
	for i := range c.seen.Log {
		if strings.Contains(c.seen.Log[i].Text, text) {
			return
		}
	}
	c.failf("log: no line with %q among the %d since the last expectation", text, len(c.seen.Log))
}
