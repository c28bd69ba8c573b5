package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"time"

	"github.com/creack/pty"
	"github.com/hashicorp/yamux"
)

// The first byte of a session says what it is.
const (
	sessionCalls = 'c' // calls of the methods of Node
	sessionShell = 's' // a shell on a terminal
)

// Serve greets and then answers sessions until the stream ends: the calls are the
// methods of node, a *Node or what stands for one. A stream carries any number
// of sessions at once.
func Serve(stream io.ReadWriteCloser, node any) error {
	server := rpc.NewServer()
	if err := server.RegisterName("Node", node); err != nil {
		return err
	}
	if _, err := io.WriteString(stream, "\n"+Greeting); err != nil {
		return err
	}
	sessions, err := yamux.Server(stream, muxConfig())
	if err != nil {
		return err
	}
	for {
		session, err := sessions.Accept()
		if err != nil {
			return err
		}
		go serve(server, session)
	}
}

func serve(server *rpc.Server, session net.Conn) {
	defer session.Close()
	kind := make([]byte, 1)
	if _, err := io.ReadFull(session, kind); err != nil {
		return
	}
	if kind[0] == sessionShell {
		shell(session)
		return
	}
	server.ServeConn(session)
}

// shell runs a shell on a terminal of its own until either side ends.
func shell(session net.Conn) {
	cmd := exec.Command("/bin/sh", "-l")
	cmd.Env = append(os.Environ(), "TERM=linux", "HOME=/root", "PATH=/bin:/sbin:/usr/bin:/usr/sbin", `PS1=lab:\w# `)
	cmd.Dir = "/"
	terminal, err := pty.Start(cmd)
	if err != nil {
		fmt.Fprintln(session, "pinlab:", err)
		return
	}
	defer terminal.Close()
	go func() {
		_, _ = io.Copy(terminal, session)
		_ = cmd.Process.Kill() // nobody is there any more
	}()
	_, _ = io.Copy(session, terminal) // ends with the shell
	_ = cmd.Wait()
}

// muxConfig leaves liveness to those who watch the machine: an emulated one may
// be silent for long.
func muxConfig() *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = false
	c.ConnectionWriteTimeout = connectionTimeout
	c.StreamOpenTimeout, c.StreamCloseTimeout = 0, connectionTimeout
	c.LogOutput = io.Discard
	return c
}

// Connection is the way to an agent; it carries sessions.
type Connection struct{ mux *yamux.Session }

// maxNoise bounds what may come before the greeting, in bytes.
const maxNoise = 1 << 20

// connectionTimeout bounds a write that the other side does not take.
const connectionTimeout = 2 * time.Minute

// Connect waits for the greeting on the stream. Ending the wait is done by
// closing the stream.
func Connect(stream io.ReadWriteCloser) (*Connection, error) {
	var line bytes.Buffer
	one := make([]byte, 1)
	for range maxNoise {
		if _, err := io.ReadFull(stream, one); err != nil {
			return nil, fmt.Errorf("wait for the agent's greeting: %w", err)
		}
		line.WriteByte(one[0])
		if one[0] != '\n' {
			continue
		}
		if line.String() == Greeting {
			mux, err := yamux.Client(stream, muxConfig())
			return &Connection{mux: mux}, err
		}
		line.Reset()
	}
	return nil, errors.New("the agent does not greet: a megabyte of something else came first")
}

// Open begins a session of no kind yet: its first byte says which.
func (c *Connection) Open() (net.Conn, error) { return c.mux.Open() }

// Close ends all sessions and the stream.
func (c *Connection) Close() error { return c.mux.Close() }

// Client calls an agent.
type Client struct{ rpc *rpc.Client }

// NewClient begins a session of calls.
func NewClient(session net.Conn) (*Client, error) {
	if _, err := session.Write([]byte{sessionCalls}); err != nil {
		return nil, err
	}
	return &Client{rpc: rpc.NewClient(session)}, nil
}

// NewShell begins a session with a shell; what is written is typed, what is read
// is the screen.
func NewShell(session net.Conn) error {
	_, err := session.Write([]byte{sessionShell})
	return err
}

// Close ends the session.
func (c *Client) Close() error { return c.rpc.Close() }

// Call is one call of a method of Node. A context that ends first leaves the
// agent with the work.
func (c *Client) Call(ctx context.Context, method string, args, answer any) error {
	call := c.rpc.Go("Node."+method, args, answer, make(chan *rpc.Call, 1))
	select {
	case <-call.Done:
		if call.Error != nil {
			return fmt.Errorf("%s on the node: %w", method, call.Error)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
