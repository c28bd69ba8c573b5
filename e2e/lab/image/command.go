package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

func run(ctx context.Context, dir string, env []string, name string, args ...string) error {
	_, err := output(ctx, dir, env, name, args...)
	return err
}

// output runs a program and returns what it prints. Neither it nor anything that
// it starts outlives this process.
func output(ctx context.Context, dir string, env []string, name string, args ...string) (text string, err error) {
	group, err := newGroup()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, group.end()) }()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "LC_ALL=C"), env...) // what it prints is read
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: group.id()}
	cmd.Cancel = group.kill
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, lastLines(stderr.String(), 8))
	}
	return stdout.String(), nil
}

// group is a process group that ends with this process, however that ends. Its
// leader waits for the end of a pipe that this process holds, and then kills the
// group and so itself. (The kernel's parent-death signal reaches children, and a
// compiler is a grandchild.)
type group struct {
	leader *exec.Cmd
	pipe   *os.File
}

func newGroup() (*group, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	leader := exec.Command("/bin/sh", "-c", "read nothing; kill -s KILL -- -$$")
	leader.Stdin = theirs
	leader.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := leader.Start(); err != nil {
		return nil, errors.Join(err, theirs.Close(), ours.Close())
	}
	return &group{leader, ours}, theirs.Close()
}

func (g *group) id() int { return g.leader.Process.Pid }

func (g *group) kill() error { return syscall.Kill(-g.id(), syscall.SIGKILL) }

// end ends what is left of the group.
func (g *group) end() error {
	err := errors.Join(g.pipe.Close(), g.kill())
	_ = g.leader.Wait() // killed
	return err
}
