// Package measure is the child's side of the bench: one configuration in one
// process, measured and told as it goes.
package measure

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/hwprofiles"
)

// The CPU manager's policies.
const (
	PolicyNone   = "none"
	PolicyStatic = "static"
)

const optionStrict = "strict-cpu-reservation"

// Options are the CPU manager's policy options, and whether each is an alpha one
// that needs its feature gate.
func Options() map[string]bool {
	return map[string]bool{
		"full-pcpus-only":                  false,
		optionStrict:                       false,
		"prefer-align-cpus-by-uncorecache": false,
		"distribute-cpus-across-numa":      false,
		"align-by-socket":                  true,
		"distribute-cpus-across-cores":     true,
	}
}

// allowedNUMANodes is how many NUMA nodes the topology manager takes without
// being told.
const allowedNUMANodes = 8

// kubeletConfig is the KubeletConfiguration of a configuration.
func kubeletConfig(c record.Config, l Layout, p *hwprofiles.Profile, pods int) ([]byte, error) {
	doc := map[string]any{
		"cpuManagerPolicy":      c.Policy,
		"topologyManagerPolicy": c.TopologyPolicy,
		"topologyManagerScope":  c.TopologyScope,
		"reservedSystemCPUs":    l.Reserved.String(),
		"maxPods":               max(110, pods+1),
	}
	if len(c.Options) > 0 {
		doc["cpuManagerPolicyOptions"] = c.Options
	}
	known := Options()
	for name := range c.Options {
		if known[name] {
			doc["featureGates"] = map[string]bool{"CPUManagerPolicyAlphaOptions": true}
		}
	}
	if n := len(p.NUMANodes); n > allowedNUMANodes && c.TopologyPolicy != "none" {
		doc["topologyManagerPolicyOptions"] = map[string]string{"max-allowable-numa-nodes": strconv.Itoa(n)}
	}
	return json.Marshal(doc)
}

// Resolve finds a profile by its reference; detected is this machine.
func Resolve(ref string) (*hwprofiles.Profile, error) {
	if ref != Detected {
		return hwprofiles.Resolve(ref)
	}
	fsys, closer, err := hwprofiles.OpenSysroot("/")
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return hwprofiles.Detect(fsys)
}

// Detected is the reference of the machine that pinlab runs on.
const Detected = "detected"

// Size is the size of a machine without pods, and what tells it apart from others
// of that size.
func Size(p *hwprofiles.Profile) (record.Machine, error) {
	topology, err := digest(p)
	return record.Machine{CPUs: p.OnlineCPUs().Size(), Cores: p.NumCores(), NUMANodes: len(p.NUMANodes), Topology: topology}, err
}

// digest is made of what the kubelet's managers see of a machine, but for its
// memory: that of one and the same machine differs by some pages from boot to boot.
func digest(p *hwprofiles.Profile) (string, error) {
	info, err := p.MachineInfo()
	if err != nil {
		return "", err
	}
	for i := range info.Topology {
		info.Topology[i].Memory, info.Topology[i].HugePages = 0, nil
	}
	data, err := json.Marshal(info.Topology)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8]), nil
}
