package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/e2e/cgroup"
)

// Paths of a cluster's node as kubeadm and kind make it.
const (
	kubeletConfig = kubeletDir + "/config.yaml"
	// ownConfig keeps the node's configuration as pinlab found it.
	ownConfig = kubeletDir + "/pinlab-found-config.yaml"
	dropIn    = "/etc/systemd/system/kubelet.service.d/90-pinlab.conf"
	nodeRunc  = "/usr/local/sbin/runc"
	foundRunc = nodeRunc + ".pinlab-found"
	// importedFile says that the runtime has the containers' image.
	importedFile = "/run/pinlab/image"
)

// LabelKey and LabelValue mark the pods that are pinlab's on a cluster.
const (
	LabelKey   = "app.kubernetes.io/managed-by"
	LabelValue = "pinlab"
)

// member is a node of a real cluster: systemd has its kubelet, kubeadm has
// written its configuration, and its API server is somewhere else. What pinlab
// changes there is kept to be given back.
type member struct{}

// NewMember makes the agent of a cluster's node and begins to prepare it.
func NewMember(ctx context.Context) *Node {
	m := &member{}
	n := &Node{reader: cgroup.Reader{Root: "/"}, member: m, setUp: make(chan error, 1)}
	n.kubelet.launch = m.launch
	go func() { n.setUp <- m.prepare(ctx) }()
	return n
}

