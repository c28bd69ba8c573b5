package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/pinlab/pinlab/bench/record"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/scenarios/report"
	"github.com/pinlab/pinlab/sim/kubelet"
	"github.com/pinlab/pinlab/sim/worker"
)

// saveEvery is how often the results so far are saved for --resume.
const saveEvery = 2 * time.Second

// plainEvery is how often a suite says how far it is where no terminal shows it.
const plainEvery = 15 * time.Second

// shard is a part of a suite, from 1; the zero value is all of it.
type shard struct{ index, of int }

func parseShard(text string) (shard, error) {
	if text == "" {
		return shard{}, nil
	}
	index, of, _ := strings.Cut(text, "/")
	i, err := strconv.Atoi(index)
	n, errOf := strconv.Atoi(of)
	// Written one way only: the shard's name is compared with that of saved results.
	if err != nil || errOf != nil || fmt.Sprintf("%d/%d", i, n) != text || i < 1 || i > n {
		return shard{}, fmt.Errorf("--shard %q: want one like 2/8, the second of eight parts", text)
	}
	return shard{i, n}, nil
}

func (s shard) has(k scenarios.Key) bool { return s.of == 0 || k.Shard(s.of) == s.index-1 }

// runSuite replays a suite, or what is missing of it.
func runSuite(cmd *cobra.Command, f runFlags) error {
	tools, err := newToolchain()
	if err != nil {
		return err
	}
	suite, err := tools.loader.LoadSuite(f.suite)
	if err != nil {
		return err
	}
	runs, err := tools.loader.Runs(suite, func(ref string) (*hwprofiles.Profile, error) { return worker.Resolve(ref, "/") })
	if err != nil {
		return err
	}
	info := &scenarios.SuiteInfo{Name: suite.Name, Runs: len(runs), Digest: scenarios.Digest(runs, kubelet.Version, f.repeat), Shard: f.shard}
	keys := make(map[scenarios.Key]bool, len(runs))
	for i := range runs {
		keys[runs[i].Key()] = true
	}
	info.Keys = scenarios.KeysDigest(slices.Collect(maps.Keys(keys)))
	part, err := parseShard(f.shard)
	if err != nil {
		return err
	}
	runs = slices.DeleteFunc(runs, func(r scenarios.SuiteRun) bool { return !part.has(r.Key()) })
	mine := make(map[scenarios.Key]bool, len(runs))
	for i := range runs {
		mine[runs[i].Key()] = true
	}
	saved, err := openSaved(f.resume, info, mine)
	if err != nil {
		return err
	}
	had := len(saved.results)
	if had > 0 {
		runs = slices.DeleteFunc(runs, func(r scenarios.SuiteRun) bool { return saved.has(r.Key()) })
		fmt.Fprintf(cmd.ErrOrStderr(), "pinlab: %s has %d of %d runs; %d are left\n", f.resume, had, had+len(runs), len(runs))
	}
	jobs := make([]planned, 0, len(runs))
	for i := range runs {
		r := &runs[i]
		jobs = append(jobs, planned{skip: r.Skip, Job: worker.Job{
			Scenario: r.Scenario, Corpus: r.Corpus, Profile: r.Profile, ProfileRef: r.ProfileRef, Patch: r.Patch, Variant: r.Variant,
		}})
	}
	todo := toRun(jobs)
	job := runOf{jobs: jobs, suite: info, more: saved.results, keys: keys, plain: plainEvery}
	job.replay = func(progress *report.Progress) ([]scenarios.Result, error) {
		pool := simPool(tools, f, progress)
		pool.Brief = true
		tell := pool.Progress
		pool.Progress = func(e worker.Event) {
			tell(e)
			if e.Result != nil {
				saved.add(*e.Result)
			}
		}
		results, err := pool.Run(cmd.Context(), todo)
		if err != nil && f.resume != "" {
			if failed := saved.save(); failed != nil {
				return nil, errors.Join(err, failed)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "pinlab: %s has %d runs; the same command goes on from there\n", f.resume, len(saved.results))
		}
		return results, err
	}
	job.finished = func(all []scenarios.Result) error {
		saved.results = all
		return saved.save()
	}
	return runJobs(cmd, job, f)
}

