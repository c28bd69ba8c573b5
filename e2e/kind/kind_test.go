package kind

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

func scenario() *scenarios.Scenario {
	return &scenarios.Scenario{
		Name: "story", Reconcile: scenarios.ReconcileAuto, Requires: &scenarios.Requires{CPUs: 2},
		Kubelet: json.RawMessage(`{"cpuManagerPolicy":"static","reservedSystemCPUs":"0"}`),
	}
}

func guaranteed(name, namespace string) *corev1.Pod {
	one := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{Limits: one, Requests: one.DeepCopy()}}}},
	}
}

// openNode makes a cluster, and its node ready for a scenario.
func openNode(t *testing.T) (Gomega, *engine, *Kind, scenarios.Target) {
	g := NewWithT(t)
	e := newEngine(t)
	k, _ := newKind(t, e, Options{})
	g.Expect(k.Open(t.Context())).To(Succeed())
	node, err := k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	return g, e, k, node
}

// apply makes events happen and returns what is seen after the last.
func apply(g Gomega, t scenarios.Target, events ...scenarios.Event) observe.Observation {
	var o observe.Observation
	for _, e := range events {
		g.Expect(t.Apply(context.Background(), e)).To(Succeed(), "%v", e)
		var err error
		o, err = t.Observe(context.Background())
		g.Expect(err).NotTo(HaveOccurred())
	}
	return o
}

// A cluster is made, a pod is put on its node and seen pinned, and nothing is
// left.
func TestFromNothingToNothing(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, said := newKind(t, e, Options{})
	g.Expect(k.Open(t.Context())).To(Succeed())
	node, err := k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(node.Name()).To(Equal("kind"))
	g.Expect(node.KubeletVersion()).To(Equal("v1.37.0"))
	g.Expect(k.Machine().OnlineCPUs().String()).To(Equal("0-3"))

	o := apply(g, node, scenarios.StartKubelet{}, scenarios.CreatePod{Pod: guaranteed("a", "")})
	g.Expect(o.Containers).To(HaveLen(1), "etcd is none of the scenario's")
	c := o.Containers[0]
	g.Expect([]any{c.Pod, c.State, c.Exclusive, c.Assigned, c.Actual}).To(Equal([]any{"a", observe.StateRunning, true, observe.CPUs("1"), observe.CPUs("1")}))
	g.Expect(o.Stale).To(BeEmpty(), "the state file's UID is the one that the API server gave")
	g.Expect(o.SharedPool).To(Equal(observe.CPUs("0,2-3")))

	pod := e.api.Tracker()
	list, err := pod.List(corev1.SchemeGroupVersion.WithResource("pods"), corev1.SchemeGroupVersion.WithKind("Pod"), "default")
	g.Expect(err).NotTo(HaveOccurred())
	put := list.(*corev1.PodList).Items[0]
	g.Expect(put.Spec.NodeName).To(HaveSuffix("-control-plane"), "the scheduler is not asked")
	g.Expect(put.Spec.Tolerations).To(Equal([]corev1.Toleration{{Operator: corev1.TolerationOpExists}}))
	g.Expect(put.Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "pinlab"))

	g.Expect(node.Close()).To(Succeed())
	g.Expect(k.Close(false)).To(Succeed())
	g.Expect(e.story(k)).To(Equal([]string{
		"create cluster NAME",
		"NAME-control-plane: 9 bytes to /usr/local/bin/pinlab",
		"NAME-control-plane: /usr/local/bin/pinlab lab agent --member",
		"agent: wipe",
		`agent: start the kubelet with {"cpuManagerPolicy":"static","cpuManagerReconcilePeriod":"250ms","reservedSystemCPUs":"0"}`,
		"delete cluster NAME",
	}))
	g.Expect(os.ReadDir(k.opts.Dir)).To(BeEmpty())
	g.Expect(said.String()).To(ContainSubstring("is up after"))
}

