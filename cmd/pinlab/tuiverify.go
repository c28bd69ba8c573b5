package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"

	"github.com/pinlab/pinlab/e2e/verify"
	"github.com/pinlab/pinlab/hwprofiles"
	"github.com/pinlab/pinlab/sim/observe"
	"github.com/pinlab/pinlab/sim/worker"
	"github.com/pinlab/pinlab/tui"
)

// auditChild runs 'pinlab verify' on a node.
func auditChild(root string) func(context.Context) (tui.Node, error) {
	return func(ctx context.Context) (tui.Node, error) {
		out, err := child(ctx, "verify", "--root", root, "-o", "json")
		var r verify.Report
		unmarshal := json.Unmarshal(out, &r)
		if err != nil && unmarshal != nil { // an incomplete audit has a report, too
			return tui.Node{}, err
		}
		if unmarshal != nil {
			return tui.Node{}, fmt.Errorf("the audit's report could not be read: %w", unmarshal)
		}
		p, err := worker.Resolve(worker.Detected, root)
		if err != nil {
			return tui.Node{}, fmt.Errorf("the node's machine: %w", err)
		}
		name := "this node"
		if root != "/" {
			name = root
		}
		return auditedNode(&r, p, name), nil
	}
}

// auditedNode is an audit's report in the explorer's words.
func auditedNode(r *verify.Report, p *hwprofiles.Profile, name string) tui.Node {
	n := tui.Node{Name: name, Profile: p}
	o := &n.Observation
	o.Kubelet, o.Config, o.Online = observe.KubeletState(r.Kubelet.State), r.Kubelet.Config, r.Node.Online
	if r.Kubelet.SharedPool != nil {
		o.SharedPool = *r.Kubelet.SharedPool
	}
	shown := map[[2]string]bool{}
	for i := range r.Containers {
		c := &r.Containers[i]
		if c.Sandbox {
			continue
		}
		x := auditedContainer(c)
		shown[[2]string{c.PodUID, c.Container}] = true
		o.Containers = append(o.Containers, x)
	}
	for _, e := range r.Kubelet.Entries {
		if !shown[[2]string{e.Pod, e.Container}] {
			o.Stale = append(o.Stale, e)
		}
	}
	for _, f := range r.Findings {
		n.Findings = append(n.Findings, auditedFinding(&f))
	}
	for _, u := range r.Unread {
		n.Unread = append(n.Unread, u.What+": "+u.Why)
	}
	return n
}

func auditedContainer(c *verify.Container) observe.Container {
	ref := c.Ref()
	at := strings.LastIndex(ref, "/")
	x := observe.Container{
		Pod: ref[:at], Container: ref[at+1:], State: observe.StateTerminated, QoS: c.QoS, Requested: c.Requested, Exclusive: c.Exclusive,
	}
	switch {
	case c.Running == nil:
		x.State = observe.StateWaiting // not known
	case c.Runs():
		x.State = observe.StateRunning
	}
	if c.Assigned != nil {
		x.Assigned = *c.Assigned
	}
	if c.Effective != nil {
		x.Actual = *c.Effective
	} else if c.CPUs != nil {
		x.Actual = *c.CPUs
	}
	if c.Mems != nil {
		x.Mems = *c.Mems
	}
	for _, t := range c.Threads {
		if t.CPUs != x.Actual {
			x.Threads = append(x.Threads, t.CPUs)
		}
	}
	return x
}

func auditedFinding(f *verify.Finding) tui.Finding {
	x := tui.Finding{Severity: string(f.Severity), Check: f.Check, What: f.What, Details: append([]string{}, f.Where...)}
	if f.CPUs != "" {
		x.Details = append(x.Details, "CPUs "+string(f.CPUs))
	}
	for _, text := range []string{f.Why, f.Remedy} {
		if text != "" {
			x.Details = append(x.Details, text)
		}
	}
	return x
}

// watchNode returns when a state file has changed, or a directory on the way to it
// has come or gone. Directories are watched, because the kubelet renames a new file
// over the old one; where one is missing, the nearest one above it is.
func watchNode(paths ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		w, err := fsnotify.NewWatcher()
		if err != nil {
			return err
		}
		defer w.Close()
		wanted := map[string]bool{}
		watching := map[string]bool{}
		for _, path := range paths {
			path, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			wanted[path] = true
			missing, err := watchAbove(w, path, watching)
			if err != nil {
				return err
			}
			for _, dir := range missing {
				wanted[dir] = true
				if _, err := os.Lstat(dir); err == nil {
					return nil // it came before it was watched for
				}
			}
		}
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case err := <-w.Errors:
				return err
			case e := <-w.Events:
				gone := watching[e.Name] && e.Has(fsnotify.Remove|fsnotify.Rename)
				if gone || wanted[e.Name] && !e.Has(fsnotify.Chmod) {
					return nil
				}
			}
		}
	}
}

// watchAbove watches the directory of a path, or the nearest one above that is
// there, and returns those that are missing.
func watchAbove(w *fsnotify.Watcher, path string, watching map[string]bool) (missing []string, err error) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if watching[dir] {
			return missing, nil
		}
		switch err := w.Add(dir); {
		case err == nil:
			watching[dir] = true
			return missing, nil
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		missing = append(missing, dir)
	}
}

// stateFiles are what the verify view watches on a node.
func stateFiles(root string) []string {
	dir := filepath.Join(root, observe.KubeletRoot)
	return []string{
		filepath.Join(dir, observe.CPUStateFile), filepath.Join(dir, observe.MemoryStateFile), filepath.Join(dir, "config.yaml"),
	}
}
