package kind

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kinderrors "sigs.k8s.io/kind/pkg/errors"
	"sigs.k8s.io/kind/pkg/exec"

	"github.com/pinlab/pinlab/scenarios"
)

// kubeadmFailed is what kind's library returns when kubeadm, which it runs with
// --v=6, finds a file system that is read-only.
func kubeadmFailed() error {
	return kinderrors.Wrap(&exec.RunError{
		Command: []string{"docker", "exec", "--privileged", "a-control-plane", "kubeadm", "init", "--config=/kind/kubeadm.conf", "--v=6"},
		Output: []byte(`I1128 02:11:09.000001     138 initconfiguration.go:261] loading configuration from "/kind/kubeadm.conf"
[init] Using Kubernetes version: v1.37.0
I1128 02:11:10.000001     138 round_trippers.go:632] "Response" verb="GET" url="https://a-control-plane:6443/healthz?timeout=10s" status=""
error: error execution phase certs/ca: failure while saving ca certificate: open /etc/kubernetes/pki/ca.crt: read-only file system
k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/init.runCAPhase.func1
	k8s.io/kubernetes/cmd/kubeadm/app/cmd/phases/init/certs.go:213
main.main
	k8s.io/kubernetes/cmd/kubeadm/kubeadm.go:25
runtime.main
	runtime/proc.go:283
`), Inner: errors.New("exit status 1"),
	}, "failed to init node with kubeadm")
}

// What kubeadm says of its failure is told, not where in its code it failed, and
// a time limit of a request is no reason; all of what it printed is kept.
func TestKubeadmFails(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.creating = func(name string) error {
		e.add(name, "control-plane")
		return kubeadmFailed()
	}
	k, _ := newKind(t, e, Options{})
	err := k.Open(t.Context())
	g.Expect(err).To(MatchError(HaveSuffix(": error: error execution phase certs/ca: failure while saving ca certificate: open /etc/kubernetes/pki/ca.crt: read-only file system")))
	g.Expect(err.Error()).NotTo(Or(ContainSubstring("in time"), ContainSubstring("proc.go")))
	logs, err := filepath.Glob(filepath.Join(k.opts.Dir, "logs-*", outputFile))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(logs).To(HaveLen(1))
	g.Expect(os.ReadFile(logs[0])).To(ContainSubstring("runtime/proc.go:283"))
}

// With --retain a cluster that could not be made stays to be looked at.
func TestRetainWhatFailed(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.creating = func(name string) error {
		e.add(name, "control-plane")
		return kubeadmFailed()
	}
	k, said := newKind(t, e, Options{Retain: true})
	g.Expect(k.Open(t.Context())).NotTo(Succeed())
	g.Expect(e.clusters).To(HaveLen(1))
	g.Expect(said.String()).To(ContainSubstring("is kept"))
	g.Expect(filepath.Glob(filepath.Join(k.opts.Dir, "*.lock"))).To(BeEmpty())
}

