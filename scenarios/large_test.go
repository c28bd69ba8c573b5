package scenarios

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/onsi/gomega"
)

// TestLargeInputsTakeNoTime gives the loader files of a megabyte that would be
// dear if any part of it were not linear: those that take long are compared with
// a quarter of themselves, which takes a quarter of the time and, were it
// quadratic, a sixteenth.
func TestLargeInputsTakeNoTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const size = 1 << 20
	whole, quarter := largeInputs(size), largeInputs(size/4)
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		took, err := timeToParse(whole[name])
		t.Logf("%-22s %v", name, took.Round(time.Millisecond))
		g := gomega.NewWithT(t)
		if took > time.Second {
			less, _ := timeToParse(quarter[name])
			g.Expect(float64(took)/float64(less)).To(gomega.BeNumerically("<", 10), name)
		}
		if err != nil {
			g.Expect(len(flatten(err))).To(gomega.BeNumerically("<=", maxProblems+1), name)
		}
	}
}

// timeToParse is the processor time that a file takes.
func timeToParse(file string) (time.Duration, error) {
	runtime.GC()
	start := processorTime()
	_, err := strictHooks().Parse([]byte(file), "x")
	return processorTime() - start, err
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// largeInputs are files of about that many bytes.
func largeInputs(size int) map[string]string {
	count := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	same := func(text string) string { return strings.Repeat(text, size/len(text)) }
	pod := "- createPod: {name: a, containers: [{name: app}]}\n"
	return map[string]string{
		"brackets":              same("["),
		"question marks":        same("? "),
		"items":                 withSteps(same("- a\n")),
		"documents":             same("---\n"),
		"unknown fields":        count("k%d: v\n"),
		"the same field":        same("k: v\n"),
		"unknown events":        withSteps(count("- ev%d: {}\n")),
		"pods":                  withSteps(count("- createPod: {name: p%d, containers: [{name: app}]}\n")),
		"unknown pods":          withSteps(count("- deletePod: p%d\n")),
		"replicas":              withSteps(count("- createPod: {name: p%d, replicas: 1000, containers: [{name: app}]}\n")),
		"containers":            withSteps("- createPod:\n    name: a\n    containers:\n" + count("    - {name: c%d}\n")),
		"expected containers":   withSteps(pod + "- expect:\n    containers:\n" + count("      a/c%d: {}\n")),
		"wrong expectations":    withSteps(pod + "- expect:\n    containers:\n" + count("      a/app%d: {exclusiv: 1}\n")),
		"expressions":           withSteps("- expect:\n    cel:\n" + count("    - kubelet == \"%d\"\n")),
		"one long expression":   withSteps("- expect: {cel: '" + same("1+") + "1==1'}\n"),
		"a CPU list":            withSteps("- offlineCPUs: \"" + same("0,") + "0\"\n"),
		"a large configuration": strings.Replace(withSteps("- startKubelet: {config: {a: 1}}\n"), "steps:", "kubelet:\n"+count("  k%d: 1\n")+"steps:", 1),
		"configurations":        withSteps(count("- restartKubelet: {config: {k%d: 1}}\n")),
	}
}
