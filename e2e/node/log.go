package node

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/sim/observe"
)

// Log implements scenarios.Target. A log that cannot be read is reported by the
// next call that fails.
func (t *Target) Log() []observe.LogLine {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_ = t.readLog(ctx)
	lines := t.lines
	t.lines = nil
	return lines
}

// readLog takes in what the kubelet has logged since the last time. Lines about
// held updates tell of the harness, not of the kubelet.
func (t *Target) readLog(ctx context.Context) error {
	var l agent.Log
	if err := t.call(ctx, "ReadLog", t.logAt, &l); err != nil {
		return err
	}
	t.logAt = l.Next
	held := func(line observe.LogLine) bool { return strings.Contains(line.Text, agent.HeldText) }
	t.lines = append(t.lines, slices.DeleteFunc(l.Lines, held)...)
	return nil
}

// takenUp says which pod of before its start the kubelet has not taken up yet,
// by its log; empty when none. Those that it denied are marked: where containers
// of such a pod still run, its status says so only after the next round of house
// keeping has ended them.
func (t *Target) takenUp(ctx context.Context) (string, error) {
	if err := t.readLog(ctx); err != nil {
		return "", err
	}
	taken := map[*pod]bool{}
	for _, line := range t.lines {
		added, denied := strings.HasPrefix(line.Text, `"SyncLoop ADD"`), strings.HasPrefix(line.Text, `"Pod admission denied"`)
		if !added && !denied {
			continue
		}
		for _, p := range t.pods {
			if added && strings.Contains(line.Text, `"`+p.spec.Namespace+"/"+p.spec.Name+`"`) {
				taken[p] = true
			}
			if denied && strings.Contains(line.Text, `podUID="`+string(p.spec.UID)+`"`) {
				p.denied = &denial{reason: logged(line.Text, "reason"), message: logged(line.Text, "message")}
			}
		}
	}
	for _, p := range t.pods {
		if !p.gone && !taken[p] {
			return "the kubelet has not taken up pod " + p.spec.Name, nil
		}
	}
	return "", nil
}

// logged is the value of a key in a line of the kubelet's log; empty when the
// line does not have it.
func logged(line, key string) string {
	_, rest, ok := strings.Cut(line, " "+key+"=")
	if !ok {
		return ""
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		value, _, _ := strings.Cut(rest, " ")
		return value
	}
	value, _ := strconv.Unquote(quoted)
	return value
}
