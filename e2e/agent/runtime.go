package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	podresourcesapi "k8s.io/kubelet/pkg/apis/podresources/v1"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

// containerdConfig is what differs from containerd's defaults: the image of
// sandboxes and the wrapper around runc.
const containerdConfig = `version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '` + Image + `'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    BinaryName = '` + RuntimeWrapper + `'
    SystemdCgroup = false
`

const containerdLog = "/var/log/containerd.log"

// startRuntime starts containerd and waits until it answers.
func startRuntime(ctx context.Context) error {
	if err := os.MkdirAll("/etc/containerd", 0o755); err != nil {
		return err
	}
	if err := os.WriteFile("/etc/containerd/config.toml", []byte(containerdConfig), 0o644); err != nil {
		return err
	}
	log, err := os.OpenFile(containerdLog, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/usr/bin/containerd")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		err := withRuntime(ctx, func(ctx context.Context, c runtimeapi.RuntimeServiceClient) error {
			_, err := c.Version(ctx, &runtimeapi.VersionRequest{})
			return err
		})
		if err == nil {
			return nil
		}
		select {
		case err := <-ended:
			text, _ := os.ReadFile(containerdLog)
			return fmt.Errorf("containerd ended: %w: %s", err, text[max(0, len(text)-2000):])
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond): // its socket has no other sign
		}
	}
}

// withRuntime calls the CRI.
func withRuntime(ctx context.Context, f func(context.Context, runtimeapi.RuntimeServiceClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+runtimeSock, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	return f(ctx, runtimeapi.NewRuntimeServiceClient(conn))
}

// resourcesTime bounds the wait for the kubelet's answer. It may have no
// descriptor left to take the connection.
const resourcesTime = 3 * time.Second

// podResources asks the kubelet's podresources API what containers have for
// themselves, and which CPUs may be had.
func (f *Facts) podResources() error {
	ctx, cancel := context.WithTimeout(context.Background(), resourcesTime)
	defer cancel()
	conn, err := grpc.NewClient("unix://"+kubeletDir+"/pod-resources/kubelet.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := podresourcesapi.NewPodResourcesListerClient(conn)
	list, err := client.List(ctx, &podresourcesapi.ListPodResourcesRequest{})
	if err != nil {
		return err
	}
	may, err := client.GetAllocatableResources(ctx, &podresourcesapi.AllocatableResourcesRequest{})
	if err != nil {
		return err
	}
	f.Resources, f.Listed, f.Allocatable = map[string]observe.CPUs{}, nil, cpuList(may.GetCpuIds())
	for _, p := range list.GetPodResources() {
		for _, c := range p.GetContainers() {
			l := observe.ListedContainer{Pod: p.GetName(), Container: c.GetName(), CPUs: cpuList(c.GetCpuIds())}
			for _, m := range c.GetMemory() {
				if m.GetMemoryType() == "memory" {
					l.MemoryBytes += m.GetSize()
				}
			}
			f.Resources[p.GetNamespace()+"/"+p.GetName()+"/"+c.GetName()] = l.CPUs
			f.Listed = append(f.Listed, l)
		}
	}
	return nil
}

func cpuList(ids []int64) observe.CPUs {
	list := make([]int, 0, len(ids))
	for _, id := range ids {
		list = append(list, int(id))
	}
	return observe.FromSet(cpuset.New(list...))
}

// ExitContainer ends a container's first process with an exit code. The
// process is the image's script, which reads the code from a file; code 137 is
// a SIGKILL.
func (n *Node) ExitContainer(e ExitContainer, _ *None) error {
	g, err := n.group(e.ContainerID)
	if err != nil {
		return err
	}
	if len(g.Processes) == 0 {
		return fmt.Errorf("container %s has no process", e.ContainerID)
	}
	first := g.Processes[0].PID
	if e.Code == 137 {
		return syscall.Kill(first, syscall.SIGKILL)
	}
	file := fmt.Sprintf("/proc/%d/root%s", first, exitFile)
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n", e.Code), 0o644); err != nil {
		return err
	}
	return syscall.Kill(first, syscall.SIGUSR1)
}

func (n *Node) group(id string) (cgroup.Group, error) {
	groups, err := n.reader.Containers()
	if err != nil {
		return cgroup.Group{}, err
	}
	for _, g := range groups {
		if g.ContainerID == id {
			return g, nil
		}
	}
	return cgroup.Group{}, fmt.Errorf("container %s has no cgroup", id)
}

// SetCPUSet writes a container's cpuset.cpus.
func (n *Node) SetCPUSet(s SetCPUSet, _ *None) error {
	g, err := n.group(s.ContainerID)
	if err != nil {
		return err
	}
	mount, _, err := n.reader.Mount()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(mount, g.Path, "cpuset.cpus"), []byte(s.CPUs), 0o644)
}

// Wipe makes the node as it was after the boot: no kubelet, no pods, no state.
func (n *Node) Wipe(_ None, _ *None) error {
	var state KubeletState
	err := n.HoldUpdates(Hold{}, &None{})
	err = errors.Join(err, n.StopKubelet(Signal{int(syscall.SIGKILL)}, &state))
	err = errors.Join(err, n.ClearFaults(None{}, &None{}))
	n.kubelet.mu.Lock()
	n.kubelet.starts = 0
	n.kubelet.mu.Unlock()
	if n.member != nil {
		return errors.Join(err, n.member.wipe())
	}
	n.mu.Lock()
	n.api = newAPI()
	n.mu.Unlock()
	err = errors.Join(err, withRuntime(context.Background(), removePods), noHugePages())
	err = errors.Join(err, emptyDir(kubeletDir), os.RemoveAll("/var/log/pods"), os.RemoveAll(kubeletLog))
	return errors.Join(err, n.removeGroups())
}

func removePods(ctx context.Context, c runtimeapi.RuntimeServiceClient) error {
	return removeLabelled(ctx, c, nil)
}

// removeLabelled removes the pods with these labels, all when there are none.
func removeLabelled(ctx context.Context, c runtimeapi.RuntimeServiceClient, labels map[string]string) error {
	list, err := c.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{Filter: &runtimeapi.PodSandboxFilter{LabelSelector: labels}})
	if err != nil {
		return err
	}
	ended := make(chan error)
	for _, s := range list.GetItems() {
		go func() {
			_, err := c.StopPodSandbox(ctx, &runtimeapi.StopPodSandboxRequest{PodSandboxId: s.GetId()})
			if err == nil {
				_, err = c.RemovePodSandbox(ctx, &runtimeapi.RemovePodSandboxRequest{PodSandboxId: s.GetId()})
			}
			ended <- err
		}()
	}
	err = nil
	for range list.GetItems() {
		err = errors.Join(err, <-ended)
	}
	return err
}

// emptyDir removes what is in a directory. What is mounted there is unmounted.
func emptyDir(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	lines := strings.Split(string(mounts), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 1 && strings.HasPrefix(f[1], dir+"/") {
			if err := syscall.Unmount(f[1], syscall.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", f[1], err)
			}
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// removeGroups removes the kubelet's cgroups, deepest first.
func (n *Node) removeGroups() error {
	var dirs []string
	for _, base := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		found, err := filepath.Glob(base)
		if err != nil {
			return err
		}
		for _, top := range found {
			err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					dirs = append(dirs, path)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	var errs []error
	for i := len(dirs) - 1; i >= 0; i-- {
		if err := removeGroup(dirs[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// removeGroup removes one cgroup; the kernel may need a moment after the last
// process of it has ended.
func removeGroup(dir string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) || !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			if errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
