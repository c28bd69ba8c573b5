package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/rpc"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// boot is the serial port of a machine: it says what is given, then an agent
// serves on it.
func boot(t *testing.T, noise string, n *Node) net.Conn {
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		if _, err := io.WriteString(theirs, noise); err != nil {
			ended <- err
			return
		}
		ended <- Serve(theirs, n)
	}()
	t.Cleanup(func() {
		_ = ours.Close() // Serve ends with the stream
		<-ended
	})
	return ours
}

func connect(t *testing.T, noise string, n *Node) *Connection {
	c, err := Connect(boot(t, noise, n))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Whatever a boot says before the greeting, the agent is heard.
func TestConnectAfterNoise(t *testing.T) {
	for name, noise := range map[string]string{
		"none":               "",
		"lines":              "SeaBIOS\r\n[    0.000000] Linux version 6.1\r\n",
		"half a line":        "pinlab: the guest",
		"almost a greeting":  "pinlab-agent 11\nxpinlab-agent 1\npinlab-agent",
		"a long line":        strings.Repeat("x", 70_000),
		"bytes of no string": "\x00\xff\xfe\n",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			session, err := connect(t, noise, &Node{api: newAPI()}).Open()
			g.Expect(err).NotTo(HaveOccurred())
			client, err := NewClient(session)
			g.Expect(err).NotTo(HaveOccurred())
			pod := json.RawMessage(`{"metadata": {"name": "a", "namespace": "default"}}`)
			g.Expect(client.Call(t.Context(), "CreatePod", pod, &Created{})).To(Succeed())
			g.Expect(client.Close()).To(Succeed())
		})
	}
}

// readOnly is a stream of which only the reading end matters.
type readOnly struct {
	io.Reader
}

func (readOnly) Write(p []byte) (int, error) { return len(p), nil }
func (readOnly) Close() error                { return nil }

func TestConnectFails(t *testing.T) {
	g := NewWithT(t)
	_, err := Connect(readOnly{strings.NewReader("some noise\npinlab-agent")})
	g.Expect(err).To(MatchError(io.EOF))
	g.Expect(err).To(MatchError(ContainSubstring("greeting")))
	_, err = Connect(readOnly{strings.NewReader(strings.Repeat("noise\n", maxNoise/6+1) + Greeting)})
	g.Expect(err).To(MatchError(ContainSubstring("does not greet")))

	ours, theirs := net.Pipe()
	failed := make(chan error, 1)
	go func() {
		_, err := Connect(ours)
		failed <- err
	}()
	g.Expect(ours.Close()).To(Succeed())
	g.Expect(<-failed).To(MatchError(io.ErrClosedPipe), "closing the stream ends the wait")
	g.Expect(theirs.Close()).To(Succeed())
}

// Several sessions run side by side, and one that ends does not end the others.
func TestSessions(t *testing.T) {
	g := NewWithT(t)
	n := &Node{api: newAPI()}
	c := connect(t, "", n)
	var clients []*Client
	for range 3 {
		session, err := c.Open()
		g.Expect(err).NotTo(HaveOccurred())
		client, err := NewClient(session)
		g.Expect(err).NotTo(HaveOccurred())
		clients = append(clients, client)
	}
	pod := json.RawMessage(`{"metadata": {"name": "a", "namespace": "default"}}`)
	g.Expect(clients[0].Call(t.Context(), "CreatePod", pod, &Created{})).To(Succeed())
	g.Expect(clients[0].Close()).To(Succeed())
	g.Expect(clients[1].Call(t.Context(), "CreatePod", pod, &Created{})).To(
		MatchError(And(HavePrefix("CreatePod on the node: "), ContainSubstring("already exists"))))
	del := DeletePod{Namespace: "default", Name: "a"}
	g.Expect(clients[2].Call(t.Context(), "DeletePod", del, &None{})).To(Succeed())
	list, err := n.request("GET", "/api/v1/pods", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(list)).To(And(ContainSubstring("deletionTimestamp"), ContainSubstring(`"deletionGracePeriodSeconds":2`)))
	del.Force = true
	g.Expect(clients[2].Call(t.Context(), "DeletePod", del, &None{})).To(Succeed())
	g.Expect(clients[2].Call(t.Context(), "DeletePod", del, &None{})).To(MatchError(ContainSubstring("not found")))
	g.Expect(clients[1].Call(t.Context(), "Exhaust", Exhaust{What: "patience"}, &None{})).To(MatchError(ContainSubstring(`"patience"`)))
	g.Expect(clients[1].Call(t.Context(), "NoSuchCall", None{}, &None{})).To(MatchError(ContainSubstring("NoSuchCall")))
}

// fake answers calls in place of a Node.
type fake struct{ asked, answer chan struct{} }

// Wipe answers when the test says so.
func (f *fake) Wipe(_ None, _ *None) error {
	f.asked <- struct{}{}
	<-f.answer
	return errors.New("refused")
}

func fakeClient(t *testing.T, f *fake) (*Client, net.Conn) {
	g := NewWithT(t)
	server := rpc.NewServer()
	g.Expect(server.RegisterName("Node", f)).To(Succeed())
	ours, theirs := net.Pipe()
	go serve(server, theirs)
	client, err := NewClient(ours)
	g.Expect(err).NotTo(HaveOccurred())
	return client, ours
}

func TestCall(t *testing.T) {
	g := NewWithT(t)
	f := &fake{asked: make(chan struct{}, 2), answer: make(chan struct{}, 2)}
	client, _ := fakeClient(t, f)
	f.answer <- struct{}{}
	g.Expect(client.Call(t.Context(), "Wipe", None{}, &None{})).To(MatchError("Wipe on the node: refused"))
	<-f.asked

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.asked
		cancel()
	}()
	g.Expect(client.Call(ctx, "Wipe", None{}, &None{})).To(MatchError(context.Canceled), "a call is not waited for longer than the context")
	f.answer <- struct{}{}
	g.Expect(client.Close()).To(Succeed())
	g.Expect(client.Call(t.Context(), "Wipe", None{}, &None{})).To(MatchError(rpc.ErrShutdown))
}

// A call fails when the machine goes away under it.
func TestCallOnDeadStream(t *testing.T) {
	g := NewWithT(t)
	f := &fake{asked: make(chan struct{}, 1), answer: make(chan struct{})}
	client, session := fakeClient(t, f)
	go func() {
		<-f.asked
		_ = session.Close()
	}()
	g.Expect(client.Call(t.Context(), "Wipe", None{}, &None{})).To(MatchError(ContainSubstring("Wipe on the node")))
	close(f.answer)
}
