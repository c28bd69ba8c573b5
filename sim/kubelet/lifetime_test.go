package kubelet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
)

// desk is a Node small enough to read: pods that run as soon as they are added.
type desk struct {
	pods    []*v1.Pod
	updates []string
	update  func(id string) error
}

func (d *desk) ActivePods() []*v1.Pod { return d.pods }

func (d *desk) PodStatus(uid types.UID) (v1.PodStatus, bool) {
	for _, p := range d.pods {
		if p.UID == uid {
			s := v1.PodStatus{}
			for _, c := range p.Spec.Containers {
				s.ContainerStatuses = append(s.ContainerStatuses, v1.ContainerStatus{
					Name: c.Name, ContainerID: "pinlab://" + p.Name + "-" + c.Name,
					State: v1.ContainerState{Running: &v1.ContainerStateRunning{}},
				})
			}
			return s, true
		}
	}
	return v1.PodStatus{}, false
}

func (d *desk) UpdateContainer(id, cpus string) error {
	if d.update != nil {
		if err := d.update(id); err != nil {
			return err
		}
	}
	d.updates = append(d.updates, id+"="+cpus)
	return nil
}

func (d *desk) Containers() []ContainerRef { return nil }

func guaranteed(name string, cpus int) *v1.Pod {
	list := v1.ResourceList{
		v1.ResourceCPU:    *resource.NewQuantity(int64(cpus), resource.DecimalSI),
		v1.ResourceMemory: resource.MustParse("64Mi"),
	}
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("uid-" + name)},
		Spec: v1.PodSpec{Containers: []v1.Container{{
			Name: "app", Image: "app", Resources: v1.ResourceRequirements{Requests: list, Limits: list},
		}}},
	}
}

func shared(name string) *v1.Pod {
	p := guaranteed(name, 1)
	p.Spec.Containers[0].Resources = v1.ResourceRequirements{}
	return p
}

// params is a 16-CPU machine, two nodes, siblings 8 apart, CPUs 0 and 8
// reserved.
func params(t testing.TB, node Node, config string) Params {
	t.Helper()
	g := NewWithT(t)
	profile, err := hwprofiles.Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	machine, err := profile.MachineInfo()
	g.Expect(err).NotTo(HaveOccurred())
	decoder, err := NewConfigDecoder()
	g.Expect(err).NotTo(HaveOccurred())
	cfg, err := decoder.Decode([]byte(config))
	g.Expect(err).NotTo(HaveOccurred())
	return Params{Config: cfg, Machine: machine, StateDir: t.TempDir(), Node: node, SourcesReady: true}
}

const static = `{cpuManagerPolicy: static, reservedSystemCPUs: "0,8", topologyManagerPolicy: single-numa-node}`

func start(t testing.TB, p Params) *Lifetime {
	t.Helper()
	l := New(p)
	NewWithT(t).Expect(l.Start()).To(Succeed())
	t.Cleanup(l.Stop)
	return l
}

func TestPinAndRelease(t *testing.T) {
	g := NewWithT(t)
	d := &desk{pods: []*v1.Pod{shared("web"), guaranteed("db", 2)}}
	l := start(t, params(t, d, static))
	for _, p := range d.pods {
		g.Expect(l.Admit(p, nil)).To(Equal(AdmitResult{Admitted: true}))
		g.Expect(l.PreStart(p, &p.Spec.Containers[0], p.Name+"-app")).To(Succeed())
	}
	s := l.Snapshot()
	g.Expect(s.Reserved).To(Equal(observe.CPUs("0,8")))
	g.Expect(s.Entries).To(Equal(map[ContainerKey]observe.CPUs{{"uid-db", "app"}: "1,9"}), "one whole core")
	g.Expect(s.SharedPool).To(Equal(observe.CPUs("0,2-8,10-15")))

	g.Expect(d.updates).To(BeEmpty(), "nothing is written before a tick")
	g.Expect(l.Reconcile()).To(Succeed())
	g.Expect(d.updates).To(Equal([]string{"web-app=0,2-8,10-15"}))

	d.pods = d.pods[:1]
	g.Expect(l.Snapshot().Entries).To(HaveLen(1), "a deleted pod keeps its CPUs until the next tick")
	g.Expect(l.Reconcile()).To(Succeed())
	g.Expect(l.Snapshot().Entries).To(BeEmpty())
	g.Expect(d.updates).To(ConsistOf("web-app=0,2-8,10-15", "web-app=0-15"))
}

