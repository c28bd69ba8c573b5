package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/lab/image"
	"github.com/pinlab/pinlab/e2e/lab/machine"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
)

// A machine that stays up is held by a process of its own, which listens on a
// socket. Each connection begins with one request, a line of JSON, and one
// answer; after "open" the connection is a session with the machine's agent.
type request struct {
	Do string `json:"do"` // info, open, fresh, reboot or down
	// Plan is another machine to boot, Offline the CPUs to take offline then.
	Plan    *machine.Plan `json:"plan,omitempty"`
	Offline []int         `json:"offline,omitempty"`
}

type answer struct {
	Error string      `json:"error,omitempty"`
	Info  *Info       `json:"info,omitempty"`
	Hello agent.Hello `json:"hello"`
}

// Info says what machine is up.
type Info struct {
	Profile string `json:"profile"`
	// Ref is what the profile was resolved from.
	Ref         string   `json:"ref"`
	PID         int      `json:"pid"`
	BootSeconds float64  `json:"bootSeconds"`
	Retried     bool     `json:"retried"`
	Kernel      string   `json:"kernel"`
	Kubelet     string   `json:"kubelet"`
	Cgroup      int      `json:"cgroup"`
	Notes       []string `json:"notes,omitempty"`
}

// ErrDown says that no machine is up.
var ErrDown = errors.New("no lab is up; 'pinlab lab up' boots one")

// socketPath is where the process of the machine listens.
func socketPath() (string, error) {
	dir, err := image.CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "lab.sock"), nil
}

// Daemon boots a machine and holds it until it is told to end it, or ctx ends.
// Ready is called when the machine is up. Ref is what p was resolved from.
func Daemon(ctx context.Context, p *hwprofiles.Profile, ref string, o Options, ready func(Info) error) (err error) {
	path, err := socketPath()
	if err != nil {
		return err
	}
	if _, err := Status(ctx); err == nil {
		return errors.New("a lab is up already; 'pinlab lab down' ends it")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", path) // Close removes the socket
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	l := New(o, node.Options{})
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.boot(ctx, p); err != nil {
		return err
	}
	d := &daemon{lab: l, profile: p, ref: ref, down: make(chan struct{})}
	if err := ready(d.info()); err != nil {
		return err
	}
	go func() {
		select {
		case <-ctx.Done():
		case <-d.down:
		}
		_ = listener.Close()
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil // closed: told to end
		}
		go d.serve(ctx, conn)
	}
}

type daemon struct {
	mu      sync.Mutex
	lab     *Lab
	profile *hwprofiles.Profile
	ref     string
	down    chan struct{}
	once    sync.Once
}

func (d *daemon) info() Info {
	vm := d.lab.vm
	return Info{
		Profile: d.profile.Name, Ref: d.ref, PID: os.Getpid(), BootSeconds: vm.BootSeconds, Retried: vm.Retried,
		Kernel: vm.Hello.Kernel, Kubelet: vm.Hello.KubeletVersion, Cgroup: vm.Hello.CgroupVersion, Notes: vm.spec.Plan.Notes,
	}
}

func (d *daemon) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	var r request
	if err := readLine(conn, &r); err != nil {
		return
	}
	session, a := d.answer(ctx, r)
	err := writeLine(conn, a)
	if r.Do == "down" || d.gone() {
		d.once.Do(func() { close(d.down) })
	}
	if session != nil {
		if err != nil {
			_ = session.Close()
			return
		}
		defer session.Close()
		go func() {
			_, _ = io.Copy(session, conn)
			_ = session.Close()
		}()
		_, _ = io.Copy(conn, session) // until either side ends
	}
}

// answer does what a request asks for. The session is nil unless one was asked
// for and is there.
func (d *daemon) answer(ctx context.Context, r request) (net.Conn, answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lab.vm == nil {
		return nil, answer{Error: errGone.Error()}
	}
	var session net.Conn
	var err error
	switch r.Do {
	case "info", "down":
	case "open":
		session, err = d.lab.vm.Connection.Open()
	case "fresh":
		// A scenario may have left another machine, or one with CPUs offline.
		err = d.lab.boot(ctx, d.profile)
	case "reboot":
		err = d.lab.reboot(ctx, r.Plan, r.Offline)
	default:
		err = fmt.Errorf("request %q is not known", r.Do)
	}
	if err != nil {
		return nil, answer{Error: err.Error()}
	}
	info := d.info()
	return session, answer{Info: &info, Hello: d.lab.vm.Hello}
}

