package scenarios

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
)

// Error is one thing wrong with a file.
type Error struct {
	File string
	// Line counts from 1; 0 when the whole file is meant.
	Line    int
	Message string
}

// Error writes the place as compilers do, so that editors find it.
func (e *Error) Error() string {
	return e.place() + ": " + e.Message
}

func (e *Error) place() string {
	if e.Line == 0 {
		return e.File
	}
	return e.File + ":" + strconv.Itoa(e.Line)
}

// maxProblems bounds how many problems of one file are reported: a file that is
// wrong throughout should not fill the screen.
const maxProblems = 100

// problems collects everything wrong with a file and the files it names.
type problems struct {
	file   string
	list   []*Error
	more   int
	failed map[string]bool
}

func (p *problems) add(file string, line int, format string, args ...any) {
	e := &Error{File: file, Line: line, Message: fmt.Sprintf(format, args...)}
	key := e.Error()
	if p.failed[key] {
		return
	}
	if p.full() {
		p.more++
		return
	}
	if p.failed == nil {
		p.failed = map[string]bool{}
	}
	p.failed[key] = true
	p.list = append(p.list, e)
}

// full says that enough problems are known to stop looking for more.
func (p *problems) full() bool { return len(p.list) >= maxProblems }

// count grows with every problem.
func (p *problems) count() int { return len(p.list) + p.more }

// err joins the problems in the order of their lines, those of the scenario
// itself first.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b *Error) int {
		if a.File != b.File {
			switch p.file {
			case a.File:
				return -1
			case b.File:
				return 1
			}
			return strings.Compare(a.File, b.File)
		}
		return cmp.Compare(a.Line, b.Line)
	})
	errs := make([]error, 0, len(p.list)+1)
	for _, e := range p.list {
		errs = append(errs, e)
	}
	if p.more > 0 {
		errs = append(errs, &Error{File: p.file, Message: "too many errors; the rest is not shown"})
	}
	return errors.Join(errs...)
}

// unknown says that a name is not among the valid ones, and which one may have
// been meant.
func unknown(what, name string, valid []string) string {
	return fmt.Sprintf("unknown %s %s%s", what, quote(name), didYouMean(name, valid))
}

// didYouMean names the nearest of the valid names, or all of them when they
// are few and none is near.
func didYouMean(name string, valid []string) string {
	const few = 13
	near, alone := nearest(name, valid)
	if near != "" && (alone || len(valid) > few) {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	if n := len(valid); n > 0 && n <= few {
		return "; want " + orList(valid)
	}
	return ""
}

// orList writes "a", "a or b", "a, b or c".
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// nearest is hwprofiles.Nearest.
func nearest(name string, valid []string) (best string, alone bool) {
	return hwprofiles.Nearest(name, valid)
}

// quote quotes text of a file for a message, shortened when it is long.
func quote(s string) string { return strconv.Quote(clip(s)) }

func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
