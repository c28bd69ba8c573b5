package agent

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PatchPod is a merge of JSON into a pod of the API server, or into what a
// subresource has of it: a cluster's API server lets some of a running pod be changed
// there alone. The lab's has no such ones.
type PatchPod struct {
	Namespace, Name string
	Subresource     string
	Patch           json.RawMessage
}

// Patched is the generation that an API server gave to what a pod is now to be.
type Patched struct{ Generation int64 }

// PatchPod changes a pod in the API server.
func (n *Node) PatchPod(p PatchPod, out *Patched) error {
	body, err := n.request(http.MethodPatch, "/api/v1/namespaces/"+p.Namespace+"/pods/"+p.Name, string(p.Patch))
	if err != nil {
		return err
	}
	var pod metav1.PartialObjectMetadata
	if err := json.Unmarshal(body, &pod); err != nil {
		return err
	}
	out.Generation = pod.Generation
	return nil
}

// Metrics are two of the kubelet's metrics.
type Metrics struct{ ExclusiveCPUs, SharedPoolMilliCPUs int }

// Quotas reads the quotas of cgroups, by their paths.
func (n *Node) Quotas(paths []string, out *map[string]string) error {
	*out = make(map[string]string, len(paths))
	for _, path := range paths {
		quota, err := n.reader.CPUMax(path)
		if err != nil {
			return err
		}
		(*out)[path] = quota
	}
	return nil
}

// metricsURL is where a kubelet tells its metrics: one of the lab to everybody, one
// of a cluster to the cluster's administrators.
const metricsURL = "https://127.0.0.1:10250/metrics"

// kubeletClient is what a control plane made by kubeadm asks kubelets with: the API
// server's certificate and its key.
const kubeletClient = "/etc/kubernetes/pki/apiserver-kubelet-client"

// metricsTime bounds the wait for them.
const metricsTime = 20 * time.Second

// Metrics asks the kubelet for its metrics.
func (n *Node) Metrics(_ None, m *Metrics) error {
	ctx, cancel := context.WithTimeout(context.Background(), metricsTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, metricsURL, nil)
	if err != nil {
		return err
	}
	// The kubelet's certificate is its own, made a moment ago.
	security := &tls.Config{InsecureSkipVerify: true}
	client, err := tls.LoadX509KeyPair(kubeletClient+".crt", kubeletClient+".key")
	if err == nil {
		security.Certificates = []tls.Certificate{client}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("metrics: %w", err)
	}
	transport := &http.Transport{TLSClientConfig: security, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("metrics: the kubelet says %s", answer.Status)
	}
	return m.read(answer.Body)
}

// read takes the metrics out of the text format; one that is missing is an
// error.
func (m *Metrics) read(text io.Reader) error {
	missing := map[string]*int{
		"kubelet_cpu_manager_exclusive_cpu_allocation_count": &m.ExclusiveCPUs,
		"kubelet_cpu_manager_shared_pool_size_millicores":    &m.SharedPoolMilliCPUs,
	}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		to := missing[name]
		if to == nil {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("metrics: %s: %w", name, err)
		}
		*to = int(number)
		delete(missing, name)
	}
	for name := range missing {
		return errors.Join(lines.Err(), fmt.Errorf("metrics: the kubelet tells no %s", name))
	}
	return lines.Err()
}

// HugePages is a number of huge pages of a NUMA node; Size is in bytes.
type HugePages struct {
	Node  int
	Size  uint64
	Count int
}

const nodesDir = "/sys/devices/system/node"

// SetHugePages sets it.
func (n *Node) SetHugePages(h HugePages, _ *None) error {
	return setHugePages(fmt.Sprintf("%s/node%d/hugepages/hugepages-%dkB/nr_hugepages", nodesDir, h.Node, h.Size>>10), h.Count)
}

func setHugePages(file string, count int) error {
	if err := os.WriteFile(file, []byte(strconv.Itoa(count)), 0o644); err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(data)); got != strconv.Itoa(count) {
		return fmt.Errorf("the kernel made %s of %d huge pages (%s)", got, count, file)
	}
	return nil
}

// noHugePages gives all huge pages back.
func noHugePages() error {
	files, err := filepath.Glob(nodesDir + "/node*/hugepages/*/nr_hugepages")
	for _, f := range files {
		data, readErr := os.ReadFile(f)
		if readErr == nil && strings.TrimSpace(string(data)) != "0" {
			readErr = setHugePages(f, 0)
		}
		err = errors.Join(err, readErr)
	}
	return err
}
