package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/exec"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// engine is a container engine with kind clusters that nobody runs. It records
// what it is asked for.
type engine struct {
	mu       sync.Mutex
	asked    []string
	clusters map[string][]*container
	machine  *hwprofiles.Profile
	api      *fake.Clientset

	creating func(name string) error // what becomes of a creation
	paused   bool                    // programs in nodes do not go on
	listing  error                   // what becomes of listing clusters
	deleting error
	agent    *nodeAgent // in every node
}

// container is a node.
type container struct {
	engine *engine
	name   string
	role   string
	dead   chan struct{}
}

func newEngine(t *testing.T) *engine {
	g := NewWithT(t)
	p, err := hwprofiles.ParseShape("sockets=1 cores=4 threads=1")
	g.Expect(err).NotTo(HaveOccurred())
	e := &engine{clusters: map[string][]*container{}, machine: p, api: fake.NewClientset()}
	e.agent = &nodeAgent{engine: e, hello: helloOf(g, p)}
	// What an API server and a controller-manager do of themselves.
	uids := 0
	e.api.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		pod := a.(clienttesting.CreateAction).GetObject().(*corev1.Pod)
		uids++
		pod.UID = types.UID(fmt.Sprintf("00000000-0000-4000-8000-%012d", uids))
		pod.CreationTimestamp = metav1.NewTime(time.Unix(int64(1000+uids), 0))
		e.agent.take(pod)
		return false, nil, nil
	})
	e.api.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		e.agent.endAll()
		return false, nil, nil
	})
	e.api.PrependReactor("patch", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		return true, e.resized(g, a.(clienttesting.PatchAction)), nil
	})
	e.api.PrependReactor("create", "namespaces", func(a clienttesting.Action) (bool, runtime.Object, error) {
		return false, nil, e.account(a.(clienttesting.CreateAction).GetObject().(*corev1.Namespace).Name)
	})
	g.Expect(e.api.Tracker().Add(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}})).To(Succeed())
	g.Expect(e.account("default")).To(Succeed())
	return e
}

func (e *engine) account(namespace string) error {
	return e.api.Tracker().Add(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: namespace}})
}

// resized is a pod after a resize that its kubelet has answered.
func (e *engine) resized(g Gomega, a clienttesting.PatchAction) *corev1.Pod {
	pods, kind := corev1.SchemeGroupVersion.WithResource("pods"), corev1.SchemeGroupVersion.WithKind("Pod")
	list, err := e.api.Tracker().List(pods, kind, a.GetNamespace())
	g.Expect(err).NotTo(HaveOccurred())
	for _, pod := range list.(*corev1.PodList).Items {
		if pod.Name == a.GetName() {
			pod.Generation += 7
			pod.Status.ObservedGeneration = pod.Generation
			g.Expect(e.api.Tracker().Update(pods, &pod, pod.Namespace)).To(Succeed())
			return &pod
		}
	}
	g.Expect(list).To(BeNil(), "no pod %s", a.GetName())
	return nil
}

func (e *engine) record(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, fmt.Sprintf(format, args...))
}

// story is what was asked for, with the cluster's random name left out.
func (e *engine) story(k *Kind) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []string
	for _, a := range e.asked {
		if i := strings.Index(a, namePrefix); i >= 0 {
			word := strings.FieldsFunc(a[i:], func(r rune) bool { return r == ' ' || r == '/' || r == ':' })[0]
			a = strings.ReplaceAll(a, strings.TrimSuffix(word, "-control-plane"), "NAME")
		}
		out = append(out, a)
	}
	return out
}

// add makes a cluster of these nodes' roles.
func (e *engine) add(name string, roles ...string) {
	for i, role := range roles {
		e.clusters[name] = append(e.clusters[name], &container{engine: e, name: fmt.Sprintf("%s-%s%s", name, role, strings.Repeat("2", i)), role: role, dead: make(chan struct{})})
	}
}

func (e *engine) Create(name string, _ ...cluster.CreateOption) error {
	e.record("create cluster %s", name)
	if e.creating != nil {
		if err := e.creating(name); err != nil {
			return err
		}
	}
	e.add(name, "control-plane")
	return nil
}

func (e *engine) Delete(name, _ string) error {
	e.record("delete cluster %s", name)
	if e.deleting == nil {
		delete(e.clusters, name)
	}
	return e.deleting
}

