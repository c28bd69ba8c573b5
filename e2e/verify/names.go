package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pinlab/pinlab/e2e/cgroup"
)

// label is what a container runtime calls a container.
type label struct {
	namespace, pod, container, by string
	sandbox                       bool
}

// sockets are where container runtimes listen.
var sockets = []string{
	"/run/containerd/containerd.sock", "/var/run/crio/crio.sock", "/run/crio/crio.sock",
	"/run/k3s/containerd/containerd.sock", "/run/cri-dockerd.sock",
}

const (
	criTimeout = 3 * time.Second
	maxMessage = 64 << 20 // of a node with many containers
)

// askRuntime lists the containers and sandboxes that the runtime knows. It
// makes two calls, List both, and only on a unix socket.
func (a *audit) askRuntime(ctx context.Context, endpoint string) map[string]label {
	tries := sockets
	if endpoint != "" {
		name, ok := strings.CutPrefix(endpoint, "unix://")
		if !ok && !path.IsAbs(endpoint) {
			a.unread("container runtime", fmt.Errorf("%s is not a unix socket", endpoint))
			return nil
		}
		tries = []string{name}
	}
	for _, name := range tries {
		full, err := a.kubeletRoot().Resolve(name)
		if err != nil {
			if endpoint != "" {
				a.unread("container runtime "+name, err)
			}
			continue
		}
		labels, err := listContainers(ctx, full)
		if err == nil {
			return labels
		}
		a.unread("container runtime "+name, err)
		return nil
	}
	return nil
}

func listContainers(ctx context.Context, socket string) (map[string]label, error) {
	ctx, cancel := context.WithTimeout(ctx, criTimeout)
	defer cancel()
	// The name is dialled as it is: below a relative root it is no URL.
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	conn, err := grpc.NewClient("passthrough:///localhost", grpc.WithContextDialer(dial), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := runtimeapi.NewRuntimeServiceClient(conn)
	pods, err := client.ListPodSandbox(ctx, &runtimeapi.ListPodSandboxRequest{})
	if err != nil {
		return nil, err
	}
	labels := map[string]label{}
	for _, p := range pods.GetItems() {
		labels[p.GetId()] = label{namespace: p.GetMetadata().GetNamespace(), pod: p.GetMetadata().GetName(), sandbox: true, by: "cri"}
	}
	containers, err := client.ListContainers(ctx, &runtimeapi.ListContainersRequest{})
	if err != nil {
		return nil, err
	}
	for _, c := range containers.GetContainers() {
		l := labels[c.GetPodSandboxId()]
		l.container, l.sandbox, l.by = c.GetMetadata().GetName(), false, "cri"
		labels[c.GetId()] = l
	}
	return labels, nil
}

// bundles are where container runtimes keep the configuration of a running
// container.
var bundles = []string{
	"/run/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json",
	"/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/%s/config.json",
	"/run/containers/storage/overlay-containers/%s/userdata/config.json",
	"/var/run/containers/storage/overlay-containers/%s/userdata/config.json",
}

// readBundle reads a container's names from its runtime's files.
func (a *audit) readBundle(id string) (label, bool) {
	for _, form := range bundles {
		data, err := a.kubeletRoot().Read(fmt.Sprintf(form, id))
		if missing(err) {
			continue
		}
		if err == nil {
			var l label
			if l, err = parseBundle(data); err == nil {
				return l, true
			}
		}
		a.unread("names of container "+id[:12], err)
		return label{}, false
	}
	return label{}, false
}

// parseBundle reads the annotations that containerd and CRI-O write.
func parseBundle(data []byte) (label, error) {
	var doc struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return label{}, err
	}
	n := doc.Annotations
	l := label{by: "bundle"}
	if kind := n["io.kubernetes.cri.container-type"]; kind != "" {
		l.namespace, l.pod = n["io.kubernetes.cri.sandbox-namespace"], n["io.kubernetes.cri.sandbox-name"]
		l.container, l.sandbox = n["io.kubernetes.cri.container-name"], kind == "sandbox"
	} else {
		l.namespace, l.pod = n["io.kubernetes.pod.namespace"], n["io.kubernetes.pod.name"]
		l.container, l.sandbox = n["io.kubernetes.container.name"], n["io.kubernetes.cri-o.ContainerType"] == "sandbox"
	}
	if l.sandbox {
		l.container = "" // CRI-O calls it POD
	}
	if l.pod == "" || (l.container == "" && !l.sandbox) {
		return label{}, errors.New("no annotations with its names")
	}
	return l, nil
}

// pause says that a cgroup's only process is the one that keeps a pod's
// namespaces.
func pause(g cgroup.Group) bool {
	return len(g.Processes) == 1 && g.Hidden == 0 && g.Processes[0].Name == "pause"
}