// Pods of one scenario are gone when the next begins, and a pod in a namespace of
// its own gets one.
func TestOneScenarioAfterTheOther(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, _ := newKind(t, e, Options{})
	g.Expect(k.Open(t.Context())).To(Succeed())
	for range 2 {
		node, err := k.Setup(t.Context(), scenario(), e.machine)
		g.Expect(err).NotTo(HaveOccurred())
		o := apply(g, node, scenarios.StartKubelet{}, scenarios.CreatePod{Pod: guaranteed("a", "team")})
		g.Expect(o.Containers).To(HaveLen(1))
		g.Expect(o.Containers[0].Assigned).To(Equal(observe.CPUs("1")))
		o = apply(g, node, scenarios.DeletePod{Pod: "a"}, scenarios.CreatePod{Pod: guaranteed("b", "team")})
		g.Expect(o.Containers[0].Pod).To(Equal("b"))
		g.Expect(node.Close()).To(Succeed())
	}
	g.Expect(k.Close(false)).To(Succeed())
}

// A resize goes through the API server's subresource for it, and waits for the
// generation that the server gave; what the server refuses is told in its words.
func TestResize(t *testing.T) {
	g, e, k, node := openNode(t)
	apply(g, node, scenarios.StartKubelet{}, scenarios.CreatePod{Pod: guaranteed("a", "")})

	o := apply(g, node, scenarios.ResizePod{Container: "a/app", CPU: resource.NewQuantity(2, resource.DecimalSI)})
	g.Expect(o.Resizes).To(Equal([]observe.Admission{{Pod: "a", Admitted: true}}))
	g.Expect(o.Containers[0].Requested).To(Equal(2))
	sent := e.api.Actions()[len(e.api.Actions())-1].(clienttesting.PatchAction)
	g.Expect([]string{sent.GetNamespace(), sent.GetName(), sent.GetSubresource()}).To(Equal([]string{"default", "a", "resize"}))

	e.api.PrependReactor("patch", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "a", errors.New("quota"))
	})
	err := node.Apply(t.Context(), scenarios.ResizePod{Container: "a/app", CPU: resource.NewQuantity(3, resource.DecimalSI)})
	g.Expect(err).To(MatchError(And(ContainSubstring("change resize of pod a"), ContainSubstring("quota"))))
	g.Expect(k.Close(false)).To(Succeed())
}

// A kubelet that refuses to start is what is to be seen, not a failure of ours.
func TestKubeletRefuses(t *testing.T) {
	g, e, k, node := openNode(t)
	e.agent.fatal = `could not initialize checkpoint manager: state file policy "none" differs from "static"`
	o := apply(g, node, scenarios.StartKubelet{})
	g.Expect(o.Kubelet).To(Equal(observe.KubeletFailed))
	g.Expect(o.KubeletError).To(Equal(e.agent.fatal))
	g.Expect(k.Close(false)).To(Succeed())
}

// What would change the host is a skip with its reason.
func TestNotOnAHostThatIsShared(t *testing.T) {
	g, e, k, node := openNode(t)
	apply(g, node, scenarios.StartKubelet{})
	for why, event := range map[string]scenarios.Event{
		"CPUs are those of the machine": scenarios.OfflineCPUs{CPUs: "3"},
		"disk is that of its cluster":   scenarios.FailCheckpointWrite{Errno: "ENOSPC"},
		"a limit of the kernel":         scenarios.Exhaust{Sysctl: scenarios.InotifyInstances},
		"would be to reboot the":        scenarios.Reboot{},
		"cannot become another":         scenarios.SwapProfile{Profile: "generic-1s4c"},
	} {
		err := node.Apply(t.Context(), event)
		g.Expect(err).To(MatchError(scenarios.ErrUnsupported))
		g.Expect(err).To(MatchError(ContainSubstring(why)))
	}
	g.Expect(k.Close(false)).To(Succeed())

	// A scenario about another machine is not replayed at all.
	other, err := hwprofiles.Load("generic-2s4c-smt2")
	g.Expect(err).NotTo(HaveOccurred())
	k, _ = newKind(t, e, Options{})
	g.Expect(k.Open(t.Context())).To(Succeed())
	s := scenario()
	s.Requires = nil
	_, err = k.Setup(t.Context(), s, other)
	g.Expect(err).To(MatchError(scenarios.ErrUnsupported))
	g.Expect(err).To(MatchError(ContainSubstring("the scenario is about generic-2s4c-smt2 (CPUs 0-15, NUMA nodes with CPUs: 2, siblings to a core: 2); a kind node has its host's CPUs (CPUs 0-3,")))
	s.Requires = &scenarios.Requires{CPUs: 64}
	_, err = k.Setup(t.Context(), s, other)
	g.Expect(err).To(MatchError(ContainSubstring("needs 64 CPUs")))
	g.Expect(k.Close(false)).To(Succeed())
}

