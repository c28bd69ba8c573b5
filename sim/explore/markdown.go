package explore

import (
	"fmt"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// maxLogLines bounds the log in a report.
const maxLogLines = 40

// markdown is a finding as an issue for upstream.
func (sv Saver) markdown(f *Finding, scenario []byte, testErr error) string {
	var b strings.Builder
	_, harm := Harm(f.Cause.Broken)
	fmt.Fprintf(&b, "# %s\n\n", title(f))
	fmt.Fprintf(&b, "**What happens:** %s. %s\n\n", harm, f.Hit.Text)
	if f.Known != nil {
		fmt.Fprintf(&b, "**Known:** %s: %s. %s\n\n", f.Known.Name, f.Known.Why, f.Known.Issue)
	}
	fmt.Fprintf(&b, "**Version:** Kubernetes %s, `k8s.io/kubernetes/pkg/kubelet/cm`\n\n", sv.KubeletVersion)
	if len(f.Cause.Path) > 0 {
		b.WriteString("**Where:**\n\n")
		for _, function := range f.Cause.Path {
			fmt.Fprintf(&b, "- `%s`\n", function)
		}
		b.WriteString("\n")
	}
	for _, e := range f.Cause.Errors {
		fmt.Fprintf(&b, "**Error:** %s\n\n", e)
	}
	fmt.Fprintf(&b, "**Needed for it:** %s\n\n", strings.Join(f.Needs, ", "))
	if also := alsoTexts(f.Also); len(also) > 0 {
		fmt.Fprintf(&b, "**Also with:**\n\n- %s\n\n", strings.Join(also, "\n- "))
	}
	b.WriteString("**How to reproduce it:**\n\n")
	for i := range f.Scenario.Steps {
		if e := f.Scenario.Steps[i].Event; e != nil {
			fmt.Fprintf(&b, "1. %s\n", e)
		}
	}
	fmt.Fprintf(&b, "\non a machine with %s and this kubelet configuration:\n\n```json\n%s\n```\n\n", f.Scenario.Profile, f.Scenario.Kubelet)
	if f.Follows() {
		fmt.Fprintf(&b, "What goes wrong first is: %s.\n\n", f.Root)
	}
	if f.Hit.Stack != "" {
		fmt.Fprintf(&b, "**Stack:**\n\n```\n%s\n```\n\n", clipLines(f.Hit.Stack, maxLogLines))
	}
	sv.log(&b, f)
	if testErr == nil {
		b.WriteString("`repro_test.go` is a test of the managers alone that fails as long as this can happen " +
			"(`go test -mod=mod -run TestRepro .`, with the `go.mod` of the folder above).\n\n")
	} else {
		fmt.Fprintf(&b, "There is no test of the managers alone: %v.\n\n", testErr)
	}
	fmt.Fprintf(&b, "The same as a scenario for `pinlab run`:\n\n```yaml\n%s```\n", scenario)
	return b.String()
}

func title(f *Finding) string {
	text, _, _ := strings.Cut(f.Hit.Text, "\n")
	return fmt.Sprintf("%s: %s", f.Cause.Broken, text)
}

func (sv Saver) log(b *strings.Builder, f *Finding) {
	if f.Cause.Broken == BrokenHang {
		writeLog(b, f.Hit.Log)
		return
	}
	if sv.Trace == nil || f.Cause.Broken == BrokenCrash {
		return
	}
	var lines []string
	for _, step := range sv.Trace(f.Scenario) {
		if len(step.Log) == 0 {
			continue
		}
		lines = append(lines, "-- "+step.Event)
		for _, l := range step.Log {
			lines = append(lines, logText(l))
		}
	}
	writeLog(b, lines)
}

// writeLog writes log lines, the last ones when there are many.
func writeLog(b *strings.Builder, lines []string) {
	if len(lines) == 0 {
		return
	}
	if more := len(lines) - maxLogLines; more > 0 {
		lines = append([]string{fmt.Sprintf("(%d lines before)", more)}, lines[more:]...)
	}
	fmt.Fprintf(b, "**Log:**\n\n```\n%s\n```\n\n", strings.Join(lines, "\n"))
}

func logText(l observe.LogLine) string { return l.Severity + " " + l.Text }

func clipLines(text string, most int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) > most {
		lines = append(lines[:most], "...")
	}
	return strings.Join(lines, "\n")
}