// prepare makes the node ready for scenarios. It may be done again on a node
// that has been prepared before.
func (m *member) prepare(ctx context.Context) error {
	if err := copyOnce(kubeletConfig, ownConfig); err != nil {
		return fmt.Errorf("the node is not one that kubeadm made: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dropIn), 0o755); err != nil {
		return err
	}
	if err := writeDropIn(0); err != nil {
		return err
	}
	if err := copyOnce(nodeRunc, foundRunc); err != nil {
		return fmt.Errorf("the node's runc: %w", err)
	}
	if err := writeWhole(nodeRunc, []byte(WrapperScript(foundRunc))); err != nil {
		return err
	}
	if _, err := os.Stat(importedFile); err == nil {
		return nil
	}
	if err := importImage(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(importedFile), 0o755); err != nil {
		return err
	}
	return os.WriteFile(importedFile, nil, 0o644)
}

// copyOnce keeps a copy of a file, unless there is one.
func copyOnce(file, copied string) error {
	if _, err := os.Stat(copied); err == nil {
		return nil
	}
	st, err := os.Stat(file)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := writeWhole(copied, data); err != nil {
		return err
	}
	return os.Chmod(copied, st.Mode())
}

// writeWhole replaces a file at once: who reads it sees the old or the new.
func writeWhole(file string, data []byte) error {
	mode := os.FileMode(0o644)
	if st, err := os.Stat(file); err == nil {
		mode = st.Mode()
	}
	part := file + ".pinlab-part"
	if err := os.WriteFile(part, data, mode); err != nil {
		return err
	}
	if err := os.Chmod(part, mode); err != nil { // whatever the umask is
		return err
	}
	return os.Rename(part, file)
}

// writeDropIn lets systemd keep its hands off a kubelet that has ended, write
// the log where the agent reads it, and set a limit of open files.
func writeDropIn(noFile uint64) error {
	limit := ""
	if noFile > 0 {
		limit = fmt.Sprintf("LimitNOFILE=%d\n", noFile)
	}
	text := "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=no\nStandardOutput=append:" + kubeletLog + "\nStandardError=append:" + kubeletLog + "\n" + limit
	if old, err := os.ReadFile(dropIn); err == nil && string(old) == text {
		return nil
	}
	if err := writeWhole(dropIn, []byte(text)); err != nil {
		return err
	}
	return systemctl("daemon-reload")
}

func systemctl(args ...string) error {
	_, err := tell(context.Background(), "systemctl", args...)
	return err
}

// tell runs a program and returns what it prints.
func tell(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// nodesOwn are the fields of a kubelet's configuration that make it a member of
// its cluster: no scenario may change them.
func nodesOwn() []string {
	return []string{
		"apiVersion", "kind", "authentication", "authorization", "cgroupDriver", "cgroupRoot", "clusterDNS", "clusterDomain",
		"containerRuntimeEndpoint", "failSwapOn", "healthzBindAddress", "healthzPort",
		// Kind's: the disk is the host's, and nothing of it is to be collected.
		"imageGCHighThresholdPercent",
		"resolvConf", "rotateCertificates", "staticPodPath",
	}
}

// nodesGate is the one feature gate that is the node's own: without it no kubelet
// starts in a container of a user who is not root. Others are the scenario's.
const nodesGate = "KubeletInUserNamespace"

// needs is what the kubelet cannot do without here, whatever the scenario's
// configuration says.
func (m *member) needs() ([]byte, error) {
	data, err := os.ReadFile(ownConfig)
	if err != nil {
		return nil, err
	}
	version, err := kubeletVersion()
	if err != nil {
		return nil, err
	}
	return memberNeeds(data, version)
}

func memberNeeds(config []byte, version string) ([]byte, error) {
	var found, out map[string]any
	if err := yaml.Unmarshal(config, &found); err != nil {
		return nil, fmt.Errorf("%s: %w", kubeletConfig, err)
	}
	out = map[string]any{"logging": map[string]any{"format": "json", "verbosity": 4}, "runtimeRequestTimeout": "1h"}
	if minor(version) >= 35 { // before, the field needs a feature gate
		out["crashLoopBackOff"] = map[string]any{"maxContainerRestartPeriod": "1s"}
	}
	for _, key := range nodesOwn() {
		if v, ok := found[key]; ok {
			out[key] = v
		}
	}
	if gates, ok := found["featureGates"].(map[string]any); ok {
		if v, ok := gates[nodesGate]; ok {
			out["featureGates"] = map[string]any{nodesGate: v} // merged with the scenario's
		}
	}
	return json.Marshal(out)
}

// minor is the 37 of v1.37.2; 0 when there is none.
func minor(version string) int {
	_, rest, _ := strings.Cut(version, ".")
	digits, _, _ := strings.Cut(rest, ".")
	n, _ := strconv.Atoi(digits)
	return n
}

// launch lets systemd start the kubelet.
func (m *member) launch(noFile uint64, _ *os.File) (*process, error) {
	if err := writeDropIn(noFile); err != nil {
		return nil, err
	}
	if err := systemctl("restart", "kubelet"); err != nil {
		return nil, err
	}
	text, err := tell(context.Background(), "systemctl", "show", "--property=MainPID", "--value", "kubelet")
	if err != nil {
		return nil, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("systemd's word on the kubelet's process: %w", err)
	}
	return &process{pid, func() string {
		waitFor(pid)
		return unitExit()
	}}, nil
}

// waitFor returns when a process, not one of ours, has ended.
func waitFor(pid int) {
	if pid == 0 {
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it is gone
	}
	defer unix.Close(fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// unitExit is how the kubelet's last process ended.
func unitExit() string {
	text, err := tell(context.Background(), "systemctl", "show", "--property=ExecMainCode,ExecMainStatus", "kubelet")
	if err != nil {
		return err.Error()
	}
	return exitText(text)
}

// exitText reads what systemd tells of a process: a code as in wait(2), and the
// status or signal.
func exitText(properties string) string {
	value := map[string]int{}
	for _, line := range strings.Split(properties, "\n") {
		if key, text, ok := strings.Cut(line, "="); ok {
			value[key], _ = strconv.Atoi(text)
		}
	}
	const exited = 1 // CLD_EXITED
	if value["ExecMainCode"] == exited {
		return fmt.Sprintf("exit status %d", value["ExecMainStatus"])
	}
	return "signal: " + syscall.Signal(value["ExecMainStatus"]).String()
}

// wipe makes the node as it is before a scenario: no kubelet, no pods of
// pinlab's, no state. The cluster's own pods run on.
func (m *member) wipe() error {
	err := systemctl("stop", "kubelet") // one that somebody else has started
	err = errors.Join(err, withRuntime(context.Background(), func(ctx context.Context, c runtimeapi.RuntimeServiceClient) error {
		return removeLabelled(ctx, c, map[string]string{LabelKey: LabelValue})
	}))
	return errors.Join(err, removeState(), remove(kubeletLog))
}

// removeImage takes the containers' image out of the runtime.
func removeImage() error {
	_, err := tell(context.Background(), "ctr", "--namespace=k8s.io", "images", "rm", Image)
	return err
}

func removeState() error {
	return errors.Join(remove(kubeletDir+"/cpu_manager_state"), remove(kubeletDir+"/memory_manager_state"))
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// GiveBack makes the node of somebody else's cluster as pinlab found it, and
// starts its kubelet.
func (n *Node) GiveBack(_ None, _ *None) error {
	if n.member == nil {
		return errors.New("this node is not a cluster's")
	}
	if err := n.Wipe(None{}, &None{}); err != nil {
		return err
	}
	return errors.Join(os.Rename(ownConfig, kubeletConfig), os.Rename(foundRunc, nodeRunc), remove(dropIn), remove(importedFile),
		removeImage(), systemctl("daemon-reload"), systemctl("start", "kubelet"))
}
