package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/e2e/cgroup"
	"github.com/pinlab/pinlab/sim/observe"
)

// defaultConfig is where kubeadm and most installers put the configuration.
const defaultConfig = observe.KubeletRoot + "/config.yaml"

// kubeletProcess is a running kubelet.
type kubeletProcess struct {
	pid   int
	flags map[string]string
	// root is the file system that the process sees.
	root files
	cwd  string
}

// embedded are programs that run a kubelet inside of them.
var embedded = []string{"k3s", "kubelite", "k0s"}

// errSeveral says that it is not clear which node is meant.
var errSeveral = errors.New("several kubelets")

// findKubelet looks for the kubelet among the processes. The second result
// names a program that runs a kubelet inside of it.
func findKubelet(root files) (found *kubeletProcess, inside string, err error) {
	pids, err := cgroup.Reader{Root: root.root}.PIDs()
	if err != nil {
		return nil, "", fmt.Errorf("processes: %w", cause(err))
	}
	var all []*kubeletProcess
	var unread error
	for _, pid := range pids {
		dir := "proc/" + strconv.Itoa(pid)
		data, err := root.read(dir + "/cmdline")
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
	p := &kubeletProcess{pid: pid, flags: parseFlags(args), root: root, cwd: "/"}
	dir := filepath.Join(root.root, "proc", strconv.Itoa(pid))
	if procfs(filepath.Join(root.root, "proc")) {
		if _, err := os.ReadDir(filepath.Join(dir, "root")); err == nil {
			p.root = files{filepath.Join(dir, "root") + "/"}
		}
	}
	if cwd, err := os.Readlink(filepath.Join(dir, "cwd")); err == nil && path.IsAbs(cwd) {
		p.cwd = cwd
	}
	return p
}

// sees says whether the process has the same root directory as the audit.
func (p *kubeletProcess) sees(root files) bool {
	a, errA := os.Stat(root.root)
	b, errB := os.Stat(p.root.root)
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

func (p *kubeletProcess) abs(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(p.cwd, name)
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

// config is a kubelet's configuration and what the audit needs of it.
type config struct {
	json []byte
	from []string

	CPUManagerPolicy          string            `json:"cpuManagerPolicy"`
	CPUManagerPolicyOptions   map[string]string `json:"cpuManagerPolicyOptions"`
	CPUManagerReconcilePeriod string            `json:"cpuManagerReconcilePeriod"`
	TopologyManagerPolicy     string            `json:"topologyManagerPolicy"`
	TopologyManagerScope      string            `json:"topologyManagerScope"`
	MemoryManagerPolicy       string            `json:"memoryManagerPolicy"`
	ReservedSystemCPUs        string            `json:"reservedSystemCPUs"`
	ContainerRuntimeEndpoint  string            `json:"containerRuntimeEndpoint"`
}

// observed is what the invariants look at, with the kubelet's defaults.
func (c *config) observed() observe.Config {
	or := func(value, fallback string) string {
		if value == "" {
			return fallback
		}
		return value
	}
	reserved, _ := observe.ParseCPUs(c.ReservedSystemCPUs) // the start check says what is wrong
	return observe.Config{
		CPUManagerPolicy: or(c.CPUManagerPolicy, "none"), CPUManagerPolicyOptions: c.CPUManagerPolicyOptions,
		TopologyManagerPolicy: or(c.TopologyManagerPolicy, "none"), TopologyManagerScope: or(c.TopologyManagerScope, "container"),
		MemoryManagerPolicy: or(c.MemoryManagerPolicy, "None"), Reserved: reserved,
	}
}

const defaultPeriod = 10 * time.Second

func (c *config) period() time.Duration {
	if d, err := time.ParseDuration(c.CPUManagerReconcilePeriod); err == nil && d > 0 {
		return d
	}
	return defaultPeriod
}

// newConfig reads a configuration from JSON or YAML.
func newConfig(data []byte, from ...string) (*config, error) {
	c := &config{from: from}
	var err error
	if c.json, err = yaml.YAMLToJSON(data); err != nil {
		return nil, err
	}
	if string(c.json) == "null" {
		c.json = []byte("{}")
	}
	return c, json.Unmarshal(c.json, c)
}

// errMalformed marks a configuration that no kubelet reads.
var errMalformed = errors.New("malformed")

// nodeConfig reads the configuration that the node's kubelet was, or would be,
// started with: its file, then the files of its drop-in directory, then flags.
func nodeConfig(root files, p *kubeletProcess) (*config, error) {
	name, flags, see := defaultConfig, map[string]string{}, root
	if p != nil {
		flags, see = p.flags, p.root
		name = flags["config"]
		if name != "" {
			name = p.abs(name)
		}
	}
	merged, from := []byte("{}"), []string{}
	if name != "" {
		data, err := see.read(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if merged, err = mergeConfig(merged, data); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", name, errMalformed, err)
		}
		from = append(from, name)
	}
	if dir := flags["config-dir"]; dir != "" {
		dir = p.abs(dir)
		names, err := dropIns(see, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		for _, name := range names {
			data, err := see.read(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if merged, err = mergeConfig(merged, data); err != nil {
				return nil, fmt.Errorf("%s: %w: %w", name, errMalformed, err)
			}
			from = append(from, name)
		}
	}
	doc := map[string]any{}
	if err := json.Unmarshal(merged, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, errMalformed, err)
	}
	used, err := override(doc, flags)
	if err != nil {
		return nil, fmt.Errorf("the kubelet's command line: %w", err)
	}
	if len(used) > 0 {
		from = append(from, strings.Join(used, " "))
	}
	if len(from) == 0 {
		from = []string{"defaults"} // the kubelet was given neither file nor flags
	}
	if merged, err = json.Marshal(doc); err != nil {
		return nil, err
	}
	c, err := newConfig(merged, from...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, errMalformed, err)
	}
	return c, nil
}

func mergeConfig(base, data []byte) ([]byte, error) {
	patch, err := yaml.YAMLToJSON(data)
	if err != nil {
		return nil, err
	}
	if string(patch) == "null" {
		return base, nil
	}
	doc := map[string]any{}
	if err := json.Unmarshal(patch, &doc); err != nil {
		return nil, errors.New("want a KubeletConfiguration, an object")
	}
	if kind, ok := doc["kind"]; ok && kind != "KubeletConfiguration" {
		return nil, fmt.Errorf("kind is %v, want KubeletConfiguration", kind)
	}
	return jsonpatch.MergePatch(base, patch)
}

// dropIns are the files of a drop-in directory in the order in which the kubelet
// merges them.
func dropIns(see files, dir string) ([]string, error) {
	full, err := see.resolve(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	err = filepath.WalkDir(full, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return cause(err)
		}
		if !d.IsDir() && filepath.Ext(name) == ".conf" {
			names = append(names, path.Join(dir, strings.TrimPrefix(name, full)))
		}
		return nil
	})
	return names, err
}