// simPool replays on the simulator, on all cores.
func simPool(tools *toolchain, f runFlags, progress *report.Progress) worker.Pool {
	return worker.Pool{
		Command: workerCommand, Workers: runtime.GOMAXPROCS(0), Timeout: f.timeout, Decoder: tools.decoder, Repeat: f.repeat,
		Progress: func(e worker.Event) {
			if e.Result != nil {
				progress.Finish(e.Job, e.Result.Verdict)
			} else {
				progress.Step(e.Job, e.Done, e.Total)
			}
		},
	}
}

// saved are the results of --resume; without a file it keeps nothing.
type saved struct {
	file    string
	info    *scenarios.SuiteInfo
	mu      sync.Mutex
	results []scenarios.Result
	last    time.Time
	failed  error
}

// openSaved reads the results of an earlier run. What broke the harness then is
// run again.
func openSaved(file string, info *scenarios.SuiteInfo, mine map[scenarios.Key]bool) (*saved, error) {
	s := &saved{file: file, info: info, last: time.Now()}
	if file == "" {
		return s, nil
	}
	isReport := func(data []byte) bool { _, err := report.Read(data, file); return err == nil }
	if err := record.Replaceable(file, "report of a run", isReport); err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) || (err == nil && len(data) == 0) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	r, err := report.Read(data, file)
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	if r.Suite == nil || *r.Suite != *info {
		return nil, fmt.Errorf("--resume: %s is of other runs than these: another suite, shard, kubelet or --repeat, or its scenarios or machines have changed; take another file", file)
	}
	for i := range r.Results {
		res := &r.Results[i]
		if !mine[res.Key()] {
			return nil, fmt.Errorf("--resume: %s: results[%d]: %s is no run of this suite or shard; take another file", file, i, res.Key())
		}
		if skipped := res.Verdict == scenarios.Skip && res.KubeletVersion == ""; !skipped && res.KubeletVersion != kubelet.Version {
			return nil, fmt.Errorf("--resume: %s: results[%d]: %s is of kubelet %q; want %s, or another file", file, i, res.Key(), res.KubeletVersion, kubelet.Version)
		}
	}
	s.results = slices.DeleteFunc(r.Results, func(r scenarios.Result) bool {
		return r.Verdict == scenarios.Errored || r.Verdict == scenarios.Hang
	})
	for i := range s.results {
		s.results[i].Known = false // the baseline of today says
	}
	return s, nil
}

func (s *saved) has(k scenarios.Key) bool {
	return slices.ContainsFunc(s.results, func(r scenarios.Result) bool { return r.Key() == k })
}

// add keeps a result and saves all of them now and then.
func (s *saved) add(r scenarios.Result) {
	if s.file == "" {
		return
	}
	s.mu.Lock()
	s.results = append(s.results, r)
	due := time.Since(s.last) >= saveEvery
	s.mu.Unlock()
	if due {
		s.failed = s.save()
	}
}

// save writes all results that there are.
func (s *saved) save() error {
	if s.file == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	r := scenarios.NewRunReport(report.Comparable(s.results))
	r.Suite = s.info
	var b strings.Builder
	if err := report.JSON(&b, r); err != nil {
		return err
	}
	return record.Write(s.file, []byte(b.String()))
}

// writeRun writes a report in the format asked for.
func writeRun(w io.Writer, r scenarios.RunReport, output string, opts report.TableOptions) error {
	switch output {
	case "json":
		return report.JSON(w, r)
	case "yaml":
		return report.YAML(w, r)
	case "junit":
		return report.JUnit(w, r)
	case "github":
		return github(w, r)
	}
	if r.Suite != nil {
		return report.SuiteTable(w, r, opts)
	}
	return report.Table(w, r, opts)
}

// inRepository is a file's path from the root of the repository that GitHub has
// checked out; the path itself where it is not in there.
func inRepository(file string) string {
	root := os.Getenv("GITHUB_WORKSPACE")
	abs, err := filepath.Abs(file)
	if root == "" || err != nil {
		return file
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return file
	}
	return filepath.ToSlash(rel)
}

// github writes annotations, and the job's summary where GitHub wants it.
func github(w io.Writer, r scenarios.RunReport) error {
	if err := report.GitHub(w, r, inRepository); err != nil {
		return err
	}
	file := os.Getenv("GITHUB_STEP_SUMMARY")
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("GITHUB_STEP_SUMMARY: %w", err)
	}
	return errors.Join(report.Summary(f, r), f.Close())
}
