package agent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// kubelet is the kubelet process.
type kubelet struct {
	mu sync.Mutex
	// launch starts the process with a limit of open files, 0 for the usual one.
	launch  func(noFile uint64, log *os.File) (*process, error)
	process *process      // nil when none runs
	done    chan struct{} // closed when the process has ended
	starts  int
	from    int64 // where in the log file this start begins
	exit    string
	fatal   string // the error it ended with
}

// process is a kubelet that was started.
type process struct {
	pid int
	// wait returns when it has ended, with how it did: "exit status 1", "signal:
	// killed".
	wait func() string
}

// needs is what a kubelet on such a node cannot do without, whatever the
// scenario's configuration says.
const needs = `{
  "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
  "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
  "authorization": {"mode": "AlwaysAllow"},
  "cgroupDriver": "cgroupfs",
  "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
  "contentType": "application/json",
  "resolvConf": "",
  "logging": {"format": "json"},
  "runtimeRequestTimeout": "1h",
  "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
  "failSwapOn": false
}`

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: lab, cluster: {server: "http://` + apiAddress + `"}}]
contexts: [{name: lab, context: {cluster: lab, user: lab}}]
users: [{name: lab, user: {}}]
current-context: lab
`

// readySocket is made at the end of the container manager's start, after the
// CPU, memory and device managers' (pkg/kubelet/cm/container_manager_linux.go).
const readySocket = kubeletDir + "/device-plugins/kubelet.sock"

// defaults are what a kubelet's configuration says here unless the scenario's
// says something else. A full disk is a fault of the state file here, and not to
// evict pods. Since v1.35 a kubelet refuses cgroup v1 by default.
func (n *Node) defaults() []byte {
	v1 := ""
	if _, version, err := n.reader.Mount(); err == nil && version == 1 {
		v1 = `, "failCgroupV1": false`
	}
	return []byte(`{"evictionHard": {"memory.available": "100Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"}` + v1 + `}`)
}

// StartKubelet starts the kubelet and returns as soon as the process runs.
func (n *Node) StartKubelet(s StartKubelet, state *KubeletState) error {
	config, must := []byte("{}"), []byte(needs)
	if n.member != nil {
		var err error
		if must, err = n.member.needs(); err != nil {
			return err
		}
	}
	var err error
	if len(s.Config) > 0 {
		// The agent's defaults, over them the scenario's, over them what must be.
		config, err = jsonpatch.MergePatch(n.defaults(), s.Config)
	}
	if err == nil {
		config, err = jsonpatch.MergePatch(config, must)
	}
	if err != nil {
		return fmt.Errorf("kubelet configuration: %w", err)
	}
	if n.member != nil {
		err = writeWhole(kubeletConfig, config)
	} else {
		err = writeLabConfig(config)
	}
	if err != nil {
		return err
	}
	if err := os.Remove(readySocket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := n.kubelet.start(s.NoFile); err != nil {
		return err
	}
	*state = n.kubelet.state()
	return nil
}

// writeLabConfig writes what a kubelet of the lab is started with.
func writeLabConfig(config []byte) error {
	if err := os.MkdirAll("/etc/kubernetes", 0o755); err != nil {
		return err
	}
	for file, data := range map[string][]byte{"config.json": config, "kubeconfig": []byte(kubeconfig)} {
		if err := os.WriteFile(filepath.Join("/etc/kubernetes", file), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (k *kubelet) start(noFile uint64) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.process != nil {
		return errors.New("the kubelet runs already")
	}
	log, err := os.OpenFile(kubeletLog, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	if k.from, err = log.Seek(0, 2); err != nil {
		return err
	}
	p, err := k.launch(noFile, log)
	if err != nil {
		return err
	}
	k.process, k.exit, k.fatal, k.done = p, "", "", make(chan struct{})
	k.starts++
	go k.wait(p, k.done)
	return nil
}

// launchKubelet starts the kubelet of a machine of the lab as a child.
func launchKubelet(noFile uint64, log *os.File) (*process, error) {
	cmd := exec.Command("/usr/bin/kubelet", "--config=/etc/kubernetes/config.json", "--kubeconfig=/etc/kubernetes/kubeconfig",
		"--hostname-override="+NodeName, "--node-ip="+NodeIP, "--v=4")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(environment(), "HOME=/root")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if noFile > 0 {
		// The shell sets the limit before it becomes the kubelet.
		cmd.Args = append([]string{"/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, noFile)}, cmd.Args...)
		cmd.Path = "/bin/sh"
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd.Process.Pid, func() string {
		if err := cmd.Wait(); err != nil {
			return err.Error()
		}
		return "exit status 0"
	}}, nil
}

func (k *kubelet) wait(p *process, done chan struct{}) {
	exit := p.wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.process, k.exit = nil, exit
	k.fatal = lastError(k.from)
	close(done)
}

func (k *kubelet) state() KubeletState {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := KubeletState{Starts: k.starts, Exit: k.exit}
	if k.process != nil {
		s.Running, s.PID = true, k.process.pid
		_, err := os.Stat(readySocket)
		s.Ready = err == nil
		return s
	}
	s.Fatal = k.fatal
	return s
}

// StopKubelet sends a signal and waits for the end of the process.
func (n *Node) StopKubelet(s Signal, state *KubeletState) error {
	n.kubelet.mu.Lock()
	p, done := n.kubelet.process, n.kubelet.done
	n.kubelet.mu.Unlock()
	if p != nil {
		if err := syscall.Kill(p.pid, syscall.Signal(s.Signal)); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		select {
		case <-done:
		case <-time.After(time.Minute):
			return fmt.Errorf("the kubelet has not ended a minute after signal %d", s.Signal)
		}
	}
	*state = n.kubelet.state()
	return nil
}

// lastError is the error with which the kubelet ended: that of the last line
// that says so, otherwise of its last line of severity error, in either of the
// two formats that it logs in. Other parts of a kubelet go on logging errors
// while it ends.
func lastError(from int64) string {
	f, err := os.Open(kubeletLog)
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Seek(from, 0); err != nil {
		return ""
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(f); err != nil {
		return ""
	}
	return fatalError(data.String())
}

func fatalError(log string) string {
	fatal, last, plain := "", "", ""
	for _, line := range strings.Split(log, "\n") {
		if e, ok := errorOf(line); ok {
			last = e
			if slices.ContainsFunc(lastWords(), func(words string) bool { return strings.Contains(line, words) }) {
				fatal = e
			}
		} else if plain == "" && line != "" && !strings.HasPrefix(line, "{") {
			plain = line // a panic's first words, or the shell's
		}
	}
	return cmp.Or(fatal, last, plain)
}

// lastWords are the messages after which a kubelet v1.37 exits
// (pkg/kubelet/kubelet.go, k8s.io/component-base/cli).
func lastWords() []string {
	return []string{
		`"command failed"`, `"Failed to start ContainerManager"`, `"Failed to start cAdvisor"`,
		`"Kubelet failed to get node info"`, `"Failed to initialize internal modules"`,
	}
}

// errorOf takes the error out of a log line of severity E or F.
func errorOf(line string) (string, bool) {
	if strings.HasPrefix(line, "{") {
		var l struct {
			Msg, Err string
			V        *int
		}
		if json.Unmarshal([]byte(line), &l) != nil || l.V != nil { // only errors have no verbosity
			return "", false
		}
		return cmp.Or(l.Err, l.Msg), true
	}
	if !strings.HasPrefix(line, "E") && !strings.HasPrefix(line, "F") {
		return "", false
	}
	_, text, ok := strings.Cut(line, "] ")
	if !ok {
		return "", false
	}
	if _, rest, ok := strings.Cut(text, "err="); ok {
		if quoted, err := strconv.QuotedPrefix(rest); err == nil {
			if e, err := strconv.Unquote(quoted); err == nil {
				return e, true
			}
		}
	}
	return text, true
}

// environment is that of the node's programs. An emulated machine has more CPUs
// than there are to emulate them: Go programs that would keep all of them busy
// only make each other wait.
func environment() []string {
	return []string{"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "GOMAXPROCS=2", "GOGC=800"}
}
