package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/sim/observe"
)

// maxLog bounds one answer, in bytes of the log file.
const maxLog = 4 << 20

// ReadLog returns the kubelet's log lines from a position in its file on.
func (n *Node) ReadLog(from int64, l *Log) error {
	l.Next = from
	f, err := os.Open(kubeletLog)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxLog))
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(data, '\n') + 1 // the last line may not be whole
	for _, line := range strings.Split(strings.TrimSuffix(string(data[:end]), "\n"), "\n") {
		if line != "" {
			l.Lines = append(l.Lines, parseLine(line))
		}
	}
	l.Next = from + int64(end)
	return nil
}

// parseLine turns a line of the kubelet's JSON log into the form that klog
// gives it: the message in quotes, then key=value pairs in the order of the
// keys. Other lines stay as they are.
func parseLine(line string) observe.LogLine {
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	if !strings.HasPrefix(line, "{") || decoder.Decode(&fields) != nil {
		return textLine(line)
	}
	out := observe.LogLine{Severity: "I"}
	msg, _ := fields["msg"].(string)
	text := fmt.Sprintf("%q", msg)
	if v, ok := fields["v"].(json.Number); ok {
		n, _ := v.Int64()
		out.Verbosity = int(n)
	} else {
		out.Severity = "E" // errors have no verbosity
	}
	if err, ok := fields["err"]; ok {
		if err == nil {
			err = "<nil>" // as klog writes an error that is none
		}
		text += fmt.Sprintf(" err=%q", fmt.Sprint(err))
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch key {
		case "ts", "caller", "msg", "v", "err", "logger":
		default:
			text += " " + key + "=" + value(fields[key])
		}
	}
	out.Text = text
	return out
}

// klogHeader begins a line of klog's text format: severity, month and day, time,
// thread, file and line.
var klogHeader = regexp.MustCompile(`^([IWEF])\d{4} \S+ +\d+ \S+:\d+\] `)

// textLine is a line from before the kubelet has read how it shall log.
func textLine(line string) observe.LogLine {
	if m := klogHeader.FindStringSubmatch(line); m != nil {
		severity := m[1]
		if severity == "F" {
			severity = "E"
		}
		return observe.LogLine{Severity: severity, Text: line[len(m[0]):]}
	}
	return observe.LogLine{Severity: "I", Text: line}
}

// value is a value as klog writes it: objects of the API by namespace and name.
func value(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case json.Number:
		return v.String()
	case map[string]any:
		if ref, ok := objectRef(v); ok {
			return fmt.Sprintf("%q", ref)
		}
	case []any:
		var refs []string
		for _, item := range v {
			fields, _ := item.(map[string]any)
			ref, ok := objectRef(fields)
			if !ok {
				break
			}
			refs = append(refs, fmt.Sprintf("%q", ref))
		}
		if len(refs) == len(v) && len(v) > 0 {
			return "[" + strings.Join(refs, ",") + "]"
		}
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}

// objectRef is klog's form of an object that was logged by its name.
func objectRef(fields map[string]any) (string, bool) {
	name, ok := fields["name"].(string)
	if !ok {
		return "", false
	}
	namespace, ok := fields["namespace"].(string)
	switch {
	case ok && len(fields) == 2:
		return namespace + "/" + name, true
	case !ok && len(fields) == 1:
		return name, true
	}
	return "", false
}
