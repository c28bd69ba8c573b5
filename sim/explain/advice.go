package explain

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pinlab/pinlab/scenarios"
)

// The fields of a KubeletConfiguration with policy options, and the options
// that the kubelet knows.
const (
	cpuOptions      = "cpuManagerPolicyOptions"
	topologyOptions = "topologyManagerPolicyOptions"
)

func policyOptions(field string) []string {
	if field == topologyOptions {
		return []string{"max-allowable-numa-nodes", "prefer-closest-numa-nodes"}
	}
	return []string{
		"align-by-socket", "distribute-cpus-across-cores", "distribute-cpus-across-numa", "full-pcpus-only",
		"prefer-align-cpus-by-uncorecache", "strict-cpu-reservation",
	}
}

// advice turns the kubelet's complaint about its configuration into what to do,
// and a patch to try when there is one obvious cure. Nothing is returned for a
// complaint that is not known.
func (x *explainer) advice(complaint string) (steps []string, patch map[string]any) {
	for _, a := range []struct {
		pattern string
		advise  func(m []string) ([]string, map[string]any)
	}{
		{`unknown (CPU|Topology) Manager Policy option: `, x.unknownOptions},
		{`unknown policy: "(.*)"`, x.unknownPolicy},
		{`policy options (\S+) and (\S+) can not be used at the same time`, func(m []string) ([]string, map[string]any) {
			return []string{"the options " + m[1] + " and " + m[2] + " exclude each other: take one of them out of " + cpuOptions}, nil
		}},
		{`(?i)(CPU|topology) Manager Policy (alpha|beta)-level Options not enabled, but option "(.*)" provided`, hiddenOption},
		{`(?:bad value for option|unable to convert policy option to integer) "(.*?)": `, badValue},
		{`the minimum value of "(.*)" should not be less than (\d+)`, func(m []string) ([]string, map[string]any) {
			return []string{"set the option " + m[1] + " to " + m[2] + " or more"}, nil
		}},
		{`manager (\S+) policy is incompatible with CPUManager (\S+) policy option`, func(m []string) ([]string, map[string]any) {
			return []string{"the option " + m[2] + " does not go with topologyManagerPolicy " + m[1] + ": take it out of " + cpuOptions + ", or take another topology policy"}, nil
		}},
		{`Align by socket is not compatible with hardware`, func([]string) ([]string, map[string]any) {
			return []string{"take the option align-by-socket out of " + cpuOptions + ": this machine has more sockets than NUMA nodes"},
				map[string]any{cpuOptions: map[string]any{"align-by-socket": nil}}
		}},
		{`None policy: received unsupported options`, func([]string) ([]string, map[string]any) {
			return []string{"set cpuManagerPolicy to static, or take " + cpuOptions + " out: the policy none has no options"}, nil
		}},
		{`unsupported on machines with more than \d+ NUMA Nodes`, func([]string) ([]string, map[string]any) {
			return []string{fmt.Sprintf("set the option max-allowable-numa-nodes in %s to %d, the NUMA nodes of this machine (admission takes longer with each), or topologyManagerPolicy to none",
				topologyOptions, len(x.Profile.NUMANodes))}, nil
		}},
		{`reserved memory configuration references a NUMA node`, func([]string) ([]string, map[string]any) {
			return []string{"name only NUMA nodes of this machine in reservedMemory: " + strings.ReplaceAll(nodeList(x.Profile.NodeIDs()), "+", ", ")}, nil
		}},
		{`total amount .* determined by Node Allocatable|specify the system reserved memory`, func([]string) ([]string, map[string]any) {
			return []string{"make the sum of reservedMemory what is reserved of memory in all: kubeReserved, systemReserved and memory.available in evictionHard (100Mi when not given)"}, nil
		}},
	} {
		if m := regexp.MustCompile(a.pattern).FindStringSubmatch(complaint); m != nil {
			if steps, patch := a.advise(m); steps != nil {
				return steps, patch
			}
		}
	}
	return nil, nil
}

// unknownOptions looks through the configuration: of several wrong options the
// kubelet names any one.
func (x *explainer) unknownOptions(m []string) ([]string, map[string]any) {
	field := cpuOptions
	if m[1] == "Topology" {
		field = topologyOptions
	}
	config := map[string]json.RawMessage{}
	given := map[string]string{}
	if json.Unmarshal(x.Config, &config) != nil || json.Unmarshal(config[field], &given) != nil {
		return nil, nil
	}
	var steps []string
	valid := policyOptions(field)
	renamed := map[string]any{}
	for _, name := range sortedNames(given) {
		if slices.Contains(valid, name) {
			continue
		}
		near := scenarios.Nearest(name, valid)
		step := fmt.Sprintf("unknown %s Manager policy option %q", m[1], name)
		if near == "" {
			steps = append(steps, step+": take it out; there are "+listWords(valid))
		} else {
			steps = append(steps, fmt.Sprintf("%s; did you mean %q?", step, near))
		}
		renamed[name] = nil
		if _, taken := given[near]; near != "" && !taken {
			renamed[near] = given[name]
		}
	}
	return steps, map[string]any{field: renamed}
}

// unknownPolicy finds the field: the kubelet does not say whose policy it means.
func (x *explainer) unknownPolicy(m []string) ([]string, map[string]any) {
	c := x.report.Kubelet.Config
	for _, p := range []struct {
		field, value string
		valid        []string
	}{
		{"cpuManagerPolicy", c.CPUManagerPolicy, []string{"none", "static"}},
		{"memoryManagerPolicy", c.MemoryManagerPolicy, []string{"None", "Static"}},
		{"topologyManagerPolicy", c.TopologyManagerPolicy, []string{"best-effort", "none", "restricted", "single-numa-node"}},
	} {
		if p.value != m[1] || slices.Contains(p.valid, p.value) {
			continue
		}
		step := fmt.Sprintf("unknown %s %q", p.field, p.value)
		near := scenarios.Nearest(p.value, p.valid)
		if near == "" {
			return []string{step + ": there are " + listWords(p.valid)}, nil
		}
		return []string{fmt.Sprintf("%s; did you mean %q?", step, near)}, map[string]any{p.field: near}
	}
	return nil, nil
}

// hiddenOption opens the feature gate of an option.
func hiddenOption(m []string) ([]string, map[string]any) {
	manager, level := "CPU", "Alpha"
	if strings.EqualFold(m[1], "topology") {
		manager = "Topology"
	}
	if strings.EqualFold(m[2], "beta") {
		level = "Beta"
	}
	gate := manager + "ManagerPolicy" + level + "Options"
	return []string{"set featureGates." + gate + " to true: the option " + m[3] + " is at " + strings.ToLower(level) + " level"},
		map[string]any{"featureGates": map[string]any{gate: true}}
}

func badValue(m []string) ([]string, map[string]any) {
	if m[1] == "max-allowable-numa-nodes" {
		return []string{"set the option " + m[1] + " to a whole number"}, nil
	}
	return []string{"set the option " + m[1] + " to " + strconv.Quote("true") + " or " + strconv.Quote("false")}, nil
}
