package report_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/observe"
)

func result(scenario, profile, variant string, v scenarios.Verdict, reason string) scenarios.Result {
	r := scenarios.Result{Scenario: scenario, Profile: profile, Variant: variant, Verdict: v, Reason: reason, Target: "sim", KubeletVersion: "v1.37.2", DurationSeconds: 0.5}
	r.Steps = []observe.Step{}
	return r
}

func suiteReport(shard string, runs int, results []scenarios.Result) scenarios.RunReport {
	r := scenarios.NewRunReport(report.Comparable(results))
	r.Suite = &scenarios.SuiteInfo{Name: "s", Runs: runs, Digest: "d", Keys: "k", Shard: shard}
	return r
}

func text(t interface{ Fatal(...any) }, r scenarios.RunReport) string {
	var b bytes.Buffer
	if err := report.JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// However a suite is cut into shards, and in whatever order they are merged: the
// bytes are those of one run.
func TestMergeIsOneRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "runs")
		all := make([]scenarios.Result, n)
		for i := range all {
			v := rapid.SampledFrom([]scenarios.Verdict{scenarios.Pass, scenarios.Fail, scenarios.Skip, scenarios.Hang}).Draw(t, "verdict")
			all[i] = result(fmt.Sprint("s", i%7), fmt.Sprint("p", i%5), fmt.Sprint(i), v, string(v))
		}
		shards := rapid.IntRange(1, 8).Draw(t, "shards")
		parts := make([]report.Part, shards)
		cut := make([][]scenarios.Result, shards)
		for i := range all {
			at := all[i].Key().Shard(shards)
			cut[at] = append(cut[at], all[i])
		}
		for i := range parts {
			// Through the file, as in CI.
			data := text(t, suiteReport(fmt.Sprintf("%d/%d", i+1, shards), n, cut[i]))
			r, err := report.Read([]byte(data), "x")
			if err != nil {
				t.Fatal(err)
			}
			parts[i] = report.Part{Name: fmt.Sprint(i), Report: r}
		}
		merged, err := report.Merge(rapid.Permutation(parts).Draw(t, "order"))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := text(t, merged), text(t, suiteReport("", n, all)); got != want {
			t.Fatalf("merged:\n%s\none run:\n%s", got, want)
		}
		keys := make([]scenarios.Key, n)
		for i := range all {
			keys[i] = all[i].Key()
		}
		merged.Suite.Keys = scenarios.KeysDigest(keys)
		if err := report.Complete(merged); err != nil {
			t.Fatal(err)
		}
		merged.Results[0].Scenario = "another"
		if report.Complete(merged) == nil {
			t.Fatal("a run in the place of another is none of the suite")
		}
	})
}

func TestMergeRefuses(t *testing.T) {
	g := gomega.NewWithT(t)
	a := suiteReport("1/2", 2, []scenarios.Result{result("a", "p", "", scenarios.Pass, "")})
	other := suiteReport("2/2", 2, []scenarios.Result{result("a", "p", "", scenarios.Fail, "x")})
	_, err := report.Merge([]report.Part{{Name: "1.json", Report: a}, {Name: "2.json", Report: other}})
	g.Expect(err).To(gomega.MatchError("a on p: pass in 1.json and fail in 2.json"))
	other.Suite.Digest = "e"
	_, err = report.Merge([]report.Part{{Name: "1.json", Report: a}, {Name: "2.json", Report: other}})
	g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("1.json and 2.json are not parts of one run")))
	other.Suite = nil
	_, err = report.Merge([]report.Part{{Name: "1.json", Report: a}, {Name: "2.json", Report: other}})
	g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("2.json: not the report of a suite")))
	merged, err := report.Merge([]report.Part{{Name: "1.json", Report: a}})
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(report.Complete(merged)).To(gomega.MatchError("1 of the suite's 2 runs are in none of the files"))
	g.Expect(report.NothingRan(merged)).To(gomega.BeFalse())
	g.Expect(report.NothingRan(suiteReport("", 1, []scenarios.Result{result("a", "p", "", scenarios.Skip, "x")}))).To(gomega.BeTrue())
	for want, results := range map[string][]scenarios.Result{
		`verdict "weird"`:       {result("a", "p", "", "weird", "")},
		"a on p is there twice": {result("a", "p", "", scenarios.Pass, ""), result("a", "p", "", scenarios.Pass, "")},
	} {
		_, err := report.Read([]byte(text(t, suiteReport("", 2, results))), "x.json")
		g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(want)))
	}
	for _, bad := range []string{"", "{", "[]", `{"kind":"RunReport"}`, `{"apiVersion":"pinlab/v1alpha1","kind":"RunReport"} x`} {
		_, err := report.Read([]byte(bad), "x.json")
		g.Expect(err).To(gomega.MatchError(gomega.HavePrefix("x.json: ")), bad)
	}
}

