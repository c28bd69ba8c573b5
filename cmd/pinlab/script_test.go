package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"pinlab": func() {
			os.Exit(run(context.Background(), os.Args[1:], stdio{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
		},
		readOnly: runReadOnly,
	})
}

// TestScripts runs the command line as a user does.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code": exitCode,
			"full": fullDisk,
		},
		RequireExplicitExec: true,
	})
}

// exitCode runs pinlab and checks its exit code: code 2 run nothing.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARGS...")
	}
	err := ts.Exec("pinlab", args[1:]...)
	got := "0"
	if err != nil {
		got = exitText(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// fullDisk runs pinlab with a standard output that takes nothing: full scenario list.
func fullDisk(ts *testscript.TestScript, _ bool, args []string) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		ts.Fatalf("%v", err)
	}
	defer full.Close()
	var stderr strings.Builder
	self, err := exec.LookPath("pinlab")
	if path, _, ok := strings.Cut(ts.Getenv("PATH"), string(os.PathListSeparator)); ok {
		self, err = filepath.Join(path, "pinlab"), nil
	}
	if err != nil {
		ts.Fatalf("%v", err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = ts.MkAbs("."), full, &stderr
	if err := cmd.Run(); err == nil || exitText(err) != strconv.Itoa(exitHarness) {
		ts.Fatalf("%v: %v, want exit code %d", args, err, exitHarness)
	}
	if want := "pinlab: write the output: write /dev/stdout: no space left on device\n"; stderr.String() != want {
		ts.Fatalf("%v: said %q, want %q", args, stderr.String(), want)
	}
}

func exitText(err error) string {
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}
