package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/lab/image"
	"github.com/pinlab/pinlab/e2e/lab/machine"
	"github.com/pinlab/pinlab/e2e/node"
)

// VM is a running machine.
type VM struct {
	Agent *agent.Client
	// Connection is the way to further sessions with the agent.
	Connection *agent.Connection
	Hello      agent.Hello
	// BootSeconds is the time from power-on until the agent greeted; Retried
	// says that the first boot stalled.
	BootSeconds float64
	Retried     bool

	spec    Spec
	cmd     *exec.Cmd
	done    chan struct{} // closed when QEMU has ended
	console *console
	disk    *os.File // the qcow2 overlay, without a name
	own     *os.File // a file of the spec that is this machine's alone, or nil
}

// Spec says what machine to boot.
type Spec struct {
	Plan  *machine.Plan
	Image *image.Image
	// Pinlab is a file system image with the pinlab binary, open: another
	// pinlab may remove its name from the cache while the machine is to be
	// booted again.
	Pinlab *os.File
	// CgroupV1 boots with the old hierarchies.
	CgroupV1 bool
	// Kind says that the machine makes a cluster before its agent answers.
	Kind bool
	// Making and Failing are as in Options.
	Making  func(context.Context, node.Caller)
	Failing func(node.Caller)
	// Accel is kvm or tcg.
	Accel string
	// Say is told what happens; nil is silent.
	Say func(string)

	qemu  string        // the program that makes machines; empty means qemuBinary
	stall time.Duration // how long it may say nothing; 0 means stallTime
}

func (s Spec) say(format string, args ...any) {
	if s.Say != nil {
		s.Say(fmt.Sprintf(format, args...))
	}
}

// ErrBoot marks a machine that did not come up.
var ErrBoot = errors.New("the machine did not come up")

const (
	// stallTime is how long a booting machine may say nothing. A boot writes to
	// its console all the time; the livelock of a clocksource change does not. An
	// agent that has greeted is asked for a sign of life instead.
	stallTime = 15 * time.Second
	// helloTime bounds the agent's first answer, which reads a few hundred files.
	helloTime = time.Minute
	// clusterTime bounds the making of a kind cluster on an emulated machine: kind
	// tries twice, and gives kubeadm a quarter of an hour.
	clusterTime = 40 * time.Minute
	// bootTime bounds a boot that goes on writing.
	bootTime = 3 * time.Minute
)

// Boot boots a machine and waits for its agent. A boot that stalls is ended and
// tried once more.
func Boot(ctx context.Context, s Spec) (*VM, error) {
	disk, err := overlay(ctx, s.Image.Root)
	if err != nil {
		return nil, err
	}
	vm, err := bootTwice(ctx, s, disk)
	if err != nil {
		return nil, errors.Join(err, disk.Close())
	}
	return vm, nil
}

// bootTwice boots, and once more when the first boot stalls.
func bootTwice(ctx context.Context, s Spec, disk *os.File) (*VM, error) {
	vm, err := boot(ctx, s, disk)
	if !errors.Is(err, ErrBoot) || ctx.Err() != nil {
		return vm, err
	}
	s.say("%v; trying once more", err)
	if vm, err = boot(ctx, s, disk); err == nil {
		vm.Retried = true
	}
	return vm, err
}