// Who ends pinlab while kind's library pulls an image does not wait for it. What
// comes of it is deleted at the next start.
func TestInterruptedWhilePulling(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	pulled := make(chan struct{})
	t.Cleanup(func() { close(pulled) })
	ctx, cancel := context.WithCancel(t.Context())
	e.creating = func(string) error {
		cancel()
		<-pulled
		return errors.New("too late")
	}
	k, said := newKind(t, e, Options{})
	k.takeDown = time.Millisecond
	g.Expect(k.Open(ctx)).NotTo(Succeed())
	g.Expect(said.String()).To(ContainSubstring("deleted at the next start"))
	left, err := filepath.Glob(filepath.Join(k.opts.Dir, "*.lock"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(HaveLen(1))
	name := strings.TrimSuffix(filepath.Base(left[0]), ".lock")
	e.add(name, "control-plane") // what came of it
	k.sweep(t.Context())
	g.Expect(e.clusters).To(BeEmpty())
	g.Expect(left[0]).NotTo(BeAnExistingFile())
}

// A cluster on one container engine is not looked for on another, where deleting
// it would do nothing and succeed.
func TestSweepOfAnotherEngine(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, said := newKind(t, e, Options{})
	k.engine = "KIND_EXPERIMENTAL_PROVIDER=podman"
	killed, err := newClaim(k.opts.Dir, "KIND_EXPERIMENTAL_PROVIDER=docker DOCKER_HOST=tcp://there:2376")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(killed.file.Close()).To(Succeed())
	k.sweep(t.Context())
	g.Expect(killed.path).To(BeAnExistingFile())
	g.Expect(e.asked).To(BeEmpty())
	g.Expect(said.String()).To(ContainSubstring("a run with KIND_EXPERIMENTAL_PROVIDER=docker DOCKER_HOST=tcp://there:2376 cleans it up"))
	k.engine = killed.Engine
	k.sweep(t.Context())
	g.Expect(killed.path).NotTo(BeAnExistingFile())
}

func TestEngineOf(t *testing.T) {
	g := NewWithT(t)
	env := map[string]string{"DOCKER_HOST": "tcp://there:2376"}
	getenv := func(name string) string { return env[name] }
	only := func(name string) func(string) bool { return func(asked string) bool { return asked == name } }
	g.Expect(engineOf(getenv, only("podman"))).To(Equal("KIND_EXPERIMENTAL_PROVIDER=podman DOCKER_HOST=tcp://there:2376"))
	env = map[string]string{"KIND_EXPERIMENTAL_PROVIDER": "docker"}
	g.Expect(engineOf(getenv, only("podman"))).To(Equal("KIND_EXPERIMENTAL_PROVIDER=docker"))
}

// The library's steps are told without what is only for a terminal.
func TestSteps(t *testing.T) {
	g := NewWithT(t)
	k, said := newKind(t, newEngine(t), Options{})
	s := steps{k}
	s.V(0).Infof(" • %s  ...\n", "Ensuring node image (kindest/node:v1.37.0) 🖼")
	s.V(0).Infof(" ✓ %s\n", "Ensuring node image (kindest/node:v1.37.0) 🖼")
	s.V(1).Info("detail")
	s.Warnf("cgroup %s", "v1")
	g.Expect(said.String()).To(Equal("Ensuring node image (kindest/node:v1.37.0)\ncgroup v1\n"))
}

// attach begins to use a cluster that is somebody's, as far as a scenario that
// runs.
func attach(t *testing.T, e *engine, dir string) *Kind {
	g := NewWithT(t)
	k, _ := newKind(t, e, Options{Cluster: "mine"})
	k.opts.Dir = dir
	g.Expect(k.Open(t.Context())).To(Succeed())
	node, err := k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	apply(g, node, scenarios.StartKubelet{}, scenarios.CreatePod{Pod: guaranteed("a", "team")})
	return k
}

// A cluster that a killed pinlab had attached to is given back at the next start,
// and two pinlabs do not attach to one.
func TestAttachedAndKilled(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.add("mine", "control-plane")
	dir := t.TempDir()
	first := attach(t, e, dir)

	second, _ := newKind(t, e, Options{Cluster: "mine"})
	second.opts.Dir = dir
	err := second.Open(t.Context())
	g.Expect(err).To(MatchError(ErrUsage))
	g.Expect(err).To(MatchError(MatchRegexp(`cluster mine is in use by the pinlab with process ID \d+`)))

	g.Expect(first.hold.file.Close()).To(Succeed()) // as the kernel does
	first.closeLink()
	before := len(e.asked)
	next, said := newKind(t, e, Options{}) // one that has nothing to do with the cluster
	next.opts.Dir = dir
	g.Expect(next.Open(t.Context())).To(Succeed())
	g.Expect(said.String()).To(ContainSubstring("giving back cluster mine, which a killed pinlab had attached to"))
	g.Expect(e.asked[before:]).To(ContainElements("agent: give the node back", "mine-control-plane: rm -f /usr/local/bin/pinlab /usr/local/bin/pinlab.part"))
	_, err = e.api.CoreV1().Namespaces().Get(t.Context(), "team", metav1.GetOptions{})
	g.Expect(err).To(HaveOccurred(), "the killed pinlab's namespace")
	pods, err := e.api.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pods.Items).To(BeEmpty())
	g.Expect(next.Close(false)).To(Succeed())
	g.Expect(filepath.Glob(filepath.Join(dir, "*.lock"))).To(BeEmpty())
	g.Expect(e.clusters).To(HaveKey("mine"))
}

// A cluster that is attached to and never used has nothing of pinlab's after it.
func TestAttachedAndUnused(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.add("mine", "control-plane")
	own := guaranteed("etcd", "kube-system")
	own.Spec.Containers[0].Resources.Requests = own.Spec.Containers[0].Resources.Limits
	g.Expect(e.api.Tracker().Add(own)).To(Succeed())
	k, said := newKind(t, e, Options{Cluster: "mine"})
	g.Expect(k.Open(t.Context())).To(Succeed())
	g.Expect(said.String()).To(ContainSubstring("the cluster's own pods request 1 CPUs"))
	g.Expect(k.Close(false)).To(Succeed())
	g.Expect(e.story(k)).To(Equal([]string{"mine-control-plane: 9 bytes to /usr/local/bin/pinlab", "mine-control-plane: rm -f /usr/local/bin/pinlab /usr/local/bin/pinlab.part"}))
	g.Expect(os.ReadDir(k.opts.Dir)).To(BeEmpty())
}

// A claim that its holder gives up while somebody waits to look at it is not
// taken for one left behind.
func TestClaimGivenUp(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	c, err := newClaim(dir, "here")
	g.Expect(err).NotTo(HaveOccurred())
	opened, err := os.Open(c.path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.release(dir)).To(Succeed())
	late := &claim{path: c.path, file: opened}
	g.Expect(late.named()).To(BeFalse())
}

// A node that does not answer ends the scenario, and what is asked after it.
func TestNodeDoesNotAnswer(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, _ := newKind(t, e, Options{})
	k.limits = limits{answer: 200 * time.Millisecond, prepare: 200 * time.Millisecond}
	g.Expect(k.Open(t.Context())).To(Succeed())
	node, err := k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).NotTo(HaveOccurred())
	e.agent.stuck = make(chan struct{})
	t.Cleanup(func() { close(e.agent.stuck) })
	err = node.Apply(t.Context(), scenarios.StartKubelet{})
	g.Expect(err).To(MatchError(ContainSubstring("the node does not answer: no word about StartKubelet within 200ms")))
	g.Expect(node.Close()).To(Succeed())
	e.paused = true
	_, err = k.Setup(t.Context(), scenario(), e.machine)
	g.Expect(err).To(MatchError(ContainSubstring("the node does not answer: no word about its start within 200ms")))
	e.paused = false
	g.Expect(k.Close(false)).To(Succeed())
}

