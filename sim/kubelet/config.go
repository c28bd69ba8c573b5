package kubelet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register" // logging.format: json, as in cmd/kubelet
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	kubeletscheme "k8s.io/kubernetes/pkg/kubelet/apis/config/scheme"
	"k8s.io/kubernetes/pkg/kubelet/apis/config/validation"
	"sigs.k8s.io/yaml"

	"github.com/pinlab/pinlab/sim/observe"
)

// Config is a defaulted and validated KubeletConfiguration.
type Config struct {
	kc kubeletconfig.KubeletConfiguration
}

// ConfigDecoder decodes configurations; making one builds upstream's scheme,
// so keep it.
type ConfigDecoder struct {
	codecs *serializer.CodecFactory

	mu sync.Mutex
	// decoded are configurations by their text: a search starts kubelets with
	// the same few over and over, and to decode one takes longer than the start.
	decoded map[string]*Config
}

// maxDecoded bounds the configurations remembered.
const maxDecoded = 256

// NewConfigDecoder registers the kubelet's configuration API.
func NewConfigDecoder() (*ConfigDecoder, error) {
	// As the kubelet's command does; validation asks for these gates.
	if err := logsapi.AddFeatureGates(utilfeature.DefaultMutableFeatureGate); err != nil {
		return nil, fmt.Errorf("logging feature gates: %w", err)
	}
	_, codecs, err := kubeletscheme.NewSchemeAndCodecs(serializer.EnableStrict)
	if err != nil {
		return nil, fmt.Errorf("kubelet configuration scheme: %w", err)
	}
	return &ConfigDecoder{codecs: codecs, decoded: map[string]*Config{}}, nil
}

// The one hard eviction threshold that counts for the managers, and its default
// (pkg/kubelet/eviction/defaults_linux.go).
const (
	evictionSignal      = "memory.available"
	defaultEvictionHard = "100Mi"
)

const configAPIVersion = "kubelet.config.k8s.io/v1beta1"

// Decode reads a KubeletConfiguration (YAML or JSON; apiVersion and kind may be
// left out), defaults it and validates it as the kubelet does at its start.
// Unknown fields are an error: the kubelet would only warn of them, and a
// misspelt policy is what people look for. The same text gives the same Config.
func (d *ConfigDecoder) Decode(data []byte) (*Config, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.decoded[string(data)]; c != nil {
		return c, nil
	}
	c, err := d.decode(data)
	if err != nil {
		return nil, err
	}
	if len(d.decoded) >= maxDecoded {
		clear(d.decoded)
	}
	d.decoded[string(data)] = c
	return c, nil
}

func (d *ConfigDecoder) decode(data []byte) (*Config, error) {
	doc := map[string]any{}
	if len(bytes.TrimSpace(data)) > 0 {
		if err := yaml.Unmarshal(data, &doc); err != nil {
			return nil, fmt.Errorf("KubeletConfiguration: %w", err)
		}
		if doc == nil {
			doc = map[string]any{}
		}
	}
	for key, want := range map[string]string{"apiVersion": configAPIVersion, "kind": "KubeletConfiguration"} {
		if have, ok := doc[key]; !ok {
			doc[key] = want
		} else if have != want {
			return nil, fmt.Errorf("KubeletConfiguration: %s is %v, want %s", key, have, want)
		}
	}
	if err := checkBeforeUpstream(doc); err != nil {
		return nil, fmt.Errorf("KubeletConfiguration: %w", err)
	}
	full, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("KubeletConfiguration: %w", err)
	}
	obj, err := d.upstream(full)
	if err != nil {
		return nil, fmt.Errorf("KubeletConfiguration: %w", err)
	}
	kc, ok := obj.(*kubeletconfig.KubeletConfiguration)
	if !ok {
		return nil, fmt.Errorf("KubeletConfiguration: decoded to %T", obj)
	}
	gates := utilfeature.DefaultFeatureGate.DeepCopy()
	if err := resetGates(gates); err != nil {
		return nil, err
	}
	if err := gates.SetFromMap(kc.FeatureGates); err != nil {
		return nil, fmt.Errorf("failed to set feature gates from initial flags-based config: %w", err)
	}
	// Upstream asks the host for its cgroup version here; the simulated node's
	// is v2, whatever the host has.
	checked := *kc
	checked.FailCgroupV1 = false
	if err := validation.ValidateKubeletConfiguration(&checked, gates); err != nil {
		return nil, fmt.Errorf("failed to validate kubelet configuration, error: %w", err)
	}
	// The kubelet's command does this after it has read the file
	// (cmd/kubelet/app/server.go, loadConfigFile).
	_, set := kc.EvictionHard[evictionSignal]
	if kc.EvictionHard == nil || (kc.MergeDefaultEvictionSettings && !set) {
		evictionHard := map[string]string{evictionSignal: defaultEvictionHard}
		maps.Copy(evictionHard, kc.EvictionHard)
		kc.EvictionHard = evictionHard
	}
	return &Config{kc: *kc}, nil
}

