package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/pinlab/pinlab/e2e/verify"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/worker"
	"github.com/pinlab/pinlab/tui"
)

// reportNode is what a saved report has seen of a node: an audit, or the last
// step of a run. An audit does not say which machine it was made on, so the
// profile does.
func reportNode(name, profile string) func(context.Context) (tui.Node, error) {
	return func(ctx context.Context) (tui.Node, error) {
		data, err := readInput(ctx, name)
		if err != nil {
			return tui.Node{}, err
		}
		var head struct {
			Kind string `json:"kind"`
		}
		if json.Unmarshal(data, &head) == nil {
			switch head.Kind {
			case verify.Kind:
				return savedAudit(data, name, profile)
			case scenarios.KindRunReport:
				return savedRun(data, name)
			}
		}
		return tui.Node{}, fmt.Errorf("%s: not a report in JSON; 'pinlab verify -o json' and 'pinlab run -o json' write one", name)
	}
}

// savedAudit is a report of 'pinlab verify'.
func savedAudit(data []byte, name, profile string) (tui.Node, error) {
	var r verify.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return tui.Node{}, fmt.Errorf("%s: %w", name, err)
	}
	if r.APIVersion != verify.APIVersion {
		return tui.Node{}, fmt.Errorf("%s: apiVersion %q: want %q", name, r.APIVersion, verify.APIVersion)
	}
	p, err := worker.Resolve(profile, "/")
	if err != nil {
		return tui.Node{}, fmt.Errorf("--profile %s: %w", profile, err)
	}
	if !couldBe(p, &r.Node) {
		return tui.Node{}, fmt.Errorf("%s: was made on a machine with CPUs %s in %d NUMA nodes; %s has %s in %d: "+
			"name the machine with --profile ('pinlab profile convert / > node.yaml' on the node writes one)",
			name, r.Node.Online, r.Node.NUMANodes, profile, observe.FromSet(p.OnlineCPUs()), len(p.NodeIDs()))
	}
	return auditedNode(&r, p, filepath.Base(name)), nil
}

// couldBe says that a profile has the CPUs and NUMA nodes of an audited node.
func couldBe(p *hwprofiles.Profile, n *verify.Node) bool {
	return n.Online.Set().IsSubsetOf(p.AllCPUs()) && n.NUMANodes == len(p.NodeIDs())
}

// savedRun is the last step of a report of 'pinlab run' in which a node was seen.
func savedRun(data []byte, name string) (tui.Node, error) {
	var r scenarios.RunReport
	if err := json.Unmarshal(data, &r); err != nil {
		return tui.Node{}, fmt.Errorf("%s: %w", name, err)
	}
	for i := range r.Results {
		res := &r.Results[i]
		for j := len(res.Steps) - 1; j >= 0; j-- {
			if res.Steps[j].Observation.Kubelet == "" {
				continue
			}
			p, err := worker.Resolve(res.Profile, "/")
			if err != nil {
				return tui.Node{}, fmt.Errorf("%s: machine %s: %w", name, res.Profile, err)
			}
			n := recordedNode(res, j, p)
			if more := len(r.Results) - 1; more > 0 {
				n.Unread = append(n.Unread, fmt.Sprintf("%d more results of this report; one with a single result shows another", more))
			}
			return n, nil
		}
	}
	return tui.Node{}, fmt.Errorf("%s: no step of it has an observation", name)
}

func recordedNode(r *scenarios.Result, step int, p *hwprofiles.Profile) tui.Node {
	s := &r.Steps[step]
	n := tui.Node{
		Name:    fmt.Sprintf("%s on %s (%s), step %d", r.Scenario, r.Profile, r.Target, s.Index),
		Profile: p, Observation: s.Observation, Unread: append([]string{}, s.Observation.Unread...),
	}
	for _, v := range s.Violations {
		f := tui.Finding{Severity: "critical", Check: v.Invariant, What: v.Detail}
		if v.Expected {
			f.Severity, f.What = "note", v.Detail+" (expected)"
		}
		n.Findings = append(n.Findings, f)
	}
	return n
}
