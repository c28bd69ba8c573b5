package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/worker"
)

// planned is a job, or the reason why it is not run.
type planned struct {
	worker.Job
	skip string
}

// selectJobs makes the list of what to run from the arguments.
func selectJobs(loader scenarios.Loader, args []string, f runFlags) ([]planned, error) {
	selector, err := parseSelector(f.selector)
	if err != nil {
		return nil, err
	}
	found, err := find(loader, args)
	if err != nil {
		return nil, err
	}
	patch, err := configPatch(f.config)
	if err != nil {
		return nil, err
	}
	var jobs []planned
	profiles := map[string]*hwprofiles.Profile{}
	add := func(s located, ref string) error {
		p := profiles[ref]
		if p == nil {
			var err error
			if p, err = worker.Resolve(ref, "/"); err != nil {
				return fmt.Errorf("profile %s: %w", ref, err)
			}
			profiles[ref] = p
		}
		changed, err := s.With(patch)
		if err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		if err := loader.Kubelet(changed.Kubelet); len(patch) > 0 && err != nil {
			return fmt.Errorf("--config: with it the configuration of %s is wrong: %w", s.Name, err)
		}
		j := planned{Job: worker.Job{Scenario: changed, Corpus: s.corpus, Profile: p, ProfileRef: ref, Patch: patch}}
		if ref != s.Profile {
			j.skip = changed.Unmet(p)
		}
		jobs = append(jobs, j)
		return nil
	}
	for _, s := range found {
		if !selector.Matches(labels.Set(s.Labels)) {
			continue
		}
		refs := f.profiles
		if len(refs) == 0 {
			refs = []string{s.Profile}
			if f.hosts() && s.Requires != nil {
				refs = []string{worker.Detected} // there is no other machine
			} else if len(args) == 0 && s.Requires != nil {
				refs = append(refs, worker.Detected)
			}
		}
		for _, ref := range refs {
			if err := add(s, ref); err != nil {
				return nil, err
			}
		}
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("--selector %q selects no scenario; 'pinlab scenario list' shows the classes", f.selector)
	}
	return jobs, nil
}

// located is a scenario and where it came from.
type located struct {
	*scenarios.Scenario
	corpus bool
}

// find loads what the arguments name: corpus scenarios first, then files and
// directories.
func find(loader scenarios.Loader, args []string) ([]located, error) {
	if len(args) == 0 {
		args = scenarios.CorpusNames()
	}
	var out []located
	var errs []error
	for _, arg := range args {
		_, inCorpus := scenarios.CorpusFile(arg)
		if inCorpus && !strings.ContainsAny(arg, "/.") {
			s, err := loader.LoadCorpus(arg)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			out = append(out, located{s, true})
			continue
		}
		if _, err := os.Stat(arg); err != nil && !strings.ContainsAny(arg, "/.") {
			errs = append(errs, &scenarios.UnknownScenarioError{Name: arg})
			continue
		}
		list, err := loader.Load(arg)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, s := range list {
			out = append(out, located{s, false})
		}
	}
	return out, errors.Join(errs...)
}

// misfits names the scenarios that failed on a machine they are not about.
func misfits(jobs []planned, results []scenarios.Result) []string {
	var out []string
	for i, j := range jobs {
		if j.Scenario.Requires == nil && j.ProfileRef != j.Scenario.Profile && results[i].Verdict == scenarios.Fail {
			out = append(out, fmt.Sprintf("%s is written for %s; on %s its CPU lists may not fit", j.Scenario.Name, j.Scenario.Profile, j.Profile.Name))
		}
	}
	return out
}

// toRun are the jobs that are not skipped.
func toRun(jobs []planned) []worker.Job {
	var out []worker.Job
	for _, j := range jobs {
		if j.skip == "" {
			out = append(out, j.Job)
		}
	}
	return out
}

// merge puts the results and the skipped into the order of the jobs.
func merge(jobs []planned, results []scenarios.Result) []scenarios.Result {
	out := make([]scenarios.Result, 0, len(jobs))
	for _, j := range jobs {
		if j.skip != "" {
			skipped := scenarios.Skipped(j.Scenario, j.Profile, j.skip)
			skipped.Variant = j.Variant
			out = append(out, skipped)
			continue
		}
		out = append(out, results[0])
		results = results[1:]
	}
	return out
}
