package bench

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/pinlab/pinlab/bench/measure"
	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/hwprofiles"
)

// cross makes all combinations of a request's lists.
func (p *Plan) cross(r Request) error {
	scoped := len(r.TopologyScopes) > 0
	lists := func(list []string, otherwise ...string) []string {
		if len(list) == 0 {
			return otherwise
		}
		return list
	}
	r.Profiles = lists(r.Profiles, "xeon-2s24c-smt2")
	r.Policies = lists(r.Policies, measure.PolicyStatic)
	r.TopologyPolicies = lists(r.TopologyPolicies, "best-effort")
	r.TopologyScopes = lists(r.TopologyScopes, "container")
	r.Fills = lists(r.Fills, measure.FillEmpty, measure.FillHalf, measure.FillFragmented)
	r.Storages = lists(r.Storages, storages()...)
	if len(r.Options) == 0 {
		r.Options = []map[string]string{nil}
	}
	if err := r.check(); err != nil {
		return err
	}
	for _, profile := range r.Profiles {
		m, err := newMachine(profile)
		if err != nil {
			return err
		}
		requests := r.Requests
		if len(requests) == 0 {
			requests = []int{min(defaultRequest, m.layout.Assignable())}
		}
		configs := []Config{{Profile: profile}}
		configs = times(configs, r.Policies, func(c *Config, v string) { c.Policy = v })
		configs = times(configs, r.Options, func(c *Config, v map[string]string) { c.Options = v })
		configs = times(configs, r.TopologyPolicies, func(c *Config, v string) { c.TopologyPolicy = v })
		configs = times(configs, r.TopologyScopes, func(c *Config, v string) { c.TopologyScope = v })
		configs = times(configs, r.Fills, func(c *Config, v string) { c.Fill = v })
		configs = times(configs, requests, func(c *Config, v int) { c.Request = v })
		configs = times(configs, r.Storages, func(c *Config, v string) { c.Storage = Storage(v) })
		if len(r.Containers) > 0 {
			configs = times(configs, r.Containers, func(c *Config, v int) { c.Containers = v })
		}
		for _, c := range configs {
			if c.Containers == 0 {
				c.Containers = defaultContainers(scoped, c)
			}
			if err := p.add(m, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// defaultContainers is two where scopes are asked for and there is a CPU for each.
func defaultContainers(scoped bool, c Config) int {
	if scoped {
		return min(2, max(c.Request, 1))
	}
	return 1
}

// times makes a configuration of each one so far with each value.
func times[T any](configs []Config, values []T, set func(*Config, T)) []Config {
	var out []Config
	for _, c := range configs {
		for _, v := range values {
			set(&c, v)
			out = append(out, c)
		}
	}
	return out
}

// check looks at each list of a request by itself.
func (r Request) check() error {
	for _, err := range []error{
		oneOf("policy", r.Policies, policies()),
		oneOf("topology policy", r.TopologyPolicies, topologyPolicies()),
		oneOf("topology scope", r.TopologyScopes, topologyScopes()),
		oneOf("storage", r.Storages, storages()),
	} {
		if err != nil {
			return err
		}
	}
	for _, n := range r.Containers {
		if n < 1 {
			return badInput("containers %d: want at least 1", n)
		}
	}
	for _, fill := range r.Fills {
		if slices.Contains(measure.Fills(), fill) {
			continue
		}
		if _, err := measure.ParsePercent(fill); err != nil {
			if near, alone := hwprofiles.Nearest(fill, measure.Fills()); near != "" && alone {
				return badInput("%v; did you mean %q?", err, near)
			}
			return badInput("%v", err)
		}
	}
	known := slices.Sorted(maps.Keys(measure.Options()))
	for _, set := range r.Options {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if err := oneOf("policy option", []string{name}, known); err != nil {
				return err
			}
			if v := set[name]; v != "true" && v != "false" {
				return badInput("policy option %s=%q: want true or false", name, v)
			}
		}
		if len(set) > 0 && slices.Contains(r.Policies, measure.PolicyNone) {
			return badInput("policy options: the kubelet takes them with policy static only, and policy none is asked for")
		}
	}
	return nil
}

// machine is a profile and its CPUs.
type machine struct {
	layout measure.Layout
	size   Machine
}

func newMachine(ref string) (machine, error) {
	profile, err := measure.Resolve(ref)
	if err != nil {
		return machine{}, fmt.Errorf("profile %s: %w", ref, &wrapped{err})
	}
	layout, err := measure.NewLayout(profile)
	if err != nil {
		return machine{}, badInput("%v", err)
	}
	size, err := measure.Size(profile)
	if err != nil {
		return machine{}, badInput("%v", err)
	}
	return machine{layout, size}, nil
}

// wrapped makes an error of another package bad input.
type wrapped struct{ error }

func (w *wrapped) Unwrap() []error { return []error{w.error, ErrInput} }

// add puts a configuration into the plan; one that is there already is not
// measured twice.
func (p *Plan) add(m machine, c Config) error {
	residents, err := m.layout.Residents(c.Fill, c.Request)
	if err != nil {
		return badInput("profile %s: %v", c.Profile, err)
	}
	if c.Containers > c.Request {
		return badInput("containers %d: want at most %d with request %d: each container has whole CPUs", c.Containers, c.Request, c.Request)
	}
	if slices.ContainsFunc(p.Configs, func(o Config) bool { return o.Name() == c.Name() }) {
		return nil
	}
	p.Configs = append(p.Configs, c)
	m.size.Pods = len(residents)
	p.Machines = append(p.Machines, m.size)
	return nil
}

// defaults is the plan of a request that names nothing: it has the points to fit
// the growth along CPUs, NUMA nodes and pods, and one node on disk.
func (p *Plan) defaults() error {
	type row struct {
		profile string
		fill    string
		storage Storage
	}
	var rows []row
	const small, middle, large = "generic-2s4c-smt2", "xeon-2s24c-smt2", "epyc-7742-2s-nps1"
	for _, profile := range []string{small, middle, large} {
		for _, fill := range []string{measure.FillEmpty, measure.FillHalf} {
			rows = append(rows, row{profile, fill, record.Memory})
		}
	}
	rows = append(rows, row{middle, measure.FillFragmented, record.Memory})
	for _, percent := range []int{25, 75} {
		rows = append(rows, row{middle, strconv.Itoa(percent) + "%", record.Memory})
	}
	// As many CPUs as large, cut into more NUMA nodes.
	for _, profile := range []string{"sockets=2 nodes=4 cores=64 threads=2 l3=4", "epyc-7742-2s-nps4"} {
		rows = append(rows, row{profile, measure.FillEmpty, record.Memory})
	}
	rows = append(rows, row{middle, measure.FillHalf, record.Disk})
	machines := map[string]machine{}
	var errs []error
	for _, r := range rows {
		if _, known := machines[r.profile]; !known {
			m, err := newMachine(r.profile)
			if err != nil {
				return err
			}
			machines[r.profile] = m
		}
		errs = append(errs, p.add(machines[r.profile], Config{
			Profile: r.profile, Policy: measure.PolicyStatic, TopologyPolicy: "best-effort", TopologyScope: "container",
			Fill: r.fill, Request: defaultRequest, Containers: 1, Storage: r.storage,
		}))
	}
	return errors.Join(errs...)
}
