package kind

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
)

// vm is a machine of the lab, of which only the way to its agent is there.
type vm struct {
	*agent.Client
	hello agent.Hello
}

func (v vm) Agent() node.Caller { return v.Client }
func (v vm) Hello() agent.Hello { return v.hello }

func (vm) Reboot(context.Context, []int) error             { return errors.New("not asked for") }
func (vm) Swap(context.Context, *hwprofiles.Profile) error { return errors.New("not asked for") }

// serve lets a client talk to a relay.
func serve(t *testing.T, r *Relay) *agent.Client {
	g := NewWithT(t)
	ours, theirs := net.Pipe()
	go func() { _ = agent.Serve(theirs, r) }()
	connection, err := agent.Connect(ours)
	g.Expect(err).NotTo(HaveOccurred())
	session, err := connection.Open()
	g.Expect(err).NotTo(HaveOccurred())
	client, err := agent.NewClient(session)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = connection.Close() })
	return client
}

// A scenario runs outside of the machine that its cluster is in.
func TestRelay(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	k, _ := newKind(t, e, Options{})
	client := serve(t, relay(t.Context(), k))
	m := vm{Client: client}
	g.Expect(client.Call(t.Context(), "Hello", agent.None{}, &m.hello)).To(Succeed())
	target, err := node.New(t.Context(), scenario(), Relayed(m), New(Options{}, node.Options{
		Read: readState, Pinning: func([]byte, *corev1.Pod, *corev1.Container) (int, string) { return 1, "said so" },
	}).node)
	g.Expect(err).NotTo(HaveOccurred())
	o := apply(g, target, scenarios.StartKubelet{}, scenarios.CreatePod{Pod: guaranteed("a", "")})
	g.Expect(o.Containers).To(HaveLen(1))
	g.Expect([]any{o.Containers[0].Assigned, o.Containers[0].Actual}).To(Equal([]any{observe.CPUs("1"), observe.CPUs("1")}))
	for _, event := range []scenarios.Event{scenarios.Reboot{}, scenarios.OfflineCPUs{CPUs: "2"}, scenarios.SwapProfile{Profile: "generic-1s4c"}} {
		g.Expect(target.Apply(t.Context(), event)).To(MatchError(scenarios.ErrUnsupported), "a skip, though calls only carry text")
	}
	o = apply(g, target, scenarios.DeletePod{Pod: "a"})
	g.Expect(o.Containers).To(BeEmpty())

	o = apply(g, target, scenarios.CreatePod{Pod: guaranteed("b", "")}, scenarios.ResizePod{Container: "b/app", CPU: resource.NewQuantity(2, resource.DecimalSI)})
	g.Expect(o.Resizes).To(Equal([]observe.Admission{{Pod: "b", Admitted: true}}))

	// The machine around the cluster is pinlab's own: before a scenario its CPUs
	// are made those of the profile.
	g.Expect(client.Call(t.Context(), "SetOnline", agent.Online{}, &agent.None{})).To(Succeed())

	var told []string
	say := func(line string) { told = append(told, line) }
	Follow(t.Context(), client, say)
	g.Expect(told).To(ContainElement(ContainSubstring("making cluster pinlab-")))
	dir, err := keepRelayed(client, t.TempDir(), say)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Join(dir, "kubelet.log")).To(BeAnExistingFile())
}

// A relay answers whatever a target may ask an agent for.
func TestRelayAnswersAll(t *testing.T) {
	g := NewWithT(t)
	notForTargets := []string{"Alive", "GiveBack", "PowerOff"}
	a, r := reflect.TypeFor[*agent.Node](), reflect.TypeFor[*Relay]()
	asked := 0
	for m := range a.Methods() {
		if m.Type.NumIn() != 3 || slices.Contains(notForTargets, m.Name) {
			continue
		}
		asked++
		args := reflect.Zero(m.Type.In(1)).Interface()
		there, answers := r.MethodByName(m.Name)
		if !answers {
			g.Expect(unsupported(m.Name, args)).To(MatchError(scenarios.ErrUnsupported), "%s is neither answered nor refused", m.Name)
			continue
		}
		g.Expect(there.Type.In(1)).To(Equal(m.Type.In(1)), m.Name)
		g.Expect(there.Type.In(2)).To(Equal(m.Type.In(2)), m.Name)
	}
	g.Expect(asked).To(BeNumerically(">", 15))
}

// What a failed cluster has left is fetched, within bounds, and written nowhere
// else than where it belongs.
func TestLogsOfFailedCluster(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.creating = func(name string) error {
		e.add(name, "control-plane")
		return kubeadmFailed()
	}
	k, _ := newKind(t, e, Options{})
	client := serve(t, relay(t.Context(), k))
	g.Expect(client.Call(t.Context(), "Hello", agent.None{}, &agent.Hello{})).NotTo(Succeed())
	dir, err := keepRelayed(client, t.TempDir(), func(string) {})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.ReadFile(filepath.Join(dir, outputFile))).To(ContainSubstring("read-only file system"))

	from := t.TempDir()
	g.Expect(os.MkdirAll(filepath.Join(from, "node"), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(from, "node", "long.log"), bytes.Repeat([]byte("0123456789abcdef"), maxLogFile/16+1), 0o644)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(from, "short.log"), []byte("short"), 0o644)).To(Succeed())
	logs, err := packLogs(from)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(logs.Short).To(Equal([]string{"node/long.log"}))
	to := t.TempDir()
	g.Expect(unpackLogs(logs.Tar, to)).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(to, "short.log"))).To(BeEquivalentTo("short"))
	st, err := os.Stat(filepath.Join(to, "node", "long.log"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(st.Size()).To(BeEquivalentTo(maxLogFile))

	var evil bytes.Buffer
	z := gzip.NewWriter(&evil)
	w := tar.NewWriter(z)
	g.Expect(w.WriteHeader(&tar.Header{Name: "../out", Size: 0, Mode: 0o644})).To(Succeed())
	g.Expect(errors.Join(w.Close(), z.Close())).To(Succeed())
	g.Expect(unpackLogs(evil.Bytes(), to)).NotTo(Succeed())
}

// A cluster that was not made is what the machine says for itself.
func TestRelayWithoutCluster(t *testing.T) {
	g := NewWithT(t)
	e := newEngine(t)
	e.creating = func(string) error { return errors.New("no space left on device") }
	k, _ := newKind(t, e, Options{})
	client := serve(t, relay(t.Context(), k))
	for range 2 {
		err := client.Call(t.Context(), "Hello", agent.None{}, &agent.Hello{})
		g.Expect(err).To(MatchError(ContainSubstring("make a kind cluster: the disk of the container engine is full")))
	}
}
