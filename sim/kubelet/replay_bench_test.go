package kubelet_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	cadvisor "github.com/google/cadvisor/lib/model"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm/containermap"
	"k8s.io/kubernetes/pkg/kubelet/cm/cpumanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/memorymanager"
	"k8s.io/kubernetes/pkg/kubelet/cm/topologymanager"
	"k8s.io/kubernetes/pkg/kubelet/lifecycle"
	schedulerframework "k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/utils/cpuset"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/kubelet"
)

// bareNode drives the upstream managers with nothing around them: the same
// calls that a replay makes for a pod's life, and no more.
type bareNode struct {
	ctx      context.Context
	log      klog.Logger
	pod      *v1.Pod // the one active pod
	status   v1.PodStatus
	topology topologymanager.Manager
	cpu      cpumanager.Manager
	memory   memorymanager.Manager
	fits     lifecycle.PodAdmitHandler
	arrived  chan struct{}
	proceed  chan struct{}
	loop     bool
	// left and back are when the loop last went and came back.
	left, back time.Time
	active     func() []*v1.Pod // instead of pod
}

func (b *bareNode) AddSource(string) {}

func (b *bareNode) AllReady() bool {
	if b.loop {
		b.back = time.Now()
		b.arrived <- struct{}{}
		<-b.proceed
		b.left = time.Now()
	}
	return true
}

func (b *bareNode) ActivePods() []*v1.Pod {
	if b.active != nil {
		return b.active()
	}
	if b.pod == nil {
		return nil
	}
	return []*v1.Pod{b.pod}
}

func (b *bareNode) GetPodStatus(types.UID) (v1.PodStatus, bool) { return b.status, b.pod != nil }

func (b *bareNode) UpdateContainerResources(context.Context, string, *runtimeapi.ContainerResources) error {
	return nil
}

// tick lets the loop run once. The time is the loop's own: waking its goroutine
// and this one again is left out, which takes up to a tenth of a tick.
func (b *bareNode) tick() time.Duration {
	b.loop = true
	b.proceed <- struct{}{}
	<-b.arrived
	b.loop = false
	return b.back.Sub(b.left)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// reserved is how many CPUs the benchmarks keep back.
const reserved = 2

func newBareNode(tb testing.TB, machine *cadvisor.MachineInfo, dir, topologyPolicy string) *bareNode {
	b := &bareNode{
		log: logr.Discard(), arrived: make(chan struct{}), proceed: make(chan struct{}),
	}
	b.ctx = klog.NewContext(tb.Context(), b.log)
	kept := v1.ResourceList{v1.ResourceCPU: *resource.NewQuantity(reserved, resource.DecimalSI)}
	var err error
	b.topology, err = topologymanager.NewManager(b.log, machine.Topology, topologyPolicy, "container", nil)
	must(tb, err)
	b.cpu, err = cpumanager.NewManager(b.log, "static", nil, time.Nanosecond, machine, cpuset.New(0, machine.NumCores/2), kept, dir, b.topology)
	must(tb, err)
	b.memory, err = memorymanager.NewManager(b.log, "None", machine, kept, nil, dir, b.topology)
	must(tb, err)
	b.topology.AddHintProvider(b.log, b.cpu)
	b.topology.AddHintProvider(b.log, b.memory)
	b.loop = true
	must(tb, b.cpu.Start(b.ctx, b.ActivePods, b, b, b, containermap.NewContainerMap()))
	<-b.arrived
	b.loop = false
	must(tb, b.memory.Start(b.ctx, b.ActivePods, b, b, b, containermap.NewContainerMap()))
	list := v1.ResourceList{
		v1.ResourceCPU:    *resource.NewQuantity(int64(machine.NumCores), resource.DecimalSI),
		v1.ResourceMemory: resource.MustParse("1Ti"), v1.ResourcePods: resource.MustParse("110"),
	}
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: "bare"}, Status: v1.NodeStatus{Capacity: list, Allocatable: list}}
	b.fits = lifecycle.NewPredicateAdmitHandler(
		func(context.Context, bool) (*v1.Node, error) { return node, nil }, lifecycle.NewAdmissionFailureHandlerStub(),
		func(*schedulerframework.NodeInfo, *lifecycle.PodAdmitAttributes) error { return nil })
	return b
}

// preStart is what the kubelet does before the pod's container starts.
func (b *bareNode) preStart(pod *v1.Pod, id string) {
	c := &pod.Spec.Containers[0]
	b.cpu.AddContainer(b.log, pod, c, id)
	b.memory.AddContainer(b.log, pod, c, id)
	b.topology.AddContainer(b.log, pod, c, id)
}

// running is the status of a pod with its container running.
func running(id string) v1.PodStatus {
	return v1.PodStatus{ContainerStatuses: []v1.ContainerStatus{{
		Name: "app", ContainerID: "bare://" + id, State: v1.ContainerState{Running: &v1.ContainerStateRunning{}},
	}}}
}

