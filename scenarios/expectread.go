package scenarios

import (
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// expect reads an expectation.
func (l *loading) expect(n *node) *Expect {
	e := &Expect{}
	l.into(n, e, keyExpect)
	switch {
	case n.kind != mapping && !n.isNull():
		return e // said already
	case len(n.fields) == 0:
		l.errorf(n.line, "expect is empty; want at least one field")
	}
	if e.Kubelet != "" {
		l.oneOf(n, "expect", "kubelet", string(e.Kubelet), string(observe.KubeletRunning), string(observe.KubeletStopped), string(observe.KubeletFailed))
	}
	for _, f := range n.get("pods").members() {
		l.scope.seen(l, f.line, "expect.pods", f.key)
		if qos := e.Pods[f.key].QoS; qos != "" {
			l.qos(f.value, "expect.pods."+f.key, qos)
		}
	}
	for _, f := range n.get("containers").members() {
		l.scope.seenContainer(l, f.line, "expect.containers", f.key)
		if c, ok := e.Containers[f.key]; ok && f.value.kind == mapping {
			l.expectContainer(f.value, f.key, &c)
			e.Containers[f.key] = c
		}
	}
	if e.Violations != nil {
		for _, name := range *e.Violations {
			l.invariant(n.lineOf("violations"), "expect.violations", name)
		}
	}
	l.expressions(n, e)
	return e
}

func (l *loading) qos(n *node, at, class string) {
	l.oneOf(n, at, "qos", class, "Guaranteed", "Burstable", "BestEffort")
}

// expectContainer checks the fields that hold words, and puts CPU lists into
// canonical form.
func (l *loading) expectContainer(n *node, ref string, c *ExpectContainer) {
	at := "expect.containers." + ref
	if c.State != "" {
		l.oneOf(n, at, "state", string(c.State), string(observe.StateWaiting), string(observe.StateRunning), string(observe.StateTerminated))
	}
	if c.QoS != "" {
		l.qos(n, at, c.QoS)
	}
	c.CPUs = l.cpusOr(n, at, "cpus", c.CPUs, wordShared, wordNone)
	c.Actual = l.cpusOr(n, at, "actual", c.Actual, wordShared, wordNone, wordAssigned)
	if c.Count != nil && c.Count.Num < 0 {
		l.atLeast(n, at, "count", c.Count.Num, 0)
	}
}

// The words that stand for a set of CPUs in an expectation.
const (
	wordShared   = "shared"
	wordNone     = "none"
	wordAssigned = "assigned"
)

// cpusOr reads a CPU list or one of the words.
func (l *loading) cpusOr(n *node, at, field, text string, words ...string) string {
	f := n.get(field)
	if f == nil || f.kind != scalar {
		return text
	}
	if text == "" && !f.isNull() {
		return wordNone
	}
	if text == "" || slices.Contains(words, text) {
		return text
	}
	cpus, err := observe.ParseCPUs(text)
	if err != nil {
		trouble := "want a CPU list or " + orList(words)
		if near, _ := nearest(text, words); near != "" {
			trouble = "did you mean " + quote(near) + "?"
		} else if text[0] >= '0' && text[0] <= '9' {
			trouble = cpuListTrouble(err)
		}
		l.errorf(f.line, "%s.%s: bad CPU list %s; %s", at, field, quote(text), trouble)
	}
	return string(cpus)
}

// expressions compiles the CEL expressions.
func (l *loading) expressions(n *node, e *Expect) {
	for i := range e.CEL {
		l.expression(&e.CEL[i], n.lineOf("cel"), "expect.cel", i)
	}
}

// expression compiles one, the i-th of the list at a place.
func (l *loading) expression(x *CELExpr, line int, at string, i int) {
	if strings.TrimSpace(x.Expr) == "" {
		l.errorf(line, "%s[%d]: want a CEL expression", at, i)
		return
	}
	if l.cel == nil {
		env, err := newCELEnv()
		if err != nil {
			l.errorf(x.Line, "cel: %s", oneLine(err.Error()))
			return
		}
		l.cel = env
	}
	program, troubles := l.cel.once(x.Expr)
	for _, trouble := range troubles {
		l.errorf(x.Line, "cel %s: %s", quote(oneLine(x.Expr)), trouble)
	}
	x.program = program
}
