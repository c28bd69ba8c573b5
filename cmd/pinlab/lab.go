package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/hwprofiles"
)

func newLab() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Real nodes without the hardware: virtual machines with a profile's topology", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Long: `Boot virtual machines with the CPUs, caches and NUMA nodes of a profile, a real
kubelet, containerd and runc.

'pinlab run --target lab' boots what it needs and ends it. 'pinlab lab up' boots
one machine that stays, for looking around.`,
	}
	cmd.AddCommand(newLabUp(), newLabRun(), newLabKind(), newLabDown(), newLabShell(), newLabBoots(), newLabServe(), newLabAgent(), newLabHog())
	return cmd
}

type labFlags struct {
	profile string
	cgroup  string
}

func (f *labFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.profile, "profile", "p", "generic-2s4c-smt2", "machine to make: a profile name, a file or a shape")
	cmd.Flags().StringVar(&f.cgroup, "cgroup", "", cgroupUsage)
}

func (f *labFlags) resolve() (*hwprofiles.Profile, error) {
	if err := checkCgroup(f.cgroup); err != nil {
		return nil, err
	}
	return hwprofiles.Resolve(f.profile)
}

func newLabUp() *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use: "up", Short: "Boot a machine that stays up", Args: cobra.NoArgs,
		Example: `  pinlab lab up --profile generic-2s4c-smt2
  pinlab lab shell
  pinlab lab run first-pin
  pinlab lab down`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := f.resolve(); err != nil {
				return err
			}
			var err error
			if f.profile, err = wherever(f.profile); err != nil {
				return harness(err)
			}
			if err := lab.Missing(); err != nil {
				return harness(err)
			}
			return labUp(cmd, f)
		},
	}
	f.add(cmd)
	return cmd
}

// wherever is a reference to a profile that means the same in any directory.
func wherever(ref string) (string, error) {
	if _, err := os.Stat(ref); err != nil || !strings.ContainsAny(ref, "/.") {
		return ref, nil // a name or a shape
	}
	return filepath.Abs(ref)
}

// labUp starts the process that holds the machine and passes on what it says
// until the machine is up. A process that loses its listener before that ends.
func labUp(cmd *cobra.Command, f labFlags) error {
	self, err := os.Executable()
	if err != nil {
		return harness(err)
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return harness(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "lab"), os.NewFile(uintptr(pair[1]), "lab")
	defer ours.Close()
	serve := exec.Command(self, "lab", "serve", "--profile", f.profile, "--cgroup", f.cgroup)
	serve.ExtraFiles = []*os.File{theirs}
	serve.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(serve.Start(), theirs.Close()); err != nil {
		return harness(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-cmd.Context().Done():
			_ = ours.Close()
		case <-stop:
		}
	}()
	lines := bufio.NewScanner(ours)
	for lines.Scan() {
		kind, text, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "say":
			fmt.Fprintln(cmd.ErrOrStderr(), "lab:", text)
		case "ready":
			fmt.Fprintln(cmd.OutOrStdout(), text)
			return nil
		case "error":
			_ = serve.Wait()
			return harness(errors.New(text))
		case "usage":
			_ = serve.Wait()
			return errors.New(text)
		}
	}
	if cmd.Context().Err() != nil {
		return harness(errors.New("interrupted"))
	}
	return harness(errors.New("the process that holds the machine has ended"))
}

func newLabServe() *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Hold a machine", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := f.resolve()
			if err != nil {
				return err
			}
			return labServe(cmd, p, f)
		},
	}
	f.add(cmd)
	return cmd
}

func newLabRun() *cobra.Command {
	f := runFlags{target: targetLab}
	cmd := &cobra.Command{
		Use: "run NAME|FILE|DIR...", Short: "Replay scenarios on the machine that is up", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return runOnUp(cmd, args, f) },
	}
	f.addOutput(cmd)
	return cmd
}

func newLabDown() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "End the machine that is up", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, err := lab.Down(cmd.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is down\n", info.Profile)
			return harness(err)
		},
	}
}

func newLabShell() *cobra.Command {
	return &cobra.Command{
		Use: "shell", Short: "Open a shell on the machine that is up", Args: cobra.NoArgs,
		Example: `  pinlab lab shell
  echo 'cat /sys/fs/cgroup/kubepods/cpuset.cpus.effective' | pinlab lab shell`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := lab.Shell(cmd.Context())
			if err != nil {
				return err
			}
			defer conn.Close()
			defer context.AfterFunc(cmd.Context(), func() { _ = conn.Close() })() // ends the copies below
			if fd := int(os.Stdin.Fd()); term.IsTerminal(fd) {
				old, err := term.MakeRaw(fd)
				if err != nil {
					return harness(err)
				}
				defer func() { _ = term.Restore(fd, old) }()
			}
			go func() {
				_, _ = io.Copy(conn, os.Stdin)
				_, _ = io.WriteString(conn, "\nexit\n") // the end of a script is the end of the shell
			}()
			_, err = io.Copy(cmd.OutOrStdout(), conn)
			if cmd.Context().Err() != nil {
				err = cmd.Context().Err()
			}
			return harness(err)
		},
	}
}

// agentPort is the name of the serial port that leads to the host.
const agentPort = "pinlab.agent"

func newLabAgent() *cobra.Command {
	member, node := false, ""
	cmd := &cobra.Command{
		Use: "agent", Short: "Serve the host of the machine this runs in", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if member {
				return serveMember(cmd)
			}
			port, err := findPort(agentPort)
			if err != nil {
				return err
			}
			stream, err := os.OpenFile(port, os.O_RDWR, 0)
			if err != nil {
				return harness(err)
			}
			if node != "" {
				return harness(agent.Serve(stream, newRelay(cmd, node)))
			}
			return harness(agent.Serve(stream, agent.New(cmd.Context())))
		},
	}
	cmd.Flags().BoolVar(&member, "member", false, "this is a cluster's node, and the host is at the standard streams")
	cmd.Flags().StringVar(&node, "kind", "", "make a kind cluster of this node image, and serve the host of its node")
	return cmd
}

// findPort finds a virtio serial port by its name.
func findPort(name string) (string, error) {
	names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
	if err != nil {
		return "", err
	}
	for _, file := range names {
		data, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if strings.TrimSpace(string(data)) == name {
			return filepath.Join("/dev", filepath.Base(filepath.Dir(file))), nil
		}
	}
	return "", fmt.Errorf("no serial port %s: this runs in machines of the lab only", name)
}

func newLabHog() *cobra.Command {
	return &cobra.Command{
		Use: "hog WHAT FREE", Short: "Use up a limit of this machine's kernel", Hidden: true, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := findPort(agentPort); err != nil {
				return err
			}
			free, err := strconv.Atoi(args[1])
			if err != nil {
				return err
			}
			return harness(agent.Hog(args[0], free, cmd.OutOrStdout(), cmd.Context().Done()))
		},
	}
}
