package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/observe"
)

func TestParseLine(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want observe.LogLine
	}{
		"info": {
			`{"ts":1763917200000.1,"caller":"cpumanager/cpu_manager.go:266","msg":"Starting CPU manager","v":0,"policy":"static"}`,
			observe.LogLine{Severity: "I", Text: `"Starting CPU manager" policy="static"`},
		},
		"verbose, with a logger": {
			`{"ts":1763917200000.1,"logger":"CPUManager.static","caller":"cpumanager/policy_static.go:342","msg":"Static policy: Allocate","v":4,"numCPUs":2,"containerName":"app"}`,
			observe.LogLine{Severity: "I", Verbosity: 4, Text: `"Static policy: Allocate" containerName="app" numCPUs=2`},
		},
		"error": {
			`{"ts":1763917200000.1,"caller":"cpumanager/cpu_manager.go:521","msg":"ReconcileState: failed to update container","containerName":"app","cpuSet":"0-1,18-49","err":"unable to freeze"}`,
			observe.LogLine{Severity: "E", Text: `"ReconcileState: failed to update container" err="unable to freeze" containerName="app" cpuSet="0-1,18-49"`},
		},
		"numbers stay as they are": {
			`{"ts":1,"msg":"m","v":2,"big":12345678901234567890,"f":0.10,"on":true}`,
			observe.LogLine{Severity: "I", Verbosity: 2, Text: `"m" big=12345678901234567890 f=0.10 on=true`},
		},
		"lists and structs are JSON": {
			`{"ts":1,"msg":"m","v":0,"list":["a",1],"o":{"k":"v"}}`,
			observe.LogLine{Severity: "I", Text: `"m" list=["a",1] o={"k":"v"}`},
		},
		"quotes": {
			`{"ts":1,"msg":"say \"it\"","v":0,"text":"a\nb"}`,
			observe.LogLine{Severity: "I", Text: `"say \"it\"" text="a\nb"`},
		},
		"not JSON": {"Flag --foo has been deprecated", observe.LogLine{Severity: "I", Text: "Flag --foo has been deprecated"}},
		"cut off":  {`{"ts":1763917200000.1,"msg":"Sta`, observe.LogLine{Severity: "I", Text: `{"ts":1763917200000.1,"msg":"Sta`}},
		"a list":   {`[1]`, observe.LogLine{Severity: "I", Text: `[1]`}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(parseLine(c.line)).To(Equal(c.want))
		})
	}
}

func TestErrorOf(t *testing.T) {
	for name, c := range map[string]struct{ line, want string }{
		"klog": {
			`E1123 17:00:00.000000       1 run.go:72] "command failed" err="failed to run Kubelet: no swap"`,
			"failed to run Kubelet: no swap",
		},
		"klog with quotes": {
			`E1123 17:00:00.000000       1 run.go:72] "command failed" err="failed to validate \"config\""`,
			`failed to validate "config"`,
		},
		"fatal":           {`F1123 17:00:00.000000       1 server.go:9] no way on`, "no way on"},
		"klog without":    {`E1123 17:00:00.000000       1 kubelet.go:1] "Node is not there"`, `"Node is not there"`},
		"JSON":            {`{"ts":1.5,"caller":"app/run.go:72","msg":"command failed","err":"invalid configuration: x"}`, "invalid configuration: x"},
		"JSON, no error":  {`{"ts":1.5,"caller":"app/server.go:1","msg":"Starting","v":0}`, ""},
		"info":            {`I1123 17:00:00.000000       1 server.go:1] "Starting"`, ""},
		"warning":         {`W1123 17:00:00.000000       1 server.go:1] err="no"`, ""},
		"not klog":        {`Error: unknown flag: --foo`, ""},
		"panic":           {`panic: runtime error: index out of range`, ""},
		"empty":           {``, ""},
		"cut JSON":        {`{"ts":1.5,"err":"`, ""},
		"the shell's own": {`/bin/sh: ulimit: error setting limit`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, ok := errorOf(c.line)
			g.Expect(got).To(Equal(c.want))
			g.Expect(ok).To(Equal(c.want != ""))
		})
	}
}