// A node that dies in mid-scenario is a failure with that name; its cluster is
// deleted, its logs are kept.
func TestNodeDies(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, said := newKind(t, e, Options{})
	g.Expect(k.Open(t.Context())).To(Succeed())
	node, err := k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	apply(g, node, scenarios.StartKubelet{})
	e.clusters[k.name][0].die()
	err = node.Apply(t.Context(), scenarios.CreatePod{Pod: guaranteed("a", "")})
	g.Expect(err).To(MatchError(ContainSubstring("the node's container has ended")))
	g.Expect(err).NotTo(MatchError(ContainSubstring("exit status 137")))
	g.Expect(node.Close()).To(Succeed())
	_, err = k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).To(MatchError(ContainSubstring("the node's container has ended")))
	g.Expect(k.Close(true)).To(Succeed())
	g.Expect(e.clusters).To(BeEmpty())
	g.Expect(said.String()).To(ContainSubstring("the logs of cluster"))
	logs, err := filepath.Glob(filepath.Join(k.opts.Dir, "logs-*", "kubelet.log"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(logs).To(HaveLen(1))
}

// A cluster of somebody's is given back as it was found, and not deleted.
func TestAttach(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.add("mine", "control-plane")
	k, _ := newKind(t, e, Options{Cluster: "mine"})
	g.Expect(k.Open(t.Context())).To(Succeed())
	node, err := k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	apply(g, node, scenarios.StartKubelet{}, scenarios.CreatePod{Pod: guaranteed("a", "team")})
	g.Expect(node.Close()).To(Succeed())
	g.Expect(k.Close(false)).To(Succeed())
	story := e.story(k)
	g.Expect(story[len(story)-4:]).To(Equal([]string{
		"mine-control-plane: /usr/local/bin/pinlab lab agent --member",
		"agent: wipe",
		"agent: give the node back",
		"mine-control-plane: rm -f /usr/local/bin/pinlab /usr/local/bin/pinlab.part",
	}))
	g.Expect(e.clusters).To(HaveKey("mine"))
	_, err = e.api.CoreV1().Namespaces().Get(t.Context(), "team", metav1.GetOptions{})
	g.Expect(err).To(HaveOccurred(), "the namespace was made for the scenario")
}

// A slow API server that does not get done with the pods of the last scenario is asked
// again.
func TestLateAnswer(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, _ := newKind(t, e, Options{})
	g.Expect(k.Open(t.Context())).To(Succeed())
	first, err := k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	apply(g, first, scenarios.StartKubelet{}, scenarios.CreatePod{Pod: guaranteed("a", "")})
	late := 0
	e.api.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		late++
		if late < 3 {
			return true, nil, apierrors.NewTimeoutError("request did not complete within requested timeout", 1)
		}
		return false, nil, nil
	})
	_, err = k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(late).To(Equal(3))
	g.Expect(k.Close(false)).To(Succeed())
}

// What is refused of a cluster that was asked for, before anything is touched.
func TestNoClusterForScenarios(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		make    func(*engine)
		want    string
	}{
		"not there":   {Options{Cluster: "mine"}, func(e *engine) { e.add("other", "control-plane") }, "there is no kind cluster mine; there are: other"},
		"none at all": {Options{Cluster: "mine"}, func(*engine) {}, "there is no kind cluster mine, and no other"},
		"two nodes": {
			Options{Cluster: "mine"},
			func(e *engine) { e.add("mine", "control-plane", "worker") },
			"cluster mine has 2 nodes (mine-control-plane, mine-worker2), all on this machine's CPUs: their kubelets would hand out the same CPUs as exclusive",
		},
		"pods of others": {Options{Cluster: "mine"}, func(e *engine) {
			e.add("mine", "control-plane")
			_ = e.api.Tracker().Add(guaranteed("database", "prod"))
		}, "pod prod/database runs on cluster mine"},
		"a context of another cluster": {Options{Kubeconfig: "testdata/kubeconfig", Context: "prod"}, func(*engine) {}, "context prod leads to the cluster prod-eu"},
		"no such context":              {Options{Kubeconfig: "testdata/kubeconfig", Context: "dev"}, func(*engine) {}, `no context "dev"`},
		"no such kubeconfig":           {Options{Kubeconfig: "testdata/none"}, func(*engine) {}, "testdata/none"},
		"a context of no cluster":      {Options{Kubeconfig: "testdata/kubeconfig"}, func(*engine) {}, "there is no kind cluster mine"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			e := newEngine(t)
			c.make(e)
			k, _ := newKind(t, e, c.options)
			err := k.Open(t.Context())
			g.Expect(err).To(MatchError(ErrUsage))
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
			g.Expect(e.asked).To(BeEmpty())
		})
	}
}