// overlay makes an empty qcow2 file over the root image. It has no name.
func overlay(ctx context.Context, root string) (*os.File, error) {
	f, err := nameless(os.TempDir())
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", root, "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = dieWithParent()
	if out, err := cmd.CombinedOutput(); err != nil {
		err = fmt.Errorf("qemu-img create: %w: %s", err, strings.TrimSpace(string(out)))
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func boot(ctx context.Context, s Spec, disk *os.File) (*VM, error) {
	ours, theirs, err := streamPair()
	if err != nil {
		return nil, err
	}
	initrd, err := s.initrd()
	if err != nil {
		return nil, errors.Join(err, ours.Close(), theirs.Close())
	}
	vm := &VM{spec: s, disk: disk, done: make(chan struct{}), console: newConsole()}
	cmd := exec.Command(cmp.Or(s.qemu, qemuBinary), s.args()...)
	cmd.ExtraFiles = []*os.File{theirs, disk, initrd, s.Pinlab} // 3, 4, 5, 6
	cmd.SysProcAttr = dieWithParent()
	cmd.Stdout = vm.console
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	started := time.Now()
	ended := make(chan error, 1)
	launched := make(chan error)
	go func() {
		// The kernel sends the parent-death signal when the thread that
		// started the child ends, so this thread stays.
		runtime.LockOSThread()
		err := cmd.Start()
		launched <- err
		if err == nil {
			ended <- cmd.Wait()
			close(vm.done)
		}
	}()
	err = <-launched
	err = errors.Join(err, theirs.Close(), initrd.Close())
	if err != nil {
		return nil, fmt.Errorf("start QEMU: %w", errors.Join(err, ours.Close()))
	}
	vm.cmd = cmd
	greeted := make(chan error, 1)
	go func() {
		greeted <- vm.connect(ours)
	}()
	watch := time.NewTicker(500 * time.Millisecond)
	defer watch.Stop()
	fail := func(format string, args ...any) error {
		vm.kill()
		text := fmt.Sprintf(format, args...)
		log, err := vm.console.keep()
		if err != nil {
			return fmt.Errorf("%w: %s (its console log could not be kept: %w)", ErrBoot, text, err)
		}
		return fmt.Errorf("%w: %s; its console log is %s", ErrBoot, text, log)
	}
	for {
		select {
		case err := <-greeted:
			if err != nil {
				_ = ours.Close()
				vm.kill() // then all that it has said is there
				return nil, fail("%v: %s", err, lastLine(stderr.String()))
			}
			limit := helloTime
			if s.Kind {
				limit = clusterTime
				s.say("the machine is up after %.0f s and makes a kind cluster (some minutes where it is emulated)", time.Since(started).Seconds())
			}
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			told := s.making(ctx, vm.Agent)
			err = vm.hello(ctx)
			<-told
			if err != nil {
				if s.Failing != nil {
					s.Failing(vm.Agent)
				}
				err := fail("the agent greeted and was not ready: %v", err)
				if s.Kind {
					return nil, errors.New(err.Error()) // the boot did not stall, and kind has had its second try
				}
				return nil, err
			}
			vm.BootSeconds = time.Since(started).Seconds()
			return vm, nil
		case err := <-ended:
			_ = ours.Close()
			return nil, fail("QEMU ended: %v: %s", err, lastLine(stderr.String()))
		case <-ctx.Done():
			vm.kill()
			return nil, errors.Join(ctx.Err(), ours.Close())
		case <-watch.C:
			if quiet := vm.console.quiet(); quiet > s.stalled() {
				_ = ours.Close()
				return nil, fail("the boot stalled: nothing on the console for %.0f s", quiet.Seconds())
			}
			if time.Since(started) > bootTime {
				_ = ours.Close()
				return nil, fail("no sign of the agent after %v", bootTime)
			}
		}
	}
}

// making tells of the making of a cluster; what is returned is closed when that is
// over.
func (s Spec) making(ctx context.Context, of node.Caller) chan struct{} {
	over := make(chan struct{})
	go func() {
		defer close(over)
		if s.Making != nil {
			s.Making(ctx, of)
		}
	}()
	return over
}

func (s Spec) stalled() time.Duration { return cmp.Or(s.stall, stallTime) }

// hello waits for the agent to be ready. Meanwhile the console is silent, and the
// agent has to answer another question now and then: a machine that hangs is
// noticed as soon as one that does not boot.
func (vm *VM) hello(ctx context.Context) error {
	ready := make(chan error, 1)
	go func() { ready <- vm.Agent.Call(ctx, "Hello", agent.None{}, &vm.Hello) }()
	if vm.spec.Kind { // the making of a cluster may leave no time for answers
		return <-ready
	}
	for {
		alive := make(chan error, 1)
		go func() { alive <- vm.Agent.Call(ctx, "Alive", agent.None{}, &agent.None{}) }()
		select {
		case err := <-ready:
			return err
		case err := <-alive:
			if err != nil {
				return err
			}
		case <-time.After(vm.spec.stalled()):
			return fmt.Errorf("no sign of life for %v", vm.spec.stalled())
		}
		select {
		case err := <-ready:
			return err
		case <-time.After(aliveEvery):
		}
	}
}

// aliveEvery is between two questions for a sign of life.
const aliveEvery = time.Second

// connect waits for the agent and begins a session of calls.
func (vm *VM) connect(stream *os.File) error {
	var err error
	if vm.Connection, err = agent.Connect(stream); err != nil {
		return err
	}
	session, err := vm.Connection.Open()
	if err != nil {
		return err
	}
	vm.Agent, err = agent.NewClient(session)
	return err
}

// qemuBinary is the program that makes machines.
const qemuBinary = "qemu-system-x86_64"

// args are QEMU's arguments. Files and sockets are handed over as descriptors,
// so that nothing has a name that could be left behind.
func (s Spec) args() []string {
	cmdline := "console=ttyS0 panic=1 tsc=reliable mitigations=off nokaslr random.trust_cpu=on numa_balancing=disable"
	if s.CgroupV1 {
		cmdline += " pinlab.cgroup=v1"
	}
	accel := "tcg,thread=multi"
	if s.Accel == "kvm" {
		accel = "kvm"
	}
	args := []string{
		"-accel", accel, "-machine", "pc", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", s.Image.Kernel, "-initrd", "/proc/self/fd/5", "-append", cmdline,
		"-drive", "file=/proc/self/fd/4,format=qcow2,if=virtio,cache=unsafe",
		"-drive", "file=/proc/self/fd/6,format=raw,if=virtio,readonly=on",
		"-serial", "stdio", "-monitor", "none",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=agent,fd=3", "-device", "virtserialport,chardev=agent,name=pinlab.agent",
		"-device", "virtio-rng-pci",
	}
	return append(args, s.Plan.Args()...)
}

// initrd is the image's initramfs, with the ACPI table of the machine in front
// of it.
func (s Spec) initrd() (*os.File, error) {
	base, err := os.ReadFile(s.Image.Initrd)
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	if table := s.Plan.MADT(); table != nil {
		if err := image.WriteFirmware(&data, map[string][]byte{"kernel/firmware/acpi/madt.aml": table}); err != nil {
			return nil, err
		}
	}
	data.Write(base)
	return tempFile(data.Bytes())
}

// Close ends the machine.
func (vm *VM) Close() error {
	vm.kill()
	if vm.own != nil {
		return errors.Join(vm.disk.Close(), vm.own.Close())
	}
	return vm.disk.Close()
}

func (vm *VM) kill() {
	_ = vm.cmd.Process.Kill() // it may have ended
	<-vm.done
	if vm.Connection != nil {
		_ = vm.Connection.Close()
	}
}

// Reboot ends the machine and boots it again with the same disk and another
// plan.
func (vm *VM) Reboot(ctx context.Context, plan *machine.Plan) (*VM, error) {
	vm.kill()
	s := vm.spec
	s.Plan = plan
	return bootTwice(ctx, s, vm.disk)
}

// console keeps what a machine says on its serial port.
type console struct {
	mu   sync.Mutex
	data bytes.Buffer
	last time.Time
}

func newConsole() *console { return &console{last: time.Now()} }

// maxConsole bounds what is kept, in bytes.
const maxConsole = 4 << 20

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = time.Now()
	if c.data.Len() < maxConsole {
		c.data.Write(p)
	}
	return len(p), nil
}

func (c *console) quiet() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.last)
}

// keep writes the log to a file that stays.
func (c *console) keep() (string, error) {
	dir, err := image.CacheDir()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, "console-*.log")
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = io.Copy(f, bytes.NewReader(c.data.Bytes()))
	return f.Name(), errors.Join(err, f.Close())
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// pinlabDisk opens a file system image of a pinlab binary, made in the cache.
func pinlabDisk(ctx context.Context, binary, cache string) (*os.File, error) {
	return image.Cached(ctx, cache, "pinlab", []string{binary}, func(ctx context.Context, file string) error {
		dir, err := os.MkdirTemp(cache, "building-pinlab-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := os.Link(binary, filepath.Join(dir, "pinlab")); err != nil {
			if err := copyFile(binary, filepath.Join(dir, "pinlab")); err != nil {
				return err
			}
		}
		st, err := os.Stat(binary)
		if err != nil {
			return err
		}
		return image.MakeFileSystem(ctx, dir, file, st.Size()*11/10+(16<<20))
	})
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
