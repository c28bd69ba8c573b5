package verify

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/grpc"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fakeRuntime answers List calls; any other is not implemented.
type fakeRuntime struct {
	runtimeapi.UnimplementedRuntimeServiceServer
}

func (fakeRuntime) ListPodSandbox(context.Context, *runtimeapi.ListPodSandboxRequest) (*runtimeapi.ListPodSandboxResponse, error) {
	return &runtimeapi.ListPodSandboxResponse{Items: []*runtimeapi.PodSandbox{
		{Id: id("c"), Metadata: &runtimeapi.PodSandboxMetadata{Namespace: "shop", Name: "front"}},
	}}, nil
}

func (fakeRuntime) ListContainers(context.Context, *runtimeapi.ListContainersRequest) (*runtimeapi.ListContainersResponse, error) {
	return &runtimeapi.ListContainersResponse{Containers: []*runtimeapi.Container{
		{Id: id("a"), PodSandboxId: id("c"), Metadata: &runtimeapi.ContainerMetadata{Name: "app"}},
	}}, nil
}

// TestRuntime takes names from the runtime's socket, and the files of the
// runtime for what it does not tell.
func TestRuntime(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, layouts()[0])
	socket := filepath.Join(tr.root, "run/containerd/containerd.sock")
	listener, err := net.Listen("unix", socket)
	g.Expect(err).NotTo(HaveOccurred())
	var other atomic.Int32
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if info.FullMethod != runtimeapi.RuntimeService_ListContainers_FullMethodName && info.FullMethod != runtimeapi.RuntimeService_ListPodSandbox_FullMethodName {
			other.Add(1)
		}
		return handler(ctx, req)
	}))
	runtimeapi.RegisterRuntimeServiceServer(server, fakeRuntime{})
	go func() { _ = server.Serve(listener) }()

	r := tr.audit()
	g.Expect(r.Containers).To(ConsistOf(
		And(HaveField("Pod", "logs"), HaveField("NamedBy", "bundle")),
		And(HaveField("Pod", "front"), HaveField("Namespace", "shop"), HaveField("Container", "app"), HaveField("NamedBy", "cri")),
		And(HaveField("Pod", "front"), HaveField("Sandbox", true), HaveField("NamedBy", "cri")),
	))
	g.Expect(r.Held()).To(BeTrue(), "%+v", r.Findings)
	g.Expect(other.Load()).To(BeZero(), "only List calls")
	server.Stop()

	// A socket that nobody serves is said, and the files still have the names.
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	g.Expect(err).NotTo(HaveOccurred())
	stale.SetUnlinkOnClose(false)
	g.Expect(stale.Close()).To(Succeed())
	r = tr.audit()
	g.Expect(r.Unread).To(ConsistOf(HaveField("What", "container runtime /run/containerd/containerd.sock")))
	g.Expect(r.Containers[0].NamedBy).To(Equal("bundle"))
	g.Expect(os.Remove(socket)).To(Succeed())

	o := tr.options()
	tr.file("etc/kubelet.yaml", "cpuManagerPolicy: static\ncontainerRuntimeEndpoint: tcp://1.2.3.4:5\n")
	r, err = Run(context.Background(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Unread).To(ConsistOf(HaveField("Why", "tcp://1.2.3.4:5 is not a unix socket")), "nothing goes over a network")
}
