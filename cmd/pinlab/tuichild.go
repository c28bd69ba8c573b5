package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/scenarios"
	"github.com/pinlab/pinlab/sim"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/tui"
)

// child runs this program again and returns what it prints. Exit code 1 is an
// answer too.
func child(ctx context.Context, args ...string) ([]byte, error) {
	cmd := workerCommand(ctx)
	cmd.Args = append(cmd.Args[:1:1], args...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	cmd.WaitDelay = time.Second
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() == exitBroken:
		return out.Bytes(), nil
	case err != nil && problems.Len() > 0:
		text := strings.TrimSpace(strings.ReplaceAll(problems.String(), "pinlab: ", ""))
		return out.Bytes(), errors.New(strings.ReplaceAll(text, "\n", "; "))
	}
	return out.Bytes(), err
}

// explainChild asks 'pinlab explain', so that its answer is the same.
func explainChild(dir string) func(context.Context, tui.Question) (string, error) {
	return func(ctx context.Context, q tui.Question) (string, error) {
		files, err := os.MkdirTemp(dir, "explain-")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(files)
		write := func(name string, data []byte) (string, error) {
			path := filepath.Join(files, name)
			return path, os.WriteFile(path, data, 0o600)
		}
		profile, err := profileFile(q.Profile, write)
		if err != nil {
			return "", err
		}
		pod, err := write("pod.json", q.Pod)
		if err != nil {
			return "", err
		}
		args := []string{"explain", pod, "--profile", profile}
		config := q.Config
		if len(config) == 0 {
			config = []byte("{}") // the kubelet's defaults, not what explain assumes
		}
		name, err := write("kubelet.json", config)
		if err != nil {
			return "", err
		}
		args = append(args, "--config", name)
		if q.State != nil && q.State.Policy == "static" {
			state, err := stateFile(q.State)
			if err != nil {
				return "", err
			}
			if name, err = write("cpu_manager_state", state); err != nil {
				return "", err
			}
			args = append(args, "--state", name)
		}
		out, err := child(ctx, args...)
		if err != nil {
			return "", err
		}
		return strings.ReplaceAll(string(out), files+string(filepath.Separator), ""), nil
	}
}

// profileFile writes a machine for a child. One that is not as its file says,
// because CPUs are offline or were added, cannot always be written down.
func profileFile(p *hwprofiles.Profile, write func(string, []byte) (string, error)) (string, error) {
	data, err := p.MarshalProfile()
	if err != nil {
		return "", fmt.Errorf("machine %s: %w", p.Name, err)
	}
	return write("machine.yaml", data)
}

// stateFile is the content of a cpu_manager_state with these entries. Pods go by
// their names there; a kubelet's would have UIDs.
func stateFile(c *observe.Checkpoint) ([]byte, error) {
	spec := &scenarios.CheckpointSpec{
		Version: "v4", PolicyName: c.Policy, SharedPool: c.SharedPool, Checksum: "valid",
		Entries: map[string]map[string]observe.CPUs{},
	}
	for _, a := range c.Entries {
		if spec.Entries[a.Pod] == nil {
			spec.Entries[a.Pod] = map[string]observe.CPUs{}
		}
		spec.Entries[a.Pod][a.Container] = a.CPUs
	}
	event := scenarios.WriteStateFile{File: scenarios.CPUState, Checkpoint: spec}
	return sim.StateContent(event, nil, func(pod string) string { return pod })
}
