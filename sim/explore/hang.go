package explore

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/observe"
)

// maxStack bounds the stacks of a hang.
const maxStack = 64 << 10

// replayFrame is in the stack of the goroutine that replays.
const replayFrame = "sim/explore.(*Runner).Replay("

// goroutines are the stacks of this process, of those in the managers when there are
// any: where a replay hangs. That which replays comes first.
func goroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var in []string
	for one := range strings.SplitSeq(string(buf), "\n\n") {
		switch {
		case !strings.Contains(one, "k8s.io/kubernetes/pkg/kubelet/cm"):
		case strings.Contains(one, replayFrame):
			in = slices.Insert(in, 0, one)
		default:
			in = append(in, one)
		}
	}
	text := strings.Join(in, "\n\n")
	if text == "" {
		text = string(buf)
	}
	return text[:min(len(text), maxStack)]
}

// Code that runs for ever is somewhere else each time it is looked at, below a function
// that it does not come back from.
const (
	hangLooks = 8
	hangPause = 3 * time.Millisecond
	// hangFrames are those of a hang's path.
	hangFrames = 2
)

// hangPath are the innermost functions of the managers that a hanging replay stays in.
func hangPath(stack string, look func() string) []string {
	stays := managerFrames(stack)
	for range hangLooks {
		time.Sleep(hangPause)
		stays = sameCallers(stays, managerFrames(look()))
	}
	return stays[:min(len(stays), hangFrames)]
}

// sameCallers are the outermost functions that two stacks have in common.
func sameCallers(a, b []string) []string {
	n := 0
	for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return a[len(a)-n:]
}

// managerFrames are the functions of the managers in the first stack of a dump, the
// innermost first. One that calls itself is there once.
func managerFrames(dump string) (out []string) {
	first, _, _ := strings.Cut(dump, "\n\n")
	for line := range strings.Lines(first) {
		end := strings.LastIndex(line, "(")
		if strings.HasPrefix(line, "\t") || end < 0 {
			continue
		}
		name, ok := kubelet.ManagerFunction(line[:end])
		if ok && (len(out) == 0 || out[len(out)-1] != name) {
			out = append(out, name)
		}
	}
	return out
}

// recent are the log lines of the event in which a replay hangs, the last of them.
func (l *Local) recent() []string {
	box, _ := l.current.Load().(nodeBox)
	node, ok := box.Node.(interface {
		Recent(most int) []observe.LogLine
	})
	if !ok {
		return nil
	}
	var out []string
	for _, line := range node.Recent(maxLogLines) {
		out = append(out, logText(line))
	}
	return out
}
