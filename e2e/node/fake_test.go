package node

import (
	"context"
	"encoding/json"
	"fmt"
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
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// fake is a node that nobody runs: tests say what is to be seen of it.
type fake struct {
	g     Gomega
	facts agent.Facts // without Pods
	pods  []*corev1.Pod
	hello agent.Hello
	log   []observe.LogLine

	calls []string // methods that change something
	args  map[string][]any
	// on is called for a method before the fake does anything.
	on map[string]func(args any) error
	// created is called with every new pod.
	created func(*corev1.Pod)
	// fatal is the error that the next start ends with.
	fatal    string
	rebooted *hwprofiles.Profile
	quotas   map[string]string // of cgroups
	ahead    int64             // what the API server's generations are ahead of those of patches
	reboots  [][]int           // the CPUs offline after each
	closed   bool
}

func (f *fake) Agent() Caller      { return f }
func (f *fake) Hello() agent.Hello { return f.hello }
func (f *fake) Close() error       { f.closed = true; return nil }

func (f *fake) Reboot(_ context.Context, offline []int) error {
	f.reboots = append(f.reboots, offline)
	f.pods, f.facts.Groups = nil, nil
	f.facts.Kubelet = agent.KubeletState{}
	return nil
}

func (f *fake) Swap(ctx context.Context, p *hwprofiles.Profile) error {
	f.rebooted, f.hello = p, helloOf(f.g, p)
	return f.Reboot(ctx, nil)
}

// Call implements Caller.
func (f *fake) Call(ctx context.Context, method string, args, answer any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if method != "Facts" && method != "Rest" && method != "ReadLog" {
		f.calls = append(f.calls, method)
	}
	f.args[method] = append(f.args[method], args)
	if on := f.on[method]; on != nil {
		if err := on(args); err != nil {
			return err
		}
	}
	switch method {
	case "Facts":
		facts := f.facts
		for _, p := range f.pods {
			data, err := json.Marshal(p)
			f.g.Expect(err).NotTo(HaveOccurred())
			facts.Pods = append(facts.Pods, data)
		}
		*answer.(*agent.Facts) = facts
	case "StartKubelet":
		f.facts.Kubelet = agent.KubeletState{Running: f.fatal == "", Ready: f.fatal == "", Fatal: f.fatal}
		for _, p := range f.pods {
			if f.fatal == "" {
				f.log = append(f.log, observe.LogLine{Severity: "I", Text: `"SyncLoop ADD" pods=["` + p.Namespace + "/" + p.Name + `"] source="api"`})
			}
		}
	case "StopKubelet":
		f.facts.Kubelet = agent.KubeletState{}
	case "CreatePod":
		p := &corev1.Pod{}
		f.g.Expect(json.Unmarshal(args.(json.RawMessage), p)).To(Succeed())
		f.pods = append(f.pods, p)
		*answer.(*agent.Created) = agent.Created{UID: string(p.UID)}
		if f.created != nil && f.facts.Kubelet.Running {
			f.created(p)
		}
	case "PatchPod":
		var patch metav1.PartialObjectMetadata
		f.g.Expect(json.Unmarshal(args.(agent.PatchPod).Patch, &patch)).To(Succeed())
		*answer.(*agent.Patched) = agent.Patched{Generation: patch.Generation + f.ahead}
	case "DeletePod":
		d := args.(agent.DeletePod)
		uid := string(f.pod(d.Name).UID)
		f.pods = slices.DeleteFunc(f.pods, func(p *corev1.Pod) bool { return p.Name == d.Name })
		if !d.Force { // the kubelet ends it
			f.facts.Groups = slices.DeleteFunc(f.facts.Groups, func(g cgroup.Group) bool { return g.PodUID == uid })
		}
	case "Quotas":
		out := map[string]string{}
		for _, path := range args.([]string) {
			out[path] = f.quotas[path]
		}
		*answer.(*map[string]string) = out
	case "ReadLog":
		from := args.(int64)
		*answer.(*agent.Log) = agent.Log{Lines: f.log[from:], Next: int64(len(f.log))}
	}
	return nil
}

func (f *fake) pod(name string) *corev1.Pod {
	i := slices.IndexFunc(f.pods, func(p *corev1.Pod) bool { return p.Name == name })
	f.g.Expect(i).To(BeNumerically(">=", 0), "no pod %s", name)
	return f.pods[i]
}

func idOf(ref string) string { return fmt.Sprintf("%064x", ref) }

// status finds or makes the status of a container.
func (f *fake) status(pod, container string) *corev1.ContainerStatus {
	p := f.pod(pod)
	list := &p.Status.ContainerStatuses
	if slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == container }) {
		list = &p.Status.InitContainerStatuses
	}
	for i := range *list {
		if (*list)[i].Name == container {
			return &(*list)[i]
		}
	}
	*list = append(*list, corev1.ContainerStatus{Name: container})
	return &(*list)[len(*list)-1]
}

// run lets a container run on these CPUs.
func (f *fake) run(pod, container string, cpus observe.CPUs) {
	id := idOf(pod + "/" + container)
	s, yes := f.status(pod, container), true
	s.State, s.Started, s.ContainerID = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, &yes, "containerd://"+id
	f.pod(pod).Status.Phase = corev1.PodRunning
	f.pod(pod).Status.QOSClass = corev1.PodQOSGuaranteed
	f.facts.Groups = slices.DeleteFunc(f.facts.Groups, func(g cgroup.Group) bool { return g.ContainerID == id })
	f.facts.Groups = append(f.facts.Groups, cgroup.Group{
		Path: "/kubepods/pod/" + id, PodUID: string(f.pod(pod).UID), ContainerID: id, CPUs: cpus, Effective: cpus, Mems: "0",
		Processes: []cgroup.Process{{PID: 1, Threads: map[observe.CPUs]int{cpus: 1}}},
	})
}