func (e *engine) List() ([]string, error) {
	var names []string
	for n := range e.clusters {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, e.listing
}

func (e *engine) ListNodes(name string) ([]nodes.Node, error) {
	var out []nodes.Node
	for _, c := range e.clusters[name] {
		out = append(out, c)
	}
	return out, nil
}

func (e *engine) KubeConfig(string, bool) (string, error) {
	return "apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\ncurrent-context: c\n", nil
}

func (e *engine) CollectLogs(name, dir string) error {
	e.record("collect logs of %s", name)
	return os.WriteFile(filepath.Join(dir, "kubelet.log"), nil, 0o644)
}

func (c *container) String() string              { return c.name }
func (c *container) Role() (string, error)       { return c.role, nil }
func (c *container) IP() (string, string, error) { return "", "", errors.New("no network") }
func (c *container) SerialLogs(io.Writer) error  { return nil }

func (c *container) Command(name string, args ...string) exec.Cmd {
	return c.CommandContext(context.Background(), name, args...)
}

func (c *container) CommandContext(ctx context.Context, name string, args ...string) exec.Cmd {
	return &command{container: c, ctx: ctx, argv: append([]string{name}, args...)}
}

// die ends a node as 'docker kill' does.
func (c *container) die() { close(c.dead) }

// command is one use of the exec seam.
type command struct {
	container      *container
	ctx            context.Context
	argv           []string
	stdin          io.Reader
	stdout, stderr io.Writer
}

func (c *command) SetEnv(...string) exec.Cmd      { return c }
func (c *command) SetStdin(r io.Reader) exec.Cmd  { c.stdin = r; return c }
func (c *command) SetStdout(w io.Writer) exec.Cmd { c.stdout = w; return c }
func (c *command) SetStderr(w io.Writer) exec.Cmd { c.stderr = w; return c }
func (c *command) failed(code int, said string) error {
	return &exec.RunError{Command: append([]string{"docker", "exec", "--privileged", c.container.name}, c.argv...), Output: []byte(said), Inner: fmt.Errorf("exit status %d", code)}
}

func (c *command) Run() error {
	e := c.container.engine
	line := strings.Join(c.argv, " ")
	select {
	case <-c.container.dead:
		return c.failed(1, "Error response from daemon: container "+c.container.name+" is not running\n")
	default:
	}
	if e.paused {
		<-c.ctx.Done()
		return c.ctx.Err()
	}
	switch {
	case line == "true":
		return nil
	case strings.HasPrefix(line, "/bin/sh -c cat"):
		data, err := io.ReadAll(c.stdin)
		e.record("%s: %d bytes to %s", c.container.name, len(data), c.argv[len(c.argv)-1])
		return err
	case strings.HasPrefix(line, binaryInNode+" "):
		e.record("%s: %s", c.container.name, line)
		return c.serve()
	}
	e.record("%s: %s", c.container.name, line)
	return nil
}

// serve is an agent until its streams, its node or its command end.
func (c *command) serve() error {
	ended := make(chan error, 1)
	s := stream{io.NopCloser(c.stdin), nopWriteCloser{c.stdout}}
	go func() { ended <- agent.Serve(s, c.container.engine.agent) }()
	select {
	case <-ended:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	case <-c.container.dead:
		return c.failed(137, "")
	}
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }

// nodeAgent stands for pinlab in a node: a kubelet that pins each container to
// the next CPU that is free.
type nodeAgent struct {
	engine *engine
	hello  agent.Hello

	mu    sync.Mutex
	facts agent.Facts
	next  int
	fatal string        // what the next start ends with
	stuck chan struct{} // when not nil, the next start waits for its end
	full  bool          // the node's disk
}

func (a *nodeAgent) Hello(_ agent.None, h *agent.Hello) error { *h = a.hello; return nil }

func (a *nodeAgent) Wipe(agent.None, *agent.None) error {
	a.engine.record("agent: wipe")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = 1
	// A cluster has pods of its own.
	a.facts = agent.Facts{Online: "0-3", Allocatable: "1-3", Groups: []cgroup.Group{{Path: "/etcd", PodUID: "b0d1", CPUs: "0-3", Effective: "0-3", Processes: []cgroup.Process{{PID: 1}}}}}
	return nil
}

func (a *nodeAgent) HoldUpdates(agent.Hold, *agent.None) error { return nil }
func (a *nodeAgent) Rest(agent.Rest, *agent.None) error        { return nil }
func (a *nodeAgent) ReadLog(int64, *agent.Log) error           { return nil }

func (a *nodeAgent) GiveBack(agent.None, *agent.None) error {
	a.engine.record("agent: give the node back")
	return nil
}

func (a *nodeAgent) StartKubelet(s agent.StartKubelet, k *agent.KubeletState) error {
	a.engine.record("agent: start the kubelet with %s", s.Config)
	if a.stuck != nil {
		<-a.stuck
	}
	if a.full {
		return errors.New("write /var/lib/kubelet/config.yaml: no space left on device")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.facts.Kubelet = agent.KubeletState{Running: a.fatal == "", Ready: a.fatal == "", Fatal: a.fatal}
	a.facts.CPUState = agent.File{Exists: true, Data: []byte(`{"pool":"0-3"}`)}
	*k = a.facts.Kubelet
	return nil
}

func (a *nodeAgent) Facts(_ agent.None, f *agent.Facts) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	*f = a.facts
	return nil
}

// endAll ends what runs of the scenario.
func (a *nodeAgent) endAll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.facts.Groups, a.next = a.facts.Groups[:min(1, len(a.facts.Groups))], 1
}

