package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab"
	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/lab"
	"github.com/pinlab/pinlab/hwprofiles"
)

func newLab() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Real nodes without the hardware: virtual machines with a profile's topology",
	}
	cmd.AddCommand(newLabAgent(), newLabHog(), newLabTry())
	return cmd
}

func newLabTry() *cobra.Command {
	return &cobra.Command{
		Use: "try PROFILE", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := hwprofiles.Resolve(args[0])
			if err != nil {
				return err
			}
			say := func(text string) { fmt.Fprintln(os.Stderr, "lab:", text) }
			vm, err := lab.Start(cmd.Context(), p, lab.Options{GoMod: pinlab.GoMod, GoSum: pinlab.GoSum, Say: say})
			if err != nil {
				return err
			}
			defer vm.Close()
			fmt.Printf("boot %.1f s, uptime %.1f, kernel %s, %s, cgroup v%d, %d sys files\n", vm.BootSeconds, vm.Hello.BootSeconds, vm.Hello.Kernel, vm.Hello.KubeletVersion, vm.Hello.CgroupVersion, len(vm.Hello.Sys))
			for _, f := range []string{"sys/devices/system/cpu/online", "sys/devices/system/node/node0/cpulist", "sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list"} {
				fmt.Printf("%s: %s", f, vm.Hello.Sys[f])
			}
			var st agent.KubeletState
			t := time.Now()
			cfg := `{"cpuManagerPolicy":"static","reservedSystemCPUs":"0","cpuManagerReconcilePeriod":"1s"}`
			if err := vm.Agent.Call(cmd.Context(), "StartKubelet", agent.StartKubelet{Config: []byte(cfg)}, &st); err != nil {
				return err
			}
			pod := false
			for range 100 {
				var f agent.Facts
				if err := vm.Agent.Call(cmd.Context(), "Facts", agent.None{}, &f); err != nil {
					return err
				}
				fmt.Printf("%.1f %+v state=%s groups=%d unread=%v res=%v\n", time.Since(t).Seconds(), f.Kubelet, f.CPUState, len(f.Groups), f.Unread, f.Resources)
				for _, g := range f.Groups {
					fmt.Printf("   %s %s eff %s procs %v\n", g.Path, g.CPUs, g.Effective, g.Processes)
				}
				if f.Kubelet.Ready && !pod {
					pod = true
					manifest := `{"metadata":{"name":"a","namespace":"default","uid":"11111111-1111-4111-8111-111111111111"},"spec":{"hostNetwork":true,"nodeName":"lab","containers":[{"name":"app","image":"` + agent.Image + `","command":["/bin/sh","-c","sleep 1000"],"resources":{"requests":{"cpu":"2","memory":"64Mi"},"limits":{"cpu":"2","memory":"64Mi"}}}]}}`
					if err := vm.Agent.Call(cmd.Context(), "CreatePod", []byte(manifest), &agent.None{}); err != nil {
						fmt.Println(err)
					}
				}
				if len(f.Groups) > 1 || time.Since(t) > 90*time.Second || !f.Kubelet.Running {
					break
				}
				time.Sleep(2 * time.Second)
			}
			var l agent.Log
			if err := vm.Agent.Call(cmd.Context(), "ReadLog", int64(0), &l); err != nil {
				return err
			}
			var b strings.Builder
			for _, line := range l.Lines {
				fmt.Fprintf(&b, "%s%d %s\n", line.Severity, line.Verbosity, line.Text)
			}
			return os.WriteFile("/tmp/kubelet.log", []byte(b.String()), 0o644)
		},
	}
}

// agentPort is the name of the serial port that leads to the host.
const agentPort = "pinlab.agent"

func newLabAgent() *cobra.Command {
	return &cobra.Command{
		Use: "agent", Short: "Serve the host of the machine this runs in", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			port, err := findPort(agentPort)
			if err != nil {
				return err
			}
			stream, err := os.OpenFile(port, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return agent.Serve(stream, agent.New(cmd.Context()))
		},
	}
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
			free, err := strconv.Atoi(args[1])
			if err != nil {
				return err
			}
			return agent.Hog(args[0], free, cmd.OutOrStdout(), cmd.Context().Done())
		},
	}
}