// A cluster that cannot be made leaves nothing but its logs.
func TestCreationFails(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.creating = func(name string) error {
		e.add(name, "control-plane") // half of it is there
		return errors.New("failed to init node with kubeadm: timed out waiting for the condition")
	}
	k, said := newKind(t, e, Options{})
	err := k.Open(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("the control plane has not come up in time")))
	g.Expect(err).NotTo(MatchError(ErrUsage))
	g.Expect(e.story(k)).To(Equal([]string{"create cluster NAME", "collect logs of NAME", "delete cluster NAME"}))
	g.Expect(e.clusters).To(BeEmpty())
	g.Expect(said.String()).To(ContainSubstring("the logs of cluster"))
}

// A machine on which systemd took longer than kind waits gets a second chance.
func TestSlowMachine(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	tries := 0
	e.creating = func(string) error {
		if tries++; tries == 1 {
			return errors.New(`could not find a log line that matches "Reached target .*Multi-User System.*|detected cgroup v1"`)
		}
		return nil
	}
	k, said := newKind(t, e, Options{})
	g.Expect(k.Open(t.Context())).To(Succeed())
	g.Expect(said.String()).To(ContainSubstring("trying once more"))
	g.Expect(k.Close(false)).To(Succeed())
}

// Ctrl-C while kind's library makes a cluster takes the cluster away under it.
func TestInterrupted(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	e.creating = func(name string) error {
		cancel()
		<-gone
		return errors.New("no such container")
	}
	k, _ := newKind(t, e, Options{})
	k.provider = deleted{e, gone}
	g.Expect(k.Open(ctx)).To(MatchError(context.Canceled))
	g.Expect(e.clusters).To(BeEmpty())
	left, err := filepath.Glob(filepath.Join(k.opts.Dir, "*.lock"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty())
}

// deleted tells when a cluster is deleted for the first time.
type deleted struct {
	*engine
	gone chan struct{}
}

func (d deleted) Delete(name, file string) error {
	select {
	case <-d.gone:
	default:
		close(d.gone)
	}
	return d.engine.Delete(name, file)
}

// What a killed pinlab has left is deleted by the next, and what others use is
// not.
func TestSweep(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, said := newKind(t, e, Options{})
	k.engine = "KIND_EXPERIMENTAL_PROVIDER=docker"
	lives, err := newClaim(k.opts.Dir, k.engine)
	g.Expect(err).NotTo(HaveOccurred())
	killed, err := newClaim(k.opts.Dir, k.engine)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(killed.file.Close()).To(Succeed()) // as the kernel does
	for _, name := range []string{lives.name, killed.name, "pinlab-of-a-user"} {
		e.add(name, "control-plane")
	}
	e.deleting = errors.New("engine busy")
	k.sweep(t.Context())
	g.Expect(said.String()).To(ContainSubstring("engine busy"))
	e.deleting = nil
	k.sweep(t.Context())
	g.Expect(e.clusters).To(And(HaveLen(2), HaveKey(lives.name), HaveKey("pinlab-of-a-user")))
	g.Expect(os.ReadDir(k.opts.Dir)).To(HaveLen(1))
	g.Expect(lives.release(k.opts.Dir)).To(Succeed())
}

// A cluster that is to be kept is kept, and never taken for one left behind.
func TestRetain(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, said := newKind(t, e, Options{Retain: true})
	g.Expect(k.Open(t.Context())).To(Succeed())
	g.Expect(k.Close(false)).To(Succeed())
	g.Expect(e.clusters).To(HaveLen(1))
	g.Expect(said.String()).To(ContainSubstring("is kept"))
	k.sweep(t.Context())
	g.Expect(e.clusters).To(HaveLen(1))
}