// checkBeforeUpstream refuses what upstream's defaulting panics at (feature
// gates that it does not know) or never comes back from (a CPU list of
// billions).
func checkBeforeUpstream(doc map[string]any) error {
	if gates, ok := doc["featureGates"].(map[string]any); ok {
		known := utilfeature.DefaultFeatureGate.DeepCopy().GetAll()
		for _, name := range slices.Sorted(maps.Keys(gates)) {
			if _, ok := known[featuregate.Feature(name)]; !ok {
				return fmt.Errorf("featureGates: unrecognized feature gate: %s%s", name, nearestGate(name, known))
			}
		}
	}
	if list, ok := doc["reservedSystemCPUs"].(string); ok {
		if _, err := observe.ParseSet(list); err != nil {
			return fmt.Errorf("reservedSystemCPUs: %w", err)
		}
	}
	return nil
}

// nearestGate suggests a gate that is the same but for letter case, or that
// contains the name or is contained in it.
func nearestGate(name string, known map[featuregate.Feature]featuregate.FeatureSpec) string {
	lower := strings.ToLower(name)
	for _, gate := range slices.Sorted(maps.Keys(known)) {
		if g := strings.ToLower(string(gate)); g == lower || len(lower) > 5 && (strings.HasPrefix(g, lower) || strings.HasPrefix(lower, g)) {
			return fmt.Sprintf("; did you mean %q?", string(gate))
		}
	}
	return fmt.Sprintf(" (kubelet %s does not have it; gates of older versions are removed in time)", Version)
}

// Verbosity is the log level the kubelet runs with.
func (c *Config) Verbosity() int { return int(c.kc.Logging.Verbosity) }

// ReconcilePeriodSeconds is the CPU manager's reconcile period.
func (c *Config) ReconcilePeriodSeconds() float64 {
	return c.kc.CPUManagerReconcilePeriod.Seconds()
}

// MaxPods is the number of pods the node takes.
func (c *Config) MaxPods() int { return int(c.kc.MaxPods) }

// Observed is the part of the configuration that observations carry. Reserved
// is known only to a running kubelet.
func (c *Config) Observed() observe.Config {
	return observe.Config{
		CPUManagerPolicy:        c.kc.CPUManagerPolicy,
		CPUManagerPolicyOptions: c.kc.CPUManagerPolicyOptions,
		TopologyManagerPolicy:   c.kc.TopologyManagerPolicy,
		TopologyManagerScope:    c.kc.TopologyManagerScope,
		MemoryManagerPolicy:     c.kc.MemoryManagerPolicy,
	}
}

// setGates makes the process's feature gates those of a kubelet that was
// started with this configuration.
func (c *Config) setGates() error {
	gates := utilfeature.DefaultMutableFeatureGate
	if err := resetGates(gates); err != nil {
		return err
	}
	if err := gates.SetFromMap(c.kc.FeatureGates); err != nil {
		return fmt.Errorf("failed to set feature gates from initial flags-based config: %w", err)
	}
	return nil
}

func resetGates(gates featuregate.MutableVersionedFeatureGate) error {
	var set []string
	for name := range gates.GetAll() {
		if gates.ExplicitlySet(name) {
			set = append(set, string(name))
		}
	}
	slices.Sort(set)
	for _, name := range set {
		if err := gates.ResetFeatureValueToDefault(featuregate.Feature(name)); err != nil {
			return fmt.Errorf("reset feature gate %s: %w", name, err)
		}
	}
	return nil
}

// upstream is upstream's own decoding. Its defaults panic over a feature gate that is
// locked, as the kubelet does; here that is a wrong configuration.
func (d *ConfigDecoder) upstream(data []byte) (obj runtime.Object, err error) {
	defer func() {
		if p := recover(); p != nil {
			obj, err = nil, fmt.Errorf("%v", p)
		}
	}()
	obj, _, err = d.codecs.UniversalDecoder().Decode(data, nil, nil)
	return obj, err
}
