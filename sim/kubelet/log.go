package kubelet

import (
	"bytes"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2/textlogger"

	"github.com/pinlab/pinlab/sim/observe"
)

// recorder keeps the log lines of a lifetime as they were given and renders
// them only when asked: formatting costs more than most of what is logged.
// Upstream logs values that it does not change afterwards.
type recorder struct {
	mu        sync.Mutex
	verbosity int
	lines     []logEntry
	// hook is called before a line is kept; it lets the lifetime see where
	// upstream is.
	hook func(msg string)
}

type logEntry struct {
	level int
	err   error
	isErr bool
	msg   string
	kv    []any
}

func (r *recorder) take() []logEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = nil
	return lines
}

// msgPeriod is the line in which the CPU manager tells its reconcile period.
const msgPeriod = "Reconciling"

// sink is the logr end of a recorder with the values of With-calls.
type sink struct {
	r      *recorder
	values []any
}

var _ logr.LogSink = sink{}

func (s sink) Init(logr.RuntimeInfo)  {}
func (s sink) Enabled(level int) bool { return level <= s.r.verbosity }

func (s sink) Info(level int, msg string, kv ...any) {
	s.add(logEntry{level: level, msg: msg, kv: kv})
}

func (s sink) Error(err error, msg string, kv ...any) {
	s.add(logEntry{isErr: true, err: err, msg: msg, kv: kv})
}

func (s sink) add(e logEntry) {
	if s.r.hook != nil {
		s.r.hook(e.msg)
	}
	if e.msg == msgPeriod {
		return // the harness's period, not the configuration's
	}
	if len(s.values) > 0 {
		e.kv = append(s.values[:len(s.values):len(s.values)], e.kv...)
	}
	s.r.mu.Lock()
	s.r.lines = append(s.r.lines, e)
	s.r.mu.Unlock()
}

func (s sink) WithValues(kv ...any) logr.LogSink {
	return sink{r: s.r, values: append(s.values[:len(s.values):len(s.values)], kv...)}
}

// WithName drops the name: it says which part of the kubelet speaks, and the
// text format puts it into the message.
func (s sink) WithName(string) logr.LogSink { return s }

// render formats lines as klog's text format does, without the header.
func render(lines []logEntry) []observe.LogLine {
	if len(lines) == 0 {
		return nil
	}
	var buf bytes.Buffer
	out := make([]observe.LogLine, 0, len(lines))
	logger := textlogger.NewLogger(textlogger.NewConfig(
		textlogger.Output(&buf), textlogger.Verbosity(10), textlogger.FixedTime(time.Unix(0, 0))))
	text := logger.GetSink()
	for _, l := range lines {
		buf.Reset()
		line := observe.LogLine{Severity: "I", Verbosity: l.level}
		if l.isErr {
			line.Severity = "E"
			text.Error(l.err, l.msg, l.kv...)
		} else {
			text.Info(l.level, l.msg, l.kv...)
		}
		s := strings.TrimRight(buf.String(), "\n")
		if _, rest, ok := strings.Cut(s, "] "); ok {
			s = rest
		}
		line.Text = s
		out = append(out, line)
	}
	return out
}