// gone says that the machine did not come up after a reboot.
func (d *daemon) gone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lab.vm == nil
}

func writeLine(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// maxLine bounds a line of the protocol, in bytes; the machine's sysfs is in it.
const maxLine = 64 << 20

// readLine reads no byte beyond the line: what follows is a session's.
func readLine(r io.Reader, v any) error {
	var line []byte
	one := make([]byte, 1)
	for len(line) < maxLine {
		if _, err := io.ReadFull(r, one); err != nil {
			return err
		}
		if one[0] == '\n' {
			return json.Unmarshal(line, v)
		}
		line = append(line, one[0])
	}
	return errors.New("a line without end")
}

// ask connects to the machine's process and asks for something; the connection
// stays open.
func ask(ctx context.Context, r request) (net.Conn, answer, error) {
	var a answer
	path, err := socketPath()
	if err != nil {
		return nil, a, err
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, a, ErrDown
	}
	err = writeLine(conn, r)
	if err == nil {
		err = readLine(conn, &a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		return nil, a, errors.Join(fmt.Errorf("lab: %w", err), conn.Close())
	}
	return conn, a, nil
}

// Status says what machine is up; the error is ErrDown when none is.
func Status(ctx context.Context) (Info, error) {
	conn, a, err := ask(ctx, request{Do: "info"})
	if err != nil {
		return Info{}, err
	}
	return *a.Info, conn.Close()
}

// Down ends the machine that is up.
func Down(ctx context.Context) (Info, error) {
	conn, a, err := ask(ctx, request{Do: "down"})
	if err != nil {
		return Info{}, err
	}
	// The process closes its connections when it ends.
	_, _ = io.Copy(io.Discard, conn)
	return *a.Info, conn.Close()
}

// Shell opens a session with a shell on the machine that is up.
func Shell(ctx context.Context) (net.Conn, error) {
	conn, _, err := ask(ctx, request{Do: "open"})
	if err != nil {
		return nil, err
	}
	if err := agent.NewShell(conn); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// Attached sets up nodes for scenarios on the machine that is up.
type Attached struct{ node node.Options }

// Attach returns the machine that is up as a place for scenarios.
func Attach(o node.Options) Attached {
	o.Name, o.Resolve, o.Step = "lab", hwprofiles.Resolve, stepTime
	return Attached{o}
}

// Setup is a scenarios.Setup. The profile is the machine's own, whatever is
// asked for. Where the scenario before it has changed the machine, it is booted
// again as it was.
func (a Attached) Setup(ctx context.Context, s *scenarios.Scenario, _ *hwprofiles.Profile) (scenarios.Target, error) {
	conn, _, err := ask(ctx, request{Do: "fresh"})
	if err != nil {
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	m := &attachedMachine{}
	if err := m.open(ctx); err != nil {
		return nil, err
	}
	t, err := node.New(ctx, s, m, a.node)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return t, nil
}

// attachedMachine is a machine that another process holds.
type attachedMachine struct {
	client *agent.Client
	hello  agent.Hello
}

func (m *attachedMachine) open(ctx context.Context) error {
	conn, a, err := ask(ctx, request{Do: "open"})
	if err != nil {
		return err
	}
	m.hello = a.Hello
	m.client, err = agent.NewClient(conn)
	return err
}

func (m *attachedMachine) Agent() node.Caller { return m.client }
func (m *attachedMachine) Hello() agent.Hello { return m.hello }
func (m *attachedMachine) Close() error       { return m.client.Close() }

// Reboot lets the machine's process boot it again.
func (m *attachedMachine) Reboot(ctx context.Context, offline []int) error {
	return m.reboot(ctx, request{Do: "reboot", Offline: offline})
}

// Swap lets the machine's process boot another with its disk.
func (m *attachedMachine) Swap(ctx context.Context, p *hwprofiles.Profile) error {
	plan, err := planSwap(p)
	if err != nil {
		return err
	}
	return m.reboot(ctx, request{Do: "reboot", Plan: plan, Offline: plan.Offline})
}

func (m *attachedMachine) reboot(ctx context.Context, r request) error {
	_ = m.client.Close() // its machine goes away
	conn, _, err := ask(ctx, r)
	if err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	return m.open(ctx)
}
