package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/pinlab/pinlab/e2e/apiserver"
	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

// Paths of the node.
const (
	kubeletDir   = "/var/lib/kubelet"
	kubeletLog   = "/var/log/kubelet.log"
	runtimeSock  = "/run/containerd/containerd.sock"
	apiAddress   = "127.0.0.1:6443"
	imageAddress = "127.0.0.1:5000"
	// NodeName is the name that the kubelet registers.
	NodeName = "lab"
	// NodeIP is its address, on the loopback interface: there is no other.
	NodeIP = "192.0.2.1"
)

// Node does on this machine what the calls ask for. Its exported methods with
// two arguments are the calls.
type Node struct {
	mu      sync.Mutex
	api     *apiserver.Server // nil where it is not the agent's
	member  *member           // nil on nodes that are not a cluster's
	reader  cgroup.Reader
	kubelet kubelet
	hogs    []func() error // each gives back something that was used up
	setUp   chan error     // what became of the setting up
}

// New makes the node's agent and begins to start what the kubelet needs. Hello
// waits for the end of that.
func New(ctx context.Context) *Node {
	n := &Node{reader: cgroup.Reader{Root: "/"}, api: newAPI(), setUp: make(chan error, 1)}
	n.kubelet.launch = launchKubelet
	go func() { n.setUp <- n.start(ctx) }()
	return n
}

// start starts the API server, a registry with the one image, and the container
// runtime.
func (n *Node) start(ctx context.Context) error {
	listener, err := net.Listen("tcp", apiAddress)
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(listener, http.HandlerFunc(n.serveAPI)) }()
	runtime := make(chan error, 1)
	go func() { runtime <- startRuntime(ctx) }()
	if err := serveImage(); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := <-runtime; err != nil {
		return fmt.Errorf("container runtime: %w", err)
	}
	return nil
}

func (n *Node) serveAPI(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	api := n.api
	n.mu.Unlock()
	api.ServeHTTP(w, r)
}

// request asks the API server without a network.
func (n *Node) request(method, path, body string) ([]byte, error) {
	r, w := httptest.NewRequest(method, path, strings.NewReader(body)), httptest.NewRecorder()
	if method == http.MethodPatch {
		r.Header.Set("Content-Type", string(types.StrategicMergePatchType))
	}
	n.serveAPI(w, r)
	if w.Code >= 300 {
		return nil, fmt.Errorf("%s %s: %s", method, path, strings.TrimSpace(w.Body.String()))
	}
	return w.Body.Bytes(), nil
}

// Hello tells of the machine, as soon as it is ready for a kubelet.
func (n *Node) Hello(_ None, h *Hello) error {
	err := <-n.setUp
	n.setUp <- err // for the next who asks
	if err != nil {
		return err
	}
	_, version, err := n.reader.Mount()
	if err != nil {
		return err
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return err
	}
	h.CgroupVersion, h.Kernel, h.BootSeconds = version, strings.TrimSpace(string(kernel)), uptime()
	if h.KubeletVersion, err = kubeletVersion(); err != nil {
		return err
	}
	h.Sys, err = readSys()
	return err
}

// Alive is a sign of life.
func (n *Node) Alive(None, *None) error { return nil }

// CreatePod puts a pod, as JSON, into the API server.
func (n *Node) CreatePod(pod json.RawMessage, c *Created) error {
	var meta struct {
		Metadata struct{ Namespace, UID string }
	}
	if err := json.Unmarshal(pod, &meta); err != nil {
		return err
	}
	c.UID = meta.Metadata.UID // this API server keeps what it is given
	_, err := n.request(http.MethodPost, "/api/v1/namespaces/"+meta.Metadata.Namespace+"/pods", string(pod))
	return err
}

// DeletePod asks the API server to delete a pod.
func (n *Node) DeletePod(d DeletePod, _ *None) error {
	body := `{"gracePeriodSeconds":2}`
	if d.Force {
		body = `{"gracePeriodSeconds":0}`
	}
	_, err := n.request(http.MethodDelete, "/api/v1/namespaces/"+d.Namespace+"/pods/"+d.Name, body)
	return err
}

// WriteFile replaces or removes a state file.
func (n *Node) WriteFile(w WriteFile, _ *None) error {
	file := filepath.Join(kubeletDir, filepath.Base(w.Name))
	if w.Remove {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return os.WriteFile(file, w.Data, 0o600)
}

// SetOnline takes CPUs on or off line.
func (n *Node) SetOnline(o Online, _ *None) error {
	value := "0"
	if o.Online {
		value = "1"
	}
	for _, id := range o.CPUs {
		file := fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", id)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && o.Online {
			continue // CPU 0 of a PC has no such file and is always online
		}
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Facts reads all there is to see.
func (n *Node) Facts(_ None, f *Facts) error {
	unread := func(what string, err error) {
		if err != nil {
			f.Unread = append(f.Unread, fmt.Sprintf("%s: %v", what, err))
		}
	}
	f.Kubelet = n.kubelet.state()
	read := func(name string) File {
		data, err := os.ReadFile(filepath.Join(kubeletDir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return File{}
		}
		unread(name, err)
		return File{Exists: true, Data: data}
	}
	f.CPUState, f.MemoryState = read("cpu_manager_state"), read("memory_manager_state")
	var err error
	if n.member == nil {
		var list []byte
		list, err = n.request(http.MethodGet, "/api/v1/pods", "")
		unread("pods", err)
		f.Pods, err = podsInOrder(list)
		unread("pods", err)
	}
	f.Groups, err = n.reader.Containers()
	unread("cgroups", err)
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	unread("online CPUs", err)
	f.Online, err = observe.ParseCPUs(strings.TrimSpace(string(online)))
	unread("online CPUs", err)
	if f.Kubelet.Ready {
		if err := f.podResources(); err != nil {
			f.ResourcesUnread = "podresources: " + err.Error()
		}
	}
	f.Uptime = uptime()
	return nil
}

// podsInOrder splits a PodList and sorts it by creation.
func podsInOrder(list []byte) ([][]byte, error) {
	var pods struct{ Items []json.RawMessage }
	if err := json.Unmarshal(list, &pods); err != nil {
		return nil, err
	}
	type dated struct {
		created string
		data    []byte
	}
	var out []dated
	for _, p := range pods.Items {
		var meta struct {
			Metadata struct{ CreationTimestamp string }
		}
		if err := json.Unmarshal(p, &meta); err != nil {
			return nil, err
		}
		out = append(out, dated{meta.Metadata.CreationTimestamp, p})
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].created < out[j].created })
	data := make([][]byte, 0, len(out))
	for _, d := range out {
		data = append(data, d.data)
	}
	return data, nil
}

func uptime() float64 {
	data, _ := os.ReadFile("/proc/uptime")
	first, _, _ := strings.Cut(string(data), " ")
	seconds, _ := strconv.ParseFloat(first, 64)
	return seconds
}