// life is one pod from its creation to its end.
func (b *bareNode) life(tb testing.TB, pod *v1.Pod, id string) {
	b.pod, b.status = pod, running(id)
	attrs := &lifecycle.PodAdmitAttributes{Pod: pod, Operation: lifecycle.AddOperation}
	for _, h := range []lifecycle.PodAdmitHandler{b.topology, b.fits} {
		if r := h.Admit(b.ctx, attrs); !r.Admit {
			tb.Fatal(r.Reason, r.Message)
		}
	}
	c := &pod.Spec.Containers[0]
	_ = b.cpu.GetCPUAffinity(string(pod.UID), c.Name).String()
	_ = b.memory.GetMemoryNUMANodes(b.log, pod, c)
	b.preStart(pod, id)
	b.tick()
	must(tb, b.topology.RemoveContainer(b.log, id))
	b.pod = nil
	b.tick()
}

func benchPod(i int) *v1.Pod {
	list := v1.ResourceList{v1.ResourceCPU: resource.MustParse("4"), v1.ResourceMemory: resource.MustParse("1Gi")}
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: types.UID(fmt.Sprintf("uid-%d", i))},
		Spec: v1.PodSpec{Containers: []v1.Container{{
			Name: "app", Image: "app", Resources: v1.ResourceRequirements{Requests: list, Limits: list},
		}}},
	}
}

// benchProfiles are the machines of the comparison, by their number of CPUs.
func benchProfiles() []string {
	return []string{"xeon-2s24c-smt2", "epyc-7742-2s-nps1", "generic-1024"}
}

func memoryDir(tb testing.TB) string {
	dir, err := os.MkdirTemp(sim.StateBase(), "pinlab-bench-")
	must(tb, err)
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// replayScenario is n pod lives as a scenario.
func replayScenario(p *hwprofiles.Profile, n int) *scenarios.Scenario {
	s := &scenarios.Scenario{
		Name: "bench", Profile: p.Name, Reconcile: scenarios.ReconcileAuto,
		Kubelet: fmt.Appendf(nil, `{"cpuManagerPolicy":"static","topologyManagerPolicy":"best-effort","reservedSystemCPUs":"0,%d"}`, len(p.CPUs)/2),
		Steps:   []scenarios.Step{{Event: scenarios.StartKubelet{}}},
	}
	for i := range n {
		s.Steps = append(s.Steps,
			scenarios.Step{Event: scenarios.CreatePod{Pod: benchPod(i)}},
			scenarios.Step{Event: scenarios.DeletePod{Pod: "p"}})
	}
	return s
}

// turn is how many pods live in one turn of the comparison.
const turn = 1000

// BenchmarkReplay compares a pod's life replayed through pinlab, with
// observations, invariants and the log captured after each step, with the bare
// upstream calls it makes. An iteration is a turn of each, one after the other:
// 1,000 lives on the bare managers and one scenario of 1,000 lives, with all of
// its trace kept.
//
// The metric overhead is the median of the turns' ratios of time passed;
// cpu-overhead is that of processor time, with all of the garbage collector's,
// and is the one to look at on a busy machine. On 1,024 CPUs an iteration takes
// minutes: -timeout must allow for it.
func BenchmarkReplay(b *testing.B) {
	decoder, err := kubelet.NewConfigDecoder()
	must(b, err)
	for _, name := range benchProfiles() {
		p, err := hwprofiles.Load(name)
		must(b, err)
		b.Run(fmt.Sprintf("cpus=%d", len(p.CPUs)), func(b *testing.B) {
			machine, err := p.MachineInfo()
			must(b, err)
			bare := newBareNode(b, machine, memoryDir(b), "best-effort")
			pods := make([]*v1.Pod, turn)
			for i := range pods {
				pods[i] = benchPod(i)
			}
			var bareTime, replayTime time.Duration
			var ratios, cpuRatios []float64
			for b.Loop() {
				runtime.GC() // nobody pays for what the other leaves behind
				started, startedCPU := time.Now(), cpuTime(b)
				for i, pod := range pods {
					bare.life(b, pod, fmt.Sprintf("bare_%d", i))
				}
				bareTurn, bareCPU := time.Since(started), cpuTime(b)-startedCPU
				s := replayScenario(p, turn)
				target, err := sim.New(s, p, sim.Options{Decoder: decoder, TempDir: memoryDir(b)})
				must(b, err)
				// The kubelet's start is no part of a pod's life.
				must(b, target.Apply(b.Context(), s.Steps[0].Event))
				s.Steps = s.Steps[1:]
				runtime.GC()
				started, startedCPU = time.Now(), cpuTime(b)
				r := scenarios.Runner{}.Run(b.Context(), s, target, p)
				replayTurn, replayCPU := time.Since(started), cpuTime(b)-startedCPU
				must(b, target.Close())
				if r.Verdict != scenarios.Pass {
					b.Fatal(r.Verdict, r.Reason)
				}
				bareTime, replayTime = bareTime+bareTurn, replayTime+replayTurn
				ratios = append(ratios, float64(replayTurn)/float64(bareTurn))
				cpuRatios = append(cpuRatios, float64(replayCPU)/float64(bareCPU))
			}
			lives := float64(turn * len(ratios))
			b.ReportMetric(float64(bareTime.Microseconds())/lives, "bare-us/life")
			b.ReportMetric(float64(replayTime.Microseconds())/lives, "replay-us/life")
			b.ReportMetric(median(ratios), "overhead")
			b.ReportMetric(median(cpuRatios), "cpu-overhead")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// cpuTime is the processor time that this process has used.
func cpuTime(tb testing.TB) time.Duration {
	var u unix.Rusage
	must(tb, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
