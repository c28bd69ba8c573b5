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
		return observe.LogLine{Severity: "I", Text: line}
	}
	out := observe.LogLine{Severity: "I"}
	text := fmt.Sprintf("%q", fields["msg"])
	if v, ok := fields["v"].(json.Number); ok {
		n, _ := v.Int64()
		out.Verbosity = int(n)
	} else {
		out.Severity = "E" // errors have no verbosity
	}
	if err, ok := fields["err"]; ok {
		text += fmt.Sprintf(" err=%q", err)
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

func value(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case json.Number:
		return v.String()
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(data)
}
