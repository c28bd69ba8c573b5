package kind

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"github.com/pinlab/pinlab/e2e/agent"
)

// binaryInNode is where pinlab is put in a node.
const binaryInNode = "/usr/local/bin/pinlab"

// putBinary copies pinlab into a node. Another one that runs there goes on.
func putBinary(ctx context.Context, n nodes.Node, binary string) error {
	f, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer f.Close()
	script := `cat > "$0.part" && chmod 755 "$0.part" && mv "$0.part" "$0" || { rm -f "$0.part"; exit 1; }`
	if err := n.CommandContext(ctx, "/bin/sh", "-c", script, binaryInNode).SetStdin(f).Run(); err != nil {
		return fmt.Errorf("copy pinlab into the node: %w", explain(err))
	}
	return nil
}

// limits bound what is waited for in a node: an answer of the agent, and its
// preparing the node.
type limits struct{ answer, prepare time.Duration }

// errNoAnswer says that the agent did not answer in time: its node may be paused,
// or its machine hang.
type errNoAnswer struct {
	what string
	time time.Duration
}

func (e errNoAnswer) Error() string {
	return fmt.Sprintf("the node does not answer: no word about %s within %v (is its container paused?)", e.what, e.time)
}

// link is a running agent in a node, talked to over its standard streams.
type link struct {
	*agent.Client
	hello agent.Hello

	node       nodes.Node
	limits     limits
	connection *agent.Connection
	cancel     context.CancelFunc
	ended      chan struct{} // closed when the command has ended
	err        error         // how it ended; to be read after that
}

// startAgent starts pinlab in a node and waits until the node is ready for a
// kubelet.
func startAgent(ctx context.Context, n nodes.Node, within limits) (*link, error) {
	// A file, which the command gets itself: with anything else it would not be
	// seen to end before that does.
	stdin, toAgent, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &link{node: n, limits: within, cancel: cancel, ended: make(chan struct{})}
	fromAgent, stdout := io.Pipe()
	said := &lastWords{}
	go func() {
		err := n.CommandContext(running, binaryInNode, "lab", "agent", "--member").SetStdin(stdin).SetStdout(stdout).SetStderr(said).Run()
		if err == nil {
			err = errors.New("it ended by itself")
		}
		if text := lastLines(said.String(), 3); text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		l.err = err
		close(l.ended)
		_ = stdout.CloseWithError(io.EOF)
		_ = stdin.Close()
	}()
	greeting, done := context.WithTimeoutCause(ctx, within.prepare, errNoAnswer{"its start", within.prepare})
	defer done()
	stop := context.AfterFunc(greeting, cancel) // until it has greeted
	defer stop()
	if err := l.connect(greeting, stream{fromAgent, toAgent}); err != nil {
		l.wait(ctx)
		l.close()
		if greeting.Err() != nil && ctx.Err() == nil {
			return nil, context.Cause(greeting)
		}
		return nil, l.failure(ctx, err)
	}
	return l, nil
}

func (l *link) connect(ctx context.Context, s stream) (err error) {
	if l.connection, err = agent.Connect(s); err != nil {
		return err
	}
	session, err := l.connection.Open()
	if err != nil {
		return err
	}
	if l.Client, err = agent.NewClient(session); err != nil {
		return err
	}
	return l.Client.Call(ctx, "Hello", agent.None{}, &l.hello)
}

// failure is what an error of the agent's came from, where that is known better:
// its command, or the whole node, has ended.
func (l *link) failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l.gone() {
		if dead := l.dead(ctx); dead != nil {
			return dead
		}
		return fmt.Errorf("pinlab in the node has ended: %w", explain(l.err))
	}
	if strings.Contains(err.Error(), "no space left on device") {
		return explain(err) // whose disk that is
	}
	return err
}

// dead says what is the matter with a node that runs no programs any more; nil
// when it does.
func (l *link) dead(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	err := l.node.CommandContext(ctx, "true").Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("node %s does not answer: a program in it has not ended within %v", l.node, endTime)
	}
	if meant := meaning(err); meant != "" {
		return fmt.Errorf("node %s: %w", l.node, explain(err))
	}
	return fmt.Errorf("node %s: the node's container ended: %w", l.node, explain(err))
}

// gone says that the agent's command has ended.
func (l *link) gone() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// Call implements node.Caller.
func (l *link) Call(ctx context.Context, method string, args, answer any) error {
	limit := l.limits.answer
	if r, ok := args.(agent.Rest); ok {
		limit += seconds(r.Most)
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := l.Client.Call(bounded, method, args, answer)
	if err == nil {
		return nil
	}
	if bounded.Err() != nil && ctx.Err() == nil {
		l.cancel() // nothing more is asked of it
		return errNoAnswer{method, limit}
	}
	var answered rpc.ServerError
	if !errors.As(err, &answered) {
		l.wait(ctx) // the streams are broken, so the command is about to end
	}
	return l.failure(ctx, err)
}

// endTime is what a command may take to end once its streams are closed.
const endTime = 10 * time.Second

// wait waits for the command to end.
func (l *link) wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, endTime)
	defer cancel()
	select {
	case <-l.ended:
	case <-ctx.Done():
	}
}

// close ends the agent.
func (l *link) close() {
	if l.connection != nil {
		_ = l.connection.Close()
	}
	l.wait(context.Background()) // it ends with its streams
	l.cancel()
	<-l.ended
}

// stream is both directions of a command's standard streams.
type stream struct {
	io.ReadCloser
	out io.WriteCloser
}

func (s stream) Write(b []byte) (int, error) { return s.out.Write(b) }

// Close implements io.Closer.
func (s stream) Close() error { return errors.Join(s.out.Close(), s.ReadCloser.Close()) }

// lastWords keeps the end of what a command says.
type lastWords struct {
	mu   sync.Mutex
	data bytes.Buffer
}

// maxWords bounds it, in bytes.
const maxWords = 64 << 10

func (w *lastWords) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.data.Write(b)
	if extra := w.data.Len() - maxWords; extra > 0 {
		w.data.Next(extra)
	}
	return len(b), nil
}

func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.data.String()
}
