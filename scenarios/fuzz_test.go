package scenarios

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pinlab/pinlab/sim/observe"
)

// FuzzParse looks for files that make the loader panic or compute for ever, or
// whose errors do not name their place.
func FuzzParse(f *testing.F) {
	files, err := yamlFiles(Corpus())
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := fs.ReadFile(Corpus(), file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	everything, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(everything)
	for _, in := range badInputs() {
		if len(in[1]) < 1<<16 {
			f.Add([]byte(in[1]))
		}
	}
	for _, manifest := range []string{"testdata/manifests/several.yaml", "testdata/dir/one.yaml"} {
		data, err := os.ReadFile(manifest)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add([]byte(withSteps("- createPod:\n    manifest:\n      " + strings.ReplaceAll(string(data), "\n", "\n      "))))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		start := time.Now()
		s, err := strictHooks().Parse(data, "x.yaml")
		if took := time.Since(start); took > 5*time.Second {
			t.Fatalf("%d bytes took %v", len(data), took)
		}
		if (s == nil) == (err == nil) {
			t.Fatal("want a scenario or an error")
		}
		if err != nil {
			checkErrors(t, err, lines(string(data)))
			return
		}
		for i := range s.Steps {
			step := &s.Steps[i]
			if (step.Event == nil) == (step.Expect == nil) {
				t.Fatalf("step %d is neither event nor expectation, or both", i)
			}
			if step.Event != nil && strings.ContainsAny(step.Event.String(), "\n\r") {
				t.Fatalf("%q is more than one line", step.Event)
			}
			if step.Expect != nil {
				step.Expect.Check(t.Context(), Seen{Profile: newFake().profile})
			}
		}
	})
}

// lines counts as YAML does, to which more characters than one end a line.
func lines(text string) int {
	breaks := strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")
	return strings.Count(breaks.Replace(text), "\n") + 1
}

// checkErrors wants each error to be one line about a line of the file.
func checkErrors(t *testing.T, err error, lines int) {
	t.Helper()
	for _, err := range flatten(err) {
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
		if e.Line < 0 || e.Line > lines || e.Message == "" || strings.ContainsAny(e.Message, "\n\r") {
			t.Fatalf("%q of %d lines", e, lines)
		}
	}
}

// FuzzExpectCEL looks for expressions that panic.
func FuzzExpectCEL(f *testing.F) {
	for _, expr := range []string{
		`kubelet == "running"`, `containers.all(c, count(c.assigned) == c.requested)`, `cpus(sharedPool).map(x, x + 1) == []`,
		`container["a/app"].assigned == ""`, `overlaps(1, 2)`, `{`, `"\x00"`, `1 / 0 == 1`, `log.exists(l, l.matches("(a+)+$"))`,
	} {
		f.Add(expr)
	}
	env, err := newCELEnv()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		program, troubles := env.compile(expr)
		if (program == nil) == (len(troubles) == 0) {
			t.Fatal("want a program or a trouble")
		}
		if program == nil {
			return
		}
		e := Expect{CEL: []CELExpr{{Expr: expr, program: program}}}
		failures, _ := e.Check(t.Context(), Seen{Observation: observe.Observation{Kubelet: "running", SharedPool: "0-3"}})
		for _, failure := range failures {
			if strings.ContainsAny(failure, "\n") {
				t.Fatalf("%q is more than one line", failure)
			}
		}
	})
}
