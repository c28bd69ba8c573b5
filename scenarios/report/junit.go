package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/jstemmer/go-junit-report/v2/junit"

	"github.com/pinlab/pinlab/scenarios"
)

// JUnit writes the report as JUnit XML: one test suite, a test case for each
// scenario and profile.
func JUnit(w io.Writer, r scenarios.RunReport) error {
	suite := junit.Testsuite{Name: "pinlab"}
	if r.Suite != nil {
		suite.Name = "pinlab." + r.Suite.Name
	}
	total := 0.0
	for i := range r.Results {
		res := &r.Results[i]
		total += res.DurationSeconds
		suite.AddTestcase(testcase(res))
	}
	suite.Time = seconds(total)
	if len(r.Results) > 0 {
		suite.AddProperty("kubelet", r.Results[0].KubeletVersion)
		suite.AddProperty("target", r.Results[0].Target)
	}
	all := junit.Testsuites{Name: "pinlab", Time: seconds(total)}
	all.AddSuite(suite)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	return all.WriteXML(w)
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

func testcase(r *scenarios.Result) junit.Testcase {
	c := junit.Testcase{
		Name: r.Key().String(), Classname: "pinlab." + r.Target, Time: seconds(r.DurationSeconds),
	}
	var text strings.Builder
	for _, line := range troubles(r) {
		fmt.Fprintln(&text, line)
	}
	if r.Reproducer != "" {
		fmt.Fprintln(&text, "reproduce: "+r.Reproducer)
	}
	if r.Stack != "" {
		fmt.Fprintln(&text, strings.TrimRight(r.Stack, "\n"))
	}
	result := &junit.Result{Message: r.Reason, Type: string(r.Verdict), Data: xmlSafe(text.String())}
	result.Message = xmlSafe(result.Message)
	switch {
	case r.Known:
		c.Skipped = &junit.Result{Message: "known to the baseline: " + result.Message}
		return c
	case r.Flaky:
		result.Type = "flaky"
	}
	switch r.Verdict {
	case scenarios.Pass:
	case scenarios.Skip:
		c.Skipped = &junit.Result{Message: result.Message}
	case scenarios.Fail:
		c.Failure = result
	default:
		c.Error = result
	}
	return c
}

// troubles lists what a result has to complain about, a line each, beginning
// with the place in the scenario file.
func troubles(r *scenarios.Result) []string {
	var lines []string
	for i := range r.Steps {
		s := &r.Steps[i]
		at := fmt.Sprintf("%sstep %d, %s: ", place(r, s.Line), s.Index, s.Event)
		for _, f := range s.Failures {
			lines = append(lines, at+f)
		}
		if s.Skipped != "" {
			lines = append(lines, at+"skipped: "+s.Skipped)
		}
	}
	return append(lines, r.Closing()...)
}

// place is "file:line: ", as far as it is known.
func place(r *scenarios.Result, line int) string {
	switch {
	case r.File == "":
		return ""
	case line == 0:
		return r.File + ": "
	default:
		return fmt.Sprintf("%s:%d: ", r.File, line)
	}
}

// xmlSafe takes out what XML cannot hold: control characters that a broken
// state file may have brought into an error text.
func xmlSafe(text string) string {
	return strings.Map(func(r rune) rune {
		if (r < ' ' && r != '\n' && r != '\t') || r == 0xFFFE || r == 0xFFFF {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
