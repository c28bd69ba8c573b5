package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/sim/observe"
)

// defaultConfig is where kubeadm and most installers put the configuration.
const defaultConfig = observe.KubeletRoot + "/config.yaml"

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

// document is one file of a configuration.
type document struct {
	name string
	data []byte
}

// nodeConfig reads the configuration that the node's kubelet was, or would be,
// started with.
func nodeConfig(l launch) (*config, error) {
	name := l.flags["config"]
	switch {
	case name != "":
		name = l.abs(name)
	case l.unread != nil:
		name = defaultConfig
	default:
		return l.config(nil) // it is given no file
	}
	data, err := l.root.Read(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l.config(&document{name, data})
}

// config is what a kubelet makes of a file: the file, then the files of its
// drop-in directory, then its flags.
func (l launch) config(file *document) (*config, error) {
	var docs []document
	if file != nil {
		docs = append(docs, *file)
	}
	if dir := l.flags["config-dir"]; dir != "" {
		dir = l.abs(dir)
		names, err := dropIns(l.root, dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		for _, name := range names {
			data, err := l.root.Read(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			docs = append(docs, document{name, data})
		}
	}
	merged, from := []byte("{}"), []string{}
	for _, d := range docs {
		var err error
		if merged, err = mergeConfig(merged, d.data); err == nil {
			_, err = newConfig(merged) // the types of its fields
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", d.name, errMalformed, err)
		}
		from = append(from, d.name)
	}
	doc := map[string]any{}
	if err := json.Unmarshal(merged, &doc); err != nil {
		return nil, err
	}
	used, err := override(doc, l.flags)
	if err != nil {
		return nil, fmt.Errorf("the kubelet's command line: %w: %w", errMalformed, err)
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
		return nil, fmt.Errorf("%s: %w: %w", strings.Join(from, " "), errMalformed, err)
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
	full, err := see.Resolve(dir)
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
