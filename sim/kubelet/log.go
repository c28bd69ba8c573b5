package kubelet

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager/bitmask"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/sim/observe"
)

// recorder keeps the log lines of a lifetime as they were given and renders
// them only when asked: formatting costs more than most of what is logged.
// Upstream logs values that it does not change afterwards.
type recorder struct {
	mu        sync.Mutex
	verbosity int
	lines     []logEntry
	spare     []logEntry
	// What render needs, kept for the next time.
	text  bytes.Buffer
	ends  []int
	pairs []any
	// hook is called before a line is kept; it lets the lifetime see where
	// upstream is.
	hook func(msg string)
	// paths, when set, tells where upstream logged a line.
	paths *Paths
}

type logEntry struct {
	level int
	err   error
	isErr bool
	msg   string
	// values are those of With-calls; they come before kv.
	values, kv []any
	path       *codePath
}

func (r *recorder) take() []logEntry {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.lines
	r.lines = r.spare[:0]
	r.spare = nil
	return lines
}

// reuse gives back what take returned.
func (r *recorder) reuse(lines []logEntry) {
	clear(lines)
	r.mu.Lock()
	r.spare = lines
	r.mu.Unlock()
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

// framesToUpstream are those of add, Info or Error, and logr's own.
const framesToUpstream = 3

func (s sink) add(e logEntry) {
	if s.r.hook != nil {
		s.r.hook(e.msg)
	}
	if e.msg == msgPeriod {
		return // the harness's period, not the configuration's
	}
	e.values = s.values
	if s.r.paths != nil {
		e.path = s.r.paths.of(e.msg, e.isErr, framesToUpstream)
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

// render formats lines as klog's text format does, without the header. Their
// texts are parts of one. It may not run twice at a time.
func (r *recorder) render(lines []logEntry) []observe.LogLine {
	if len(lines) == 0 {
		return nil
	}
	buf := &r.text
	buf.Reset()
	out := make([]observe.LogLine, len(lines))
	r.ends = r.ends[:0]
	for i, l := range lines {
		if len(l.values) > 0 {
			r.pairs = append(append(r.pairs[:0], l.values...), l.kv...)
			l.kv = r.pairs
		}
		out[i] = observe.LogLine{Severity: "I", Verbosity: l.level}
		if l.isErr {
			out[i].Severity = "E"
		}
		start := buf.Len()
		if !renderPlain(buf, l) {
			buf.Truncate(start)
			buf.WriteString(renderFull(l))
		}
		r.ends = append(r.ends, buf.Len())
	}
	clear(r.pairs)
	text, start := buf.String(), 0
	for i, end := range r.ends {
		out[i].Text, start = text[start:end], end
	}
	return out
}

// statement is a line without its values.
func (e *logEntry) statement() observe.Statement {
	s := observe.Statement{Message: e.msg, Error: e.isErr}
	if e.path == nil {
		if e.msg == msgHints {
			s.Pod, s.Refused = e.refused()
		}
		return s
	}
	s.Path, s.Write = e.path.functions, e.path.write
	named(&s, e.values)
	named(&s, e.kv)
	return s
}

// named puts the pod and the container of a line's values into its statement.
func named(s *observe.Statement, kv []any) {
	for i := 0; i+1 < len(kv); i += 2 {
		key, ok := kv[i].(string)
		if !ok {
			continue
		}
		switch value := kv[i+1].(type) {
		case string:
			switch key {
			case "podUID":
				s.Pod = value
			case "containerName":
				s.Container = value
			}
		case types.UID:
			if key == "podUID" {
				s.Pod = string(value)
			}
		case klog.ObjectRef:
			if key == "pod" && s.Pod == "" {
				s.Pod = value.Name
			}
		}
	}
}

// refused are the resources that a provider could give no hint for, and whose they are.
func (e *logEntry) refused() (pod string, out []string) {
	for i := 0; i+1 < len(e.kv); i += 2 {
		switch v := e.kv[i+1].(type) {
		case klog.ObjectRef:
			pod = v.Name
		case map[string][]topologymanager.TopologyHint:
			for resource, list := range v {
				if list != nil && len(list) == 0 {
					out = append(out, resource)
				}
			}
		}
	}
	slices.Sort(out)
	return pod, out
}

// renderFull asks klog itself.
func renderFull(l logEntry) string {
	var buf bytes.Buffer
	text := textlogger.NewLogger(textlogger.NewConfig(
		textlogger.Output(&buf), textlogger.Verbosity(10), textlogger.FixedTime(time.Unix(0, 0)))).GetSink()
	if l.isErr {
		text.Error(l.err, l.msg, l.kv...)
	} else {
		text.Info(l.level, l.msg, l.kv...)
	}
	s := strings.TrimRight(buf.String(), "\n")
	if _, rest, ok := strings.Cut(s, "] "); ok {
		s = rest
	}
	return s
}

// renderPlain is a short cut for the lines without anything unusual, which are
// nearly all; it says false for the others. klog's own text logger spends most
// of its time on the header, which is thrown away here. A test compares the
// two.
func renderPlain(buf *bytes.Buffer, l logEntry) bool {
	if len(l.kv)%2 != 0 || strings.Contains(l.msg, "\n") {
		return false
	}
	writeQuoted(buf, l.msg)
	if l.err != nil && !writePair(buf, "err", l.err) {
		return false
	}
	for i := 0; i < len(l.kv); i += 2 {
		key, ok := l.kv[i].(string)
		if !ok {
			return false
		}
		twice := false
		for j := 0; j < i; j += 2 {
			if l.kv[j] != key {
				continue
			}
			// klog says the same pair once; of two values it drops one.
			first, ok := l.kv[j+1].(string)
			if second, same := l.kv[i+1].(string); !ok || !same || first != second {
				return false
			}
			twice = true
		}
		if !twice && !writePair(buf, key, l.kv[i+1]) {
			return false
		}
	}
	return true
}

func writePair(buf *bytes.Buffer, key string, value any) bool {
	buf.WriteByte(' ')
	buf.WriteString(key)
	buf.WriteByte('=')
	text := ""
	switch v := value.(type) {
	case string:
		text = v
	case cpuset.CPUSet:
		text = string(observe.FromSet(v))
	case klog.ObjectRef:
		text = v.String()
	case bitmask.BitMask:
		text = v.String()
	case error:
		text = v.Error()
	case topologymanager.TopologyHint:
		writeHint(buf, v)
		return true
	case []topologymanager.TopologyHint:
		writeHints(buf, v)
		return true
	case map[string][]topologymanager.TopologyHint:
		writeHintMap(buf, v)
		return true
	case int:
		buf.Write(strconv.AppendInt(buf.AvailableBuffer(), int64(v), 10))
		return true
	case bool:
		buf.Write(strconv.AppendBool(buf.AvailableBuffer(), v))
		return true
	case types.UID: // JSON, as any type that klog does not know
		return writeJSON(buf, string(v))
	case lifecycle.Operation:
		return writeJSON(buf, string(v))
	default:
		return false
	}
	if !plain(text) && strings.Contains(text, "\n") {
		return false
	}
	writeQuoted(buf, text)
	return true
}

// plain says that a text is the same between quotes, for strconv and in JSON.
func plain(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func writeQuoted(buf *bytes.Buffer, text string) {
	if !plain(text) {
		buf.Write(strconv.AppendQuote(buf.AvailableBuffer(), text))
		return
	}
	buf.WriteByte('"')
	buf.WriteString(text)
	buf.WriteByte('"')
}

func writeJSON(buf *bytes.Buffer, text string) bool {
	if plain(text) {
		writeQuoted(buf, text)
		return true
	}
	if json.NewEncoder(buf).Encode(text) != nil {
		return false
	}
	buf.Truncate(buf.Len() - 1) // the encoder's line end
	return true
}

// The topology manager logs hints several times in every admission, as JSON.

func writeHint(buf *bytes.Buffer, h topologymanager.TopologyHint) {
	buf.WriteString(`{"NUMANodeAffinity":`)
	if h.NUMANodeAffinity == nil {
		buf.WriteString("null")
	} else {
		mask := uint64(0)
		for node, left := 0, h.NUMANodeAffinity.Count(); left > 0; node++ {
			if h.NUMANodeAffinity.IsSet(node) {
				mask |= 1 << node
				left--
			}
		}
		buf.Write(strconv.AppendUint(buf.AvailableBuffer(), mask, 10))
	}
	buf.WriteString(`,"Preferred":`)
	buf.Write(strconv.AppendBool(buf.AvailableBuffer(), h.Preferred))
	buf.WriteByte('}')
}

func writeHints(buf *bytes.Buffer, hints []topologymanager.TopologyHint) {
	if hints == nil {
		buf.WriteString("null")
		return
	}
	buf.WriteByte('[')
	for i, h := range hints {
		if i > 0 {
			buf.WriteByte(',')
		}
		writeHint(buf, h)
	}
	buf.WriteByte(']')
}

func writeHintMap(buf *bytes.Buffer, m map[string][]topologymanager.TopologyHint) {
	if m == nil {
		buf.WriteString("null")
		return
	}
	buf.WriteByte('{')
	for i, resource := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			buf.WriteByte(',')
		}
		buf.Write(strconv.AppendQuote(buf.AvailableBuffer(), resource))
		buf.WriteByte(':')
		writeHints(buf, m[resource])
	}
	buf.WriteByte('}')
}
