package explore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim/explore/repro"
	"github.com/pinlab/pinlab/sim/observe"
)

// declare makes a finding's scenario pass: it declares what is broken, and expects a
// kubelet to fail where it does.
func declare(f *Finding, out *Outcome) {
	s := *f.Scenario
	s.Name = f.ID
	s.Story = story(f)
	s.Labels = map[string]string{"class": "found", "found-by": "pinlab"}
	var broken []string
	for _, h := range out.Hits {
		switch h.Cause.Broken {
		case BrokenPanic, BrokenHang, BrokenCrash:
			f.Scenario = &s
			return // nothing can be expected of it
		}
		if !slices.Contains(broken, h.Cause.Broken) {
			broken = append(broken, h.Cause.Broken)
		}
	}
	s.Violates = nil
	for _, name := range broken {
		s.Violates = append(s.Violates, scenarios.Violates{Invariant: name, Why: why(f)})
	}
	var steps []scenarios.Step
	for i, step := range s.Steps {
		steps = append(steps, step)
		if text, ok := out.Failed[i]; ok {
			steps = append(steps, scenarios.Step{Expect: &scenarios.Expect{Kubelet: observe.KubeletFailed, KubeletError: steady(text)}})
		}
	}
	s.Steps = steps
	f.Scenario = &s
}

// steady is the first part of an error that has no UID in it.
func steady(text string) string {
	if at := uids.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	if at := strings.Index(text, "uid-"); at >= 0 {
		text = text[:at]
	}
	return strings.TrimSpace(text)
}

func why(f *Finding) string {
	if f.Known != nil {
		return f.Known.Why
	}
	return "found by pinlab explore"
}

func story(f *Finding) string {
	_, harm := Harm(f.Cause.Broken)
	text := fmt.Sprintf("Found by pinlab explore: %s.\n%s: %s\n\nIt needs: %s.", harm, f.Cause.Broken, f.Hit.Text, strings.Join(f.Needs, ", "))
	if f.Follows() {
		text += "\nIt follows from " + f.Root.String() + "."
	}
	return text
}

// Saver writes findings to a directory.
type Saver struct {
	Dir            string
	KubeletVersion string
	Resolve        func(ref string) (*hwprofiles.Profile, error)
	// GoMod and GoSum are of a module with the kubelet's code in the version under
	// test.
	GoMod, GoSum []byte
	// Trace replays a scenario and returns its log; nil when that cannot be done.
	Trace func(s *scenarios.Scenario) []observe.Step
}

// Save writes each finding into a folder of its own, the known ones below known: the
// scenario, a report to paste, and a Go test of upstream alone. The directory is a Go
// module: 'go test -mod=mod ./...' runs the tests.
func (sv Saver) Save(list []*Finding) error {
	if err := MakeDir(sv.Dir); err != nil {
		return err
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(sv.Dir, "go.mod"), repro.GoMod(sv.GoMod), 0o666),
		os.WriteFile(filepath.Join(sv.Dir, "go.sum"), sv.GoSum, 0o666),
	)
	for _, f := range list {
		dir := filepath.Join(sv.Dir, f.ID)
		if f.Known != nil {
			dir = filepath.Join(sv.Dir, "known", f.ID)
		}
		if e := sv.one(dir, f); e != nil {
			err = errors.Join(err, fmt.Errorf("finding %s: %w", f.ID, e))
		}
	}
	return err
}

func (sv Saver) one(dir string, f *Finding) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	scenario, err := Format(f.Scenario)
	if err != nil {
		return err
	}
	test, testErr := repro.Test(repro.Params{Scenario: f.Scenario, Resolve: sv.Resolve, Broken: f.Cause.Broken, Text: f.Hit.Text})
	if testErr != nil && !errors.Is(testErr, repro.ErrCannot) {
		return testErr
	}
	write := func(name string, data []byte) error { return os.WriteFile(filepath.Join(dir, name), data, 0o666) }
	err = write("scenario.yaml", scenario)
	if testErr == nil {
		err = errors.Join(err, write("repro_test.go", test))
	}
	return errors.Join(err, write("report.md", []byte(sv.markdown(f, scenario, testErr))))
}

// MakeDir makes a directory for findings and tries whether files can be made in it. It
// must be empty, or not be there yet. The empty name is no directory at all, and fine.
func MakeDir(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty; want a new or empty directory", dir)
	}
	probe, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return fmt.Errorf("no file can be made in %s: %w", dir, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