func logSeeds(f *testing.F) {
	for _, line := range []string{
		`{"ts":1763917200000.1,"logger":"x","caller":"a.go:1","msg":"m","v":4,"pod":{"name":"a","namespace":"default"}}`,
		`{"ts":1763917200000.1,"msg":"command failed","err":"failed to run Kubelet"}`,
		`E1123 17:00:00.000000       1 run.go:72] "command failed" err="failed to run Kubelet: \"x\""`,
		`F1123 17:00:00.000000       1 a.go:1] no`, `I1123 17:00:00.000000       1 a.go:1] "yes"`,
		`{`, `{}`, `{"v":"four"}`, `{"v":1e99}`, `{"msg":null,"err":null}`, `{"msg":{"a":[]}} rest`, "", "\xff", "E] ", `E] err="`,
	} {
		f.Add(line)
	}
}

// Any line is a line of the log, with a severity, and no text of it is lost
// that is not JSON.
func FuzzParseLine(f *testing.F) {
	logSeeds(f)
	f.Fuzz(func(t *testing.T, line string) {
		l := parseLine(line)
		if l.Severity != "I" && l.Severity != "W" && l.Severity != "E" {
			t.Fatalf("%q: severity %q", line, l.Severity)
		}
		if !strings.HasPrefix(line, "{") && !strings.HasSuffix(line, l.Text) {
			t.Fatalf("%q became %q", line, l.Text)
		}
		var o struct{ Msg string }
		if utf8.ValidString(line) && json.Unmarshal([]byte(line), &o) == nil && o.Msg != "" && !strings.HasPrefix(l.Text, `"`) {
			t.Fatalf("%q became %q", line, l.Text)
		}
	})
}

// An error is found in lines that have one, and is part of the line.
func FuzzErrorOf(f *testing.F) {
	logSeeds(f)
	f.Fuzz(func(t *testing.T, line string) {
		e, ok := errorOf(line)
		if !ok && e != "" {
			t.Fatalf("%q: %q and no error", line, e)
		}
		if ok && !strings.ContainsAny(line[:1], "EF{") {
			t.Fatalf("%q: not a line of an error", line)
		}
		if ok && len(e) > len(line)*len("\ufffd") {
			t.Fatalf("%q: %q is not of this line", line, e)
		}
	})
}

// The error that ended a kubelet is not always the last that it logged.
func TestFatalError(t *testing.T) {
	g := NewWithT(t)
	line := func(msg, err string) string { return `{"ts":1,"msg":"` + msg + `","err":"` + err + `"}` }
	g.Expect(fatalError(strings.Join([]string{
		line("Failed to start ContainerManager", "start cpu manager error: x"), line("Error getting node", `node \"lab\" not found`), "",
	}, "\n"))).To(Equal("start cpu manager error: x"))
	g.Expect(fatalError(line("one", "a") + "\n" + line("two", "b"))).To(Equal("b"))
	g.Expect(fatalError("panic: runtime error: x\n\ngoroutine 1 [running]:")).To(Equal("panic: runtime error: x"))
	g.Expect(fatalError("")).To(BeEmpty())
}

// Objects, errors that are none and lines in klog's text format read as klog
// writes them.
func TestLogLines(t *testing.T) {
	g := NewWithT(t)
	for line, want := range map[string]observe.LogLine{
		`{"msg":"m","v":2,"pod":{"name":"a","namespace":"default"},"node":{"name":"n"},"other":{"x":1}}`:  {Severity: "I", Verbosity: 2, Text: `"m" node="n" other={"x":1} pod="default/a"`},
		`{"msg":"m","v":2,"pods":[{"name":"a","namespace":"x"},{"name":"b","namespace":"x"}],"list":[1]}`: {Severity: "I", Verbosity: 2, Text: `"m" list=[1] pods=["x/a","x/b"]`},
		`{"msg":"m","err":null}`:                          {Severity: "E", Text: `"m" err="<nil>"`},
		`W1123 17:00:00.000000       1 a.go:1] "careful"`: {Severity: "W", Text: `"careful"`},
		`F1123 17:00:00.000000       1 a.go:1] over`:      {Severity: "E", Text: `over`},
		`a line`: {Severity: "I", Text: "a line"},
	} {
		g.Expect(parseLine(line)).To(Equal(want), line)
	}
}