// take runs the containers of a new pod.
func (a *nodeAgent) take(pod *corev1.Pod) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.facts.Kubelet.Running {
		return
	}
	pod.Status.Phase, pod.Status.QOSClass = corev1.PodRunning, corev1.PodQOSGuaranteed
	entries := map[string]map[string]string{}
	resources := map[string]observe.CPUs{"kube-system/etcd/etcd": ""}
	for i, c := range pod.Spec.Containers {
		id := fmt.Sprintf("%032x%032x", a.next, i)
		cpu := fmt.Sprint(a.next)
		a.next++
		yes := true
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Started: &yes, ContainerID: "containerd://" + id, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
		a.facts.Groups = append(a.facts.Groups, cgroup.Group{
			Path: "/kubelet/" + id, PodUID: string(pod.UID), ContainerID: id, CPUs: observe.CPUs(cpu), Effective: observe.CPUs(cpu), Mems: "0",
			Processes: []cgroup.Process{{PID: a.next, Threads: map[observe.CPUs]int{observe.CPUs(cpu): 1}}},
		})
		entries[string(pod.UID)] = map[string]string{c.Name: cpu}
		resources[pod.Namespace+"/"+pod.Name+"/"+c.Name] = observe.CPUs(cpu)
	}
	data, _ := json.Marshal(map[string]any{"pool": fmt.Sprintf("0,%d-3", a.next), "entries": entries})
	a.facts.CPUState, a.facts.Resources = agent.File{Exists: true, Data: data}, resources
}

// newKind is a target of an engine, with its files in the test's directory.
func newKind(t *testing.T, e *engine, o Options) (*Kind, *bytes.Buffer) {
	g := NewWithT(t)
	said := &bytes.Buffer{}
	o.Dir, o.Binary = t.TempDir(), filepath.Join(t.TempDir(), "pinlab")
	g.Expect(os.WriteFile(o.Binary, []byte("a program"), 0o755)).To(Succeed())
	o.Say = func(text string) { fmt.Fprintln(said, text) }
	k := New(o, node.Options{Read: readState, Pinning: func(_ []byte, _ *corev1.Pod, c *corev1.Container) (int, string) {
		return int(c.Resources.Limits.Cpu().Value()), "said so"
	}})
	k.node.Step = 10 * time.Second
	k.provider = e
	k.connect = func(*rest.Config) (kubernetes.Interface, error) { return e.api, nil }
	return k, said
}

func readState(data []byte) (*observe.StateFile, error) {
	var f struct {
		Pool    observe.CPUs
		Entries map[string]map[string]observe.CPUs
	}
	err := json.Unmarshal(data, &f)
	return &observe.StateFile{Policy: "static", SharedPool: f.Pool, Entries: f.Entries}, err
}

// helloOf is what an agent on the machine of a profile tells.
func helloOf(g Gomega, p *hwprofiles.Profile) agent.Hello {
	dir, err := os.MkdirTemp("", "pinlab-sysfs-")
	g.Expect(err).NotTo(HaveOccurred())
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "root")
	g.Expect(hwprofiles.WriteSysfs(p, root)).To(Succeed())
	h := agent.Hello{KubeletVersion: "v1.37.0", Sys: map[string][]byte{}}
	g.Expect(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if d.Type()&fs.ModeSymlink != 0 {
			if base := filepath.Base(name); strings.HasPrefix(base, "cpu") || strings.HasPrefix(base, "node") {
				h.Sys[name+"/"] = nil
			}
			return err
		}
		h.Sys[name], err = os.ReadFile(path)
		return err
	})).To(Succeed())
	return h
}