func TestBaseline(t *testing.T) {
	g := gomega.NewWithT(t)
	was := []scenarios.Result{
		result("b", "p", "strict,none", scenarios.Fail, "step 3 (line 12), expect: no"),
		result("a", "p", "", scenarios.Hang, "too long"),
		result("c", "p", "", scenarios.Pass, ""),
		result("d", "p", "", scenarios.Fail, "x"),
	}
	data, err := report.MarshalBaseline(report.NewBaseline(was))
	g.Expect(err).NotTo(gomega.HaveOccurred())
	b, err := report.ParseBaseline(data, "known.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	now := []scenarios.Result{
		result("b", "p", "strict,none", scenarios.Fail, "step 3 (line 14), expect: no"), // a comment came
		result("b", "p", "strict,best-effort", scenarios.Fail, "step 3 (line 14), expect: no"),
		result("a", "p", "", scenarios.Hang, "too long"),
		result("c", "p", "", scenarios.Fail, "new"),
		result("d", "p", "", scenarios.Pass, ""),
	}
	gone := b.Apply(now)
	g.Expect(gone).To(gomega.HaveLen(1))
	g.Expect(gone[0].Scenario).To(gomega.Equal("d"))
	known := []bool{}
	for _, r := range now {
		known = append(known, r.Known)
	}
	g.Expect(known).To(gomega.Equal([]bool{true, false, true, false, false}))
	other := slices.Clone(now[:1])
	other[0].Known, other[0].Reason = false, "step 5 (line 30), expect: something else"
	b.Apply(other)
	g.Expect(other[0].Known).To(gomega.BeFalse(), "another reason is a new failure")
	for _, bad := range []string{"", "kind: Baseline", "x: 1", "apiVersion: pinlab/v1alpha1\nkind: Baseline\nfailures: [{scenario: a, verdict: pass}]"} {
		_, err := report.ParseBaseline([]byte(bad), "known.yaml")
		g.Expect(err).To(gomega.MatchError(gomega.HavePrefix("known.yaml: ")), bad)
	}
}

// What CI shows: annotations, the job summary, a suite's table, JUnit.
func TestCIFormats(t *testing.T) {
	g := gomega.NewWithT(t)
	fail := result("any-core", "xeon-2s24c-smt2", "strict,none", scenarios.Fail, "step 2 (line 9), expect: container a/app: assigned 1, want 2")
	fail.File, fail.Reproducer = "matrix/any-core.yaml", `pinlab run any-core --profile xeon-2s24c-smt2 --config '{"cpuManagerPolicy":"static"}'`
	fail.Corpus = true
	fail.Steps = []observe.Step{{Index: 2, Line: 9, Event: "expect", Failures: []string{"container a/app: assigned 1, want 2", "100%\nof it | <b>"}}}
	known := result("b", "p", "", scenarios.Fail, "as ever")
	known.Known = true
	flaky := result("c", "p", "", scenarios.Fail, "flaky: replay 2 of 3 differs from the first: step 1, reboot")
	flaky.Flaky, flaky.Failures = true, []string{flaky.Reason}
	r := suiteReport("2/8", 6, []scenarios.Result{
		fail, known, flaky, result("d", "p", "", scenarios.Pass, ""),
		result("e", "p", "", scenarios.Skip, "needs 4 CPUs, p has 2"), result("f", "p", "", scenarios.Skip, "needs 4 CPUs, p has 2"),
	})
	var b bytes.Buffer
	for _, part := range []struct {
		name  string
		write func() error
	}{
		{"github", func() error { return report.GitHub(&b, r, filepath.Clean) }},
		{"summary", func() error { return report.Summary(&b, r) }},
		{"table", func() error { return report.SuiteTable(&b, r, report.TableOptions{}) }},
		{"junit", func() error { return report.JUnit(&b, r) }},
	} {
		fmt.Fprintf(&b, "=== %s\n", part.name)
		g.Expect(part.write()).To(gomega.Succeed())
	}
	const file = "testdata/ci.golden"
	if *update {
		g.Expect(os.WriteFile(file, b.Bytes(), 0o644)).To(gomega.Succeed())
	}
	want, err := os.ReadFile(file)
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(b.String()).To(gomega.Equal(string(want)), "run with -update to accept")
}

// Where there is no room for all, what the baseline knows is left out, and the summary
// keeps to GitHub's limit.
func TestCIFormatsAreBounded(t *testing.T) {
	g := gomega.NewWithT(t)
	var results []scenarios.Result
	for i := range 3000 {
		r := result(fmt.Sprint("s", i), "p", "", scenarios.Fail, strings.Repeat("<", 5000))
		r.Known = i < 2999
		r.File, r.Reproducer = "mine/s.yaml", strings.Repeat("x", 5000)
		results = append(results, r)
	}
	var b bytes.Buffer
	g.Expect(report.GitHub(&b, suiteReport("", 3000, results), filepath.Clean)).To(gomega.Succeed())
	g.Expect(b.String()).To(gomega.HavePrefix("::error file=mine/s.yaml,title=FAIL  s2999 on p"))
	b.Reset()
	g.Expect(report.Summary(&b, suiteReport("", 3000, results))).To(gomega.Succeed())
	g.Expect(b.Len()).To(gomega.BeNumerically("<", 1<<20))
}

// FuzzParseBaseline looks for baselines that make the reader panic.
func FuzzParseBaseline(f *testing.F) {
	data, _ := report.MarshalBaseline(report.NewBaseline([]scenarios.Result{result("a", "p", "v", scenarios.Fail, "x")}))
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := report.ParseBaseline(data, "x")
		if err != nil {
			return
		}
		again, err := report.MarshalBaseline(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := report.ParseBaseline(again, "x"); err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
	})
}