// A full disk of the node is said to be the engine's.
func TestNodeDiskFull(t *testing.T) {
	g, e, k, node := openNode(t)
	e.agent.full = true
	g.Expect(node.Apply(t.Context(), scenarios.StartKubelet{})).To(MatchError(HavePrefix("the disk of the container engine is full")))
	g.Expect(k.Close(false)).To(Succeed())
}

// The control plane asks for no CPUs, whatever version of its configuration
// kubeadm is given.
func TestControlPlaneRequests(t *testing.T) {
	g := NewWithT(t)
	dir, err := writePatches(filepath.Join(t.TempDir(), "patches"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.ReadFile(filepath.Join(dir, "etcd+strategic.json"))).To(BeEquivalentTo(`{"spec":{"containers":[{"name":"etcd","resources":{"requests":{"cpu":"0"}}}]}}` + "\n"))
	c := clusterConfig("", dir)
	g.Expect(c.Nodes[0].ExtraMounts[0].HostPath).To(Equal(dir))
	for _, version := range []string{"v1beta3", "v1beta4"} {
		g.Expect(c.KubeadmConfigPatches).To(ContainElement(And(
			HavePrefix("apiVersion: kubeadm.k8s.io/"+version+"\nkind: InitConfiguration\n"), ContainSubstring("addon/coredns"), ContainSubstring("directory: /pinlab/patches"))))
	}
	own := corev1.Pod{Status: corev1.PodStatus{Phase: corev1.PodSucceeded}, Spec: guaranteed("a", "").Spec}
	sum := requests([]corev1.Pod{own})
	g.Expect(sum.IsZero()).To(BeTrue())
}
