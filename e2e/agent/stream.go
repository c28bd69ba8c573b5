package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/rpc"
)

// Serve greets and then answers calls until the stream ends.
func Serve(stream io.ReadWriteCloser, n *Node) error {
	server := rpc.NewServer()
	if err := server.RegisterName("Node", n); err != nil {
		return err
	}
	if _, err := io.WriteString(stream, "\n"+Greeting); err != nil {
		return err
	}
	server.ServeConn(stream)
	return nil
}

// Client calls an agent.
type Client struct {
	rpc    *rpc.Client
	stream io.Closer
}

// maxNoise bounds what may come before the greeting, in bytes.
const maxNoise = 1 << 20

// Dial waits for the greeting on the stream and returns a client. Ending the
// wait is done by closing the stream.
func Dial(stream io.ReadWriteCloser) (*Client, error) {
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
			return &Client{rpc: rpc.NewClient(stream), stream: stream}, nil
		}
		line.Reset()
	}
	return nil, errors.New("the agent does not greet: a megabyte of something else came first")
}

// Close ends the connection.
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