// TestSnapshotReadsUpstreamsState holds the short way to the shared pool against
// upstream's own, which must both be there.
func TestSnapshotReadsUpstreamsState(t *testing.T) {
	for _, config := range []string{static, `{cpuManagerPolicy: none}`} {
		g := NewWithT(t)
		p := guaranteed("db", 2)
		d := &desk{pods: []*v1.Pod{p}}
		l := start(t, params(t, d, config))
		g.Expect(l.pool).NotTo(BeNil(), "pinlab must be adapted to this kubelet version")
		seen := map[observe.CPUs]bool{}
		same := func() {
			pool := observe.FromSet(l.cpu.State().GetDefaultCPUSet())
			g.Expect(l.Snapshot().SharedPool).To(Equal(pool))
			seen[pool] = true
		}
		same()
		_, err := l.Admit(p, nil)
		g.Expect(err).NotTo(HaveOccurred())
		same()
		d.pods = nil
		g.Expect(l.Reconcile()).To(Succeed())
		same()
		l.pool = nil
		same()
		if config == static {
			g.Expect(seen).To(HaveLen(2))
		}
	}
	g := NewWithT(t)
	g.Expect(poolOf(nil)).To(BeNil())
	g.Expect(field(reflect.ValueOf(&struct{ cache int }{}), "cache").IsValid()).To(BeTrue())
	g.Expect(field(field(reflect.ValueOf(&struct{ cache int }{}), "cache"), "defaultCPUSet").IsValid()).To(BeFalse())
}

func TestKillBetweenTwoWrites(t *testing.T) {
	g := NewWithT(t)
	d := &desk{pods: []*v1.Pod{guaranteed("db", 2)}}
	p := params(t, d, static)
	var l *Lifetime
	armed, writes := false, 0
	p.OnWrite = func(_ string, write func() error) error {
		if armed {
			if writes++; writes == 2 {
				l.Kill()
			}
		}
		return write()
	}
	l = start(t, p)
	armed = true
	_, err := l.Admit(d.pods[0], nil)
	g.Expect(err).To(MatchError(ErrKilled))
	data, err := os.ReadFile(filepath.Join(p.StateDir, observe.CPUStateFile))
	g.Expect(err).NotTo(HaveOccurred())
	state, err := ReadCPUState(data)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(state.SharedPool).To(Equal(observe.CPUs("0,2-8,10-15")), "the first write took the CPUs out of the pool")
	g.Expect(state.Entries).To(BeEmpty(), "the second, with the owner, never came")

	again := New(Params{Config: p.Config, Machine: p.Machine, StateDir: p.StateDir, Node: d, SourcesReady: true})
	g.Expect(again.Start()).To(MatchError(ContainSubstring(`current set of available CPUs "0-15" doesn't match with CPUs in state "0,2-8,10-15"`)))
}

func TestPanicInTheLoopIsAnError(t *testing.T) {
	g := NewWithT(t)
	d := &desk{pods: []*v1.Pod{guaranteed("db", 2)}}
	l := start(t, params(t, d, static))
	g.Expect(l.Admit(d.pods[0], nil)).To(HaveField("Admitted", true))
	d.update = func(string) error { panic("boom") }
	var panicked *PanicError
	g.Expect(errors.As(l.Reconcile(), &panicked)).To(BeTrue())
	g.Expect(panicked.Value).To(Equal("boom"))
}

func TestNoGoroutineIsLeft(t *testing.T) {
	g := NewWithT(t)
	before := runtime.NumGoroutine()
	for i := range 50 {
		d := &desk{}
		p := params(t, d, static)
		p.StateDir = filepath.Join(p.StateDir, fmt.Sprint(i))
		l := New(p)
		g.Expect(l.Start()).To(Succeed())
		g.Expect(l.Reconcile()).To(Succeed())
		l.Stop()
	}
	g.Eventually(runtime.NumGoroutine).WithTimeout(5 * time.Second).Should(BeNumerically("<=", before+2))
}
