package verify

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/e2e/cgroup"
)

// launch is how a kubelet is started: its flags, and the file system and the
// directory that it is started in.
type launch struct {
	flags map[string]string
	root  files
	cwd   string
	// unread says why the flags are not known; nil when they are.
	unread error
}

// kubeletProcess is a running kubelet.
type kubeletProcess struct {
	pid int
	launch
}

// embedded are programs that run a kubelet inside of them.
var embedded = []string{"k3s", "kubelite", "k0s"}

// errSeveral says that it is not clear which node is meant.
var errSeveral = errors.New("several kubelets")

// findKubelet looks for the kubelet among the processes. The second result
// names a program that runs a kubelet inside of it.
func findKubelet(root files) (found *kubeletProcess, inside string, err error) {
	pids, err := cgroup.Reader(root).PIDs()
	if err != nil {
		return nil, "", err
	}
	var all []*kubeletProcess
	var unread error
	for _, pid := range pids {
		dir := "proc/" + strconv.Itoa(pid)
		data, err := root.Read(dir + "/cmdline")
		if err != nil {
			if !gone(err) && unread == nil {
				unread = fmt.Errorf("command line of process %d: %w", pid, err)
			}
			continue
		}
		args := splitArgs(data)
		if len(args) == 0 {
			continue
		}
		name := path.Base(args[0])
		if name == "hyperkube" && len(args) > 1 {
			name, args = path.Base(args[1]), args[1:]
		}
		if slices.Contains(embedded, name) && len(args) > 1 && name != "kubelet" {
			inside = name
		}
		if name == "kubelet" {
			all = append(all, newProcess(root, pid, args[1:]))
		}
	}
	if len(all) > 1 {
		all = slices.DeleteFunc(all, func(p *kubeletProcess) bool { return !p.sees(root) })
	}
	switch {
	case len(all) == 1:
		return all[0], "", nil
	case len(all) > 1:
		return nil, "", errSeveral
	}
	return nil, inside, unread
}

func splitArgs(data []byte) []string {
	text := strings.TrimRight(string(data), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

func newProcess(root files, pid int, args []string) *kubeletProcess {
	p := &kubeletProcess{pid, launch{flags: parseFlags(args), root: root, cwd: "/"}}
	dir := filepath.Join(root.Root, "proc", strconv.Itoa(pid))
	if procfs(filepath.Join(root.Root, "proc")) {
		if _, err := os.ReadDir(filepath.Join(dir, "root")); err == nil {
			p.root = files{Root: filepath.Join(dir, "root") + "/"}
		}
	}
	if cwd, err := os.Readlink(filepath.Join(dir, "cwd")); err == nil && path.IsAbs(cwd) {
		p.cwd = cwd
	}
	return p
}

// sees says whether the process has the same root directory as the audit.
func (p *kubeletProcess) sees(root files) bool {
	a, errA := os.Stat(root.Root)
	b, errB := os.Stat(p.root.Root)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// parseFlags reads a command line as the kubelet does: --name=value, --name
// value, and for booleans --name alone. The last one counts.
func parseFlags(args []string) map[string]string {
	flags := map[string]string{}
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			break
		}
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok || name == "" {
			continue
		}
		name, value, has := strings.Cut(name, "=")
		if !has {
			value = "true"
			if i+1 < len(args) && !strings.HasPrefix(args[i+1], "--") {
				i++
				value = args[i]
			}
		}
		name = strings.ReplaceAll(name, "_", "-")
		if old, again := flags[name]; again && name == "feature-gates" {
			value = old + "," + value
		}
		flags[name] = value
	}
	return flags
}

func (l launch) abs(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(l.cwd, name)
}

// textFlags and the others below are the flags that decide what the managers
// do, and the fields of the configuration that they override.
var (
	textFlags = map[string]string{
		"cpu-manager-policy": "cpuManagerPolicy", "cpu-manager-reconcile-period": "cpuManagerReconcilePeriod",
		"topology-manager-policy": "topologyManagerPolicy", "topology-manager-scope": "topologyManagerScope",
		"memory-manager-policy": "memoryManagerPolicy", "reserved-cpus": "reservedSystemCPUs",
		"cgroup-driver": "cgroupDriver", "cgroup-root": "cgroupRoot", "container-runtime-endpoint": "containerRuntimeEndpoint",
	}
	mapFlags = map[string]string{
		"cpu-manager-policy-options": "cpuManagerPolicyOptions", "topology-manager-policy-options": "topologyManagerPolicyOptions",
		"kube-reserved": "kubeReserved", "system-reserved": "systemReserved",
	}
)

// override puts the flags into a configuration and returns the names of those
// that decide something.
func override(config map[string]any, flags map[string]string) ([]string, error) {
	var used []string
	for name, value := range flags {
		switch {
		case textFlags[name] != "":
			config[textFlags[name]] = value
		case mapFlags[name] != "":
			config[mapFlags[name]] = pairs(value, "=")
		case name == "eviction-hard":
			config["evictionHard"] = pairs(value, "<")
		case name == "feature-gates":
			gates, _ := config["featureGates"].(map[string]any)
			if gates == nil {
				gates = map[string]any{}
			}
			for gate, text := range pairs(value, "=") {
				on, err := strconv.ParseBool(fmt.Sprint(text))
				if err != nil {
					return nil, fmt.Errorf("--feature-gates %s: %w", value, err)
				}
				gates[gate] = on
			}
			config["featureGates"] = gates
		case name == "reserved-memory":
			list, err := reservedMemory(value)
			if err != nil {
				return nil, fmt.Errorf("--reserved-memory %s: %w", value, err)
			}
			config["reservedMemory"] = list
		default:
			continue
		}
		used = append(used, "--"+name)
	}
	slices.Sort(used)
	return used, nil
}

func pairs(value, sign string) map[string]any {
	out := map[string]any{}
	for part := range strings.SplitSeq(value, ",") {
		if key, val, ok := strings.Cut(part, sign); ok {
			out[strings.TrimSpace(key)] = strings.TrimSpace(val)
		}
	}
	return out
}

// reservedMemory reads "0:memory=1Gi,hugepages-1Gi=2Gi;1:memory=2Gi".
func reservedMemory(value string) ([]any, error) {
	var list []any
	for part := range strings.SplitSeq(value, ";") {
		id, limits, ok := strings.Cut(part, ":")
		node, err := strconv.Atoi(id)
		if !ok || err != nil {
			return nil, fmt.Errorf("want NODE:RESOURCE=QUANTITY, got %q", part)
		}
		list = append(list, map[string]any{"numaNode": node, "limits": pairs(limits, "=")})
	}
	return list, nil
}
