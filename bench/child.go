package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pinlab/pinlab/bench/measure"
)

// Serve is what a child process does: it reads one repetition from r, and writes
// what it measures to w.
func Serve(r io.Reader, w io.Writer) error { return measure.Serve(r, w, nil) }

// outcome is how a child ended.
type outcome struct {
	done    *measure.Done
	refused string // the kubelet does not start
	failed  string // the child's own failure, or its crash
	late    bool
}

// child runs one repetition in a process of its own, which is killed when it is
// not done in time.
func child(ctx context.Context, cmd *exec.Cmd, req measure.Request, limit time.Duration, tell func(measure.Reply)) (outcome, error) {
	input, err := json.Marshal(req)
	if err != nil {
		return outcome{}, err
	}
	cmd.Stdin = strings.NewReader(string(input))
	said := &head{}
	cmd.Stderr = said
	// A child does not outlive this process, however that ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return outcome{}, err
	}
	if err := cmd.Start(); err != nil {
		return outcome{}, fmt.Errorf("start bench worker: %w", err)
	}
	var late atomic.Bool
	clock := time.AfterFunc(limit, func() {
		late.Store(true)
		_ = cmd.Process.Kill()
	})
	defer clock.Stop()
	o, readErr := replies(pipe, tell)
	if readErr != nil {
		_ = cmd.Process.Kill() // it would wait for a reader
	}
	waitErr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return outcome{}, ctx.Err()
	case o.done != nil || o.refused != "" || o.failed != "":
		return o, nil
	case late.Load():
		return outcome{late: true}, nil
	}
	cause := "the process ended without an answer"
	if waitErr != nil {
		cause = "the process crashed (" + waitErr.Error() + ")"
	} else if readErr != nil && !errors.Is(readErr, io.EOF) {
		cause = "the process's answer cannot be read (" + readErr.Error() + ")"
	}
	if text := said.String(); text != "" {
		cause += ": " + text
	}
	return outcome{failed: cause}, nil
}

func replies(r io.Reader, tell func(measure.Reply)) (outcome, error) {
	in := json.NewDecoder(bufio.NewReader(r))
	for {
		var rep measure.Reply
		if err := in.Decode(&rep); err != nil {
			return outcome{}, err
		}
		if len(rep.Batch) > 0 || rep.Overhead != nil {
			tell(rep)
			continue
		}
		if rep.Done != nil || rep.Refused != "" || rep.Failed != "" {
			return outcome{done: rep.Done, refused: rep.Refused, failed: rep.Failed}, nil
		}
	}
}

// head keeps the first line of what a process says, where Go prints the cause of
// a crash. Only the process's own copying writes to it, and only before Wait
// returns is it written.
type head struct{ buf []byte }

const headSize = 512

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	if room := headSize - len(h.buf); room > 0 {
		h.buf = append(h.buf, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (h *head) String() string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(h.buf)), "\n")
	return line
}

// stateDir makes the directory of one repetition.
func stateDir(base string) (string, func(), error) {
	dir, err := os.MkdirTemp(base, "state-")
	if err != nil {
		return "", nil, fmt.Errorf("state directory: %w", err)
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
