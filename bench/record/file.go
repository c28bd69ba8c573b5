package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
)

// Marshal is the content of a saved report.
func Marshal(r *Report) ([]byte, error) {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return nil, err
	}
	return append(compact(data), '\n'), nil
}

// compact puts each list of numbers on one line: a line for each sample would
// make a file of a hundred thousand lines.
func compact(data []byte) []byte {
	var out bytes.Buffer
	for len(data) > 0 {
		at := bytes.IndexByte(data, '\n')
		if at < 0 {
			out.Write(data)
			break
		}
		out.Write(data[:at])
		rest := bytes.TrimLeft(data[at:], "\n ")
		number := len(rest) > 0 && (rest[0] >= '0' && rest[0] <= '9' || rest[0] == '-')
		closes := len(rest) > 0 && rest[0] == ']' && at > 0 && data[at-1] >= '0' && data[at-1] <= '9'
		switch {
		case closes:
		case number && at > 0 && data[at-1] == ',':
			out.WriteByte(' ')
		case number:
		default:
			out.WriteByte('\n')
			rest = data[at+1:]
		}
		data = rest
	}
	return out.Bytes()
}

// FileError is what is wrong with a saved report, and where.
type FileError struct {
	File string
	Line int // 0 when it is about the file as a whole
	Text string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Text
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text)
}

// maxFile bounds what is read: a report of a long run has some megabytes.
const maxFile = 256 << 20

// Load reads a saved report.
func Load(file string) (*Report, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &FileError{File: file, Text: reason(err)}
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, &FileError{File: file, Text: "is a directory; want a file that 'pinlab bench --save' wrote"}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, &FileError{File: file, Text: reason(err)}
	}
	if len(data) > maxFile {
		return nil, &FileError{File: file, Text: fmt.Sprintf("is larger than %d MiB", maxFile>>20)}
	}
	return Parse(data, file)
}

// reason is an error without the path that the message names anyway.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// Parse reads a saved report and checks all of it. Its errors are *FileError.
func Parse(data []byte, file string) (*Report, error) {
	p := &parser{data: data, file: file}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, p.at(0, "is empty; want a file that 'pinlab bench --save' wrote")
	}
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, p.syntax(err, 0)
	}
	if head.Kind != Kind || head.APIVersion != APIVersion {
		return nil, p.at(0, "kind %q of %q: want %s of %s, as 'pinlab bench --save' writes it", head.Kind, head.APIVersion, Kind, APIVersion)
	}
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, p.syntax(err, 0)
	}
	if len(r.Results) == 0 {
		return nil, p.at(0, "holds no results")
	}
	offsets := p.results()
	seen := map[string]int{}
	for i := range r.Results {
		at := 0
		if i < len(offsets) {
			at = offsets[i]
		}
		if err := checkResult(&r.Results[i]); err != nil {
			return nil, p.at(at, "result %d: %v", i+1, err)
		}
		name := r.Results[i].Config.Name()
		if first, twice := seen[name]; twice {
			return nil, p.at(at, "result %d: the same configuration as result %d: %s", i+1, first+1, name)
		}
		seen[name] = i
	}
	return r, nil
}

type parser struct {
	data []byte
	file string
}

// at makes an error at an offset; the file as a whole is offset 0.
func (p *parser) at(offset int, format string, args ...any) error {
	e := &FileError{File: p.file, Text: fmt.Sprintf(format, args...)}
	if offset > 0 {
		e.Line = 1 + bytes.Count(p.data[:min(offset, len(p.data))], []byte{'\n'})
	}
	return e
}

func (p *parser) syntax(err error, base int) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return p.at(base+max(int(syntax.Offset), 1), "%v; want JSON that 'pinlab bench --save' wrote", syntax)
	case errors.As(err, &kind):
		field := kind.Field
		if field == "" {
			field = "the document"
		}
		return p.at(base+max(int(kind.Offset), 1), "%s: %s is no %s", field, kind.Value, kind.Type)
	}
	return p.at(0, "%v", err)
}

// results finds where each result begins.
func (p *parser) results() []int {
	d := json.NewDecoder(bytes.NewReader(p.data))
	var offsets []int
	if _, err := d.Token(); err != nil {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return offsets
		}
		var skip json.RawMessage
		if key != "results" {
			if d.Decode(&skip) != nil {
				return offsets
			}
			continue
		}
		if _, err := d.Token(); err != nil {
			return offsets
		}
		for d.More() {
			before := int(d.InputOffset())
			if d.Decode(&skip) != nil {
				return offsets
			}
			offsets = append(offsets, before+bytes.IndexByte(p.data[before:], '{'))
		}
		return offsets
	}
	return offsets
}

// checkResult says what is wrong with a result.
func checkResult(r *Result) error {
	if r.Config.Profile == "" || r.Config.Policy == "" || r.Config.Fill == "" || r.Config.Request < 1 {
		return errors.New("the configuration has no profile, policy, fill or request")
	}
	switch r.Status {
	case Done, DidNotFinish, Refused, Failed, Interrupted:
	default:
		return fmt.Errorf("status %q: want %s, %s, %s, %s or %s", r.Status, Done, DidNotFinish, Refused, Failed, Interrupted)
	}
	seen := map[Operation]bool{}
	samples := 0
	for _, s := range r.Series {
		if !slices.Contains(Operations(), s.Operation) {
			return fmt.Errorf("operation %q: want one of %v", s.Operation, Operations())
		}
		if seen[s.Operation] {
			return fmt.Errorf("operation %s: given twice", s.Operation)
		}
		seen[s.Operation] = true
		for i, list := range s.Repetitions {
			for k, v := range list {
				if v < 0 || math.IsInf(v, 0) || math.IsNaN(v) {
					return fmt.Errorf("operation %s, repetition %d, sample %d: %v is no time in nanoseconds", s.Operation, i+1, k+1, v)
				}
			}
			samples += len(list)
		}
	}
	if r.Status == Done && samples == 0 {
		return errors.New("is done and has no samples")
	}
	return nil
}
