package worker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a child process that is asked and answers in JSON.
type Process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	stderr *tail
}

// StartProcess starts a child. It does not outlive this process, however that ends.
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, stderr: &tail{}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	cmd.Stderr = p.stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(bufio.NewReaderSize(out, 1<<16))
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	return p, nil
}

// Send asks the child.
func (p *Process) Send(request any) error { return json.NewEncoder(p.in).Encode(request) }

// Receive reads the child's next answer; an error means that there is none.
func (p *Process) Receive(reply any) error { return p.out.Decode(reply) }

// Kill ends a child that does not answer; End is still to be called.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Stderr is the beginning of what the child has said on its standard error.
func (p *Process) Stderr() string { return p.stderr.String() }

// End ends the process and says how it ended if it had by itself: an exit
// status, or a signal such as the kernel's when memory runs out.
func (p *Process) End() string {
	p.in.Close() // a child without work ends by itself
	late := time.AfterFunc(slack, p.Kill)
	_ = p.cmd.Wait()
	if !late.Stop() {
		return ""
	}
	return p.cmd.ProcessState.String()
}

// slack is how much longer than the timeout a child may be silent: it keeps
// the time itself, and is only ended from here when it cannot even do that.
const slack = 5 * time.Second

// tail keeps the beginning of what a process says, where Go prints the cause
// of a crash.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := tailSize - len(t.buf); room > 0 {
		t.buf = append(t.buf, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