// end ends a container with an exit code.
func (f *fake) end(pod, container string, code int32) {
	f.status(pod, container).State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	id := idOf(pod + "/" + container)
	f.facts.Groups = slices.DeleteFunc(f.facts.Groups, func(g cgroup.Group) bool { return g.ContainerID == id })
}

// reject lets the kubelet reject a pod.
func (f *fake) reject(pod, reason, message string) {
	f.pod(pod).Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: reason, Message: message}
}

// state writes the CPU manager's state; entries are "a/app": "1-2".
func (f *fake) state(pool string, entries map[string]string) {
	byUID := map[string]map[string]string{}
	for ref, cpus := range entries {
		pod, container, _ := strings.Cut(ref, "/")
		uid := pod
		for _, p := range f.pods {
			if p.Name == pod {
				uid = string(p.UID)
			}
		}
		if byUID[uid] == nil {
			byUID[uid] = map[string]string{}
		}
		byUID[uid][container] = cpus
	}
	data, err := json.Marshal(map[string]any{"policyName": "static", "defaultCpuSet": pool, "entries": byUID, "checksum": 1})
	f.g.Expect(err).NotTo(HaveOccurred())
	f.facts.CPUState = agent.File{Exists: true, Data: data}
}

// runAll lets every new pod run in the shared pool.
func (f *fake) runAll(p *corev1.Pod) {
	for _, c := range p.Spec.InitContainers {
		f.end(p.Name, c.Name, 0)
	}
	for _, c := range p.Spec.Containers {
		f.run(p.Name, c.Name, "0-7")
	}
}

// helloOf is what an agent on the machine of a profile tells.
func helloOf(g Gomega, p *hwprofiles.Profile) agent.Hello {
	dir, err := os.MkdirTemp("", "pinlab-sysfs-")
	g.Expect(err).NotTo(HaveOccurred())
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "root")
	g.Expect(hwprofiles.WriteSysfs(p, root)).To(Succeed())
	h := agent.Hello{KubeletVersion: "v1.37.2", Sys: map[string][]byte{}}
	g.Expect(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			if base := filepath.Base(name); strings.HasPrefix(base, "cpu") || strings.HasPrefix(base, "node") {
				h.Sys[name+"/"] = nil
			}
			return nil
		}
		h.Sys[name], err = os.ReadFile(path)
		return err
	})).To(Succeed())
	return h
}

func pinned(_ []byte, _ *corev1.Pod, c *corev1.Container) (int, string) {
	return int(c.Resources.Limits.Cpu().Value()), "said so"
}

// usual is what the agent on newTarget's machine tells; it is made once.
var (
	once  sync.Once
	usual agent.Hello
)

// newTarget makes a target of a fake machine of 8 CPUs on two NUMA nodes. Its
// kubelet has the static policy and is not started.
func newTarget(t *testing.T, change ...func(*scenarios.Scenario, *Options)) (*WithT, *Target, *fake) {
	g := NewWithT(t)
	p, err := hwprofiles.ParseShape("sockets=2 cores=2 threads=2 numbering=adjacent")
	g.Expect(err).NotTo(HaveOccurred())
	once.Do(func() { usual = helloOf(g, p) })
	f := &fake{g: g, hello: usual, args: map[string][]any{}, on: map[string]func(any) error{}}
	f.facts.Online, f.facts.Allocatable = "0-7", "1-7"
	f.created = f.runAll
	s := &scenarios.Scenario{Name: "story", Kubelet: json.RawMessage(`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`), Reconcile: scenarios.ReconcileAuto}
	o := Options{Name: "fake", Read: readState, Pinning: pinned, Resolve: hwprofiles.Resolve, Step: 10 * time.Second}
	for _, c := range change {
		c(s, &o)
	}
	target, err := New(t.Context(), s, f, o)
	g.Expect(err).NotTo(HaveOccurred())
	f.state("0-7", nil)
	f.calls = nil
	return g, target, f
}

// apply makes events happen and returns what is seen after the last.
func apply(g Gomega, t *Target, events ...scenarios.Event) observe.Observation {
	var o observe.Observation
	for _, e := range events {
		g.Expect(t.Apply(context.Background(), e)).To(Succeed(), "%v", e)
		var err error
		o, err = t.Observe(context.Background())
		g.Expect(err).NotTo(HaveOccurred())
	}
	return o
}

// create is a pod with one container of two CPUs, and others as written.
func create(name string, change ...func(*corev1.Pod)) scenarios.CreatePod {
	two := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{Limits: two}}}},
	}
	for _, c := range change {
		c(p)
	}
	return scenarios.CreatePod{Pod: p}
}

func withInit(names ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, n := range names {
			c := corev1.Container{Name: n}
			if strings.HasPrefix(n, "sidecar") {
				always := corev1.ContainerRestartPolicyAlways
				c.RestartPolicy = &always
			}
			p.Spec.InitContainers = append(p.Spec.InitContainers, c)
		}
	}
}

// readState reads the state files that tests write: the oldest format with
// entries by pod, without its checksum.
func readState(data []byte) (*observe.StateFile, error) {
	var f struct {
		PolicyName    string
		DefaultCPUSet string
		Entries       map[string]map[string]string
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, err
	}
	s := &observe.StateFile{Policy: f.PolicyName, SharedPool: observe.CPUs(f.DefaultCPUSet), Entries: map[string]map[string]observe.CPUs{}}
	for uid, containers := range f.Entries {
		s.Entries[uid] = map[string]observe.CPUs{}
		for name, cpus := range containers {
			s.Entries[uid][name] = observe.CPUs(cpus)
		}
	}
	return s, nil
}
