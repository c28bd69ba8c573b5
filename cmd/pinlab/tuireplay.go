package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/worker"
	"github.com/pinlab/pinlab/tui"
)

// scenarioInfos are the corpus to choose from.
func scenarioInfos(tools *toolchain) ([]tui.ScenarioInfo, error) {
	found, err := find(tools.loader, nil)
	if err != nil {
		return nil, harness(err)
	}
	list := make([]tui.ScenarioInfo, 0, len(found))
	for _, s := range found {
		list = append(list, tui.ScenarioInfo{Name: s.Name, Class: s.Labels["class"], Title: s.Title()})
	}
	return list, nil
}

// replayChild runs 'pinlab run', which survives what upstream does.
func replayChild(tools *toolchain) func(context.Context, string, string) (tui.Recording, error) {
	return func(ctx context.Context, ref, profile string) (tui.Recording, error) {
		var rec tui.Recording
		found, err := find(tools.loader, []string{ref})
		if err != nil {
			return rec, err
		}
		if len(found) != 1 {
			return rec, fmt.Errorf("%d scenarios there; want one", len(found))
		}
		args := []string{"run", ref, "-o", "json"}
		if profile == "" {
			profile = found[0].Profile
		} else {
			args = append(args, "--profile", profile)
		}
		out, runErr := child(ctx, args...)
		var report scenarios.RunReport
		if err := json.Unmarshal(out, &report); err != nil || len(report.Results) != 1 {
			if runErr != nil {
				return rec, runErr
			}
			return rec, fmt.Errorf("its report could not be read: %w", errors.Join(err, errors.New("want one result")))
		}
		p, err := worker.Resolve(profile, "/")
		if err != nil {
			return rec, fmt.Errorf("machine %s: %w", profile, err)
		}
		rec.Result = report.Results[0]
		rec.Profiles = profilesAt(found[0].Scenario, p, len(rec.Result.Steps))
		return rec, nil
	}
}

// profilesAt follows the machine through a scenario, as the simulator does. A
// change that cannot be made is the scenario's error, and told by the run.
func profilesAt(s *scenarios.Scenario, p *hwprofiles.Profile, steps int) []*hwprofiles.Profile {
	list := make([]*hwprofiles.Profile, steps)
	for i := range list {
		if i < len(s.Steps) {
			if next, err := changedProfile(p, s.Steps[i].Event); err == nil {
				p = next
			}
		}
		list[i] = p
	}
	return list
}

func changedProfile(p *hwprofiles.Profile, event scenarios.Event) (*hwprofiles.Profile, error) {
	switch e := event.(type) {
	case scenarios.OfflineCPUs:
		return p.WithOnline(e.CPUs.Set(), false)
	case scenarios.OnlineCPUs:
		return p.WithOnline(e.CPUs.Set(), true)
	case scenarios.AddCPUs:
		var err error
		for _, id := range e.CPUs.Set().List() {
			if p, err = p.WithCPUAdded(id, e.Like); err != nil {
				return nil, err
			}
		}
	case scenarios.SwapProfile:
		return worker.Resolve(e.Profile, "/")
	}
	return p, nil
}
