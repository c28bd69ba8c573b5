package kind

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	kinderrors "sigs.k8s.io/kind/pkg/errors"
	"sigs.k8s.io/kind/pkg/exec"
)

// ErrUsage marks what is wrong about a cluster that was asked for: it is not
// there, or is none that scenarios can be replayed on.
var ErrUsage = errors.New("not a cluster for scenarios")

// A hint is what an error of a container engine or of kubeadm means to people.
// The first one whose words are all in the error is given, in whatever case.
type hint struct {
	words []string
	text  string
}

const (
	noEngine     = "the command of a container engine is here, but no engine answers it (does the daemon run? is DOCKER_HOST right?)"
	noPrivileges = "the container engine does not run privileged containers, which kind's nodes are; --in-lab needs none"
	tooSlow      = "the control plane has not come up in time; the machine may be too slow or too busy"
)

func hints() []hint {
	return []hint{
		{[]string{"no space left on device"}, "the disk of the container engine is full ('docker system df' shows what takes the room)"},
		{[]string{"mount source path"}, "the container engine cannot see pinlab's cache directory (Docker from a snap sees no hidden ones): set XDG_CACHE_HOME to one that it can"},
		{[]string{"permission denied", "socket"}, "this user may not talk to the container engine (on Docker: be root, or a member of the group docker)"},
		{[]string{"cannot connect to"}, noEngine},
		{[]string{"failed to connect to the docker api"}, noEngine},
		{[]string{"failed to pull image"}, "the node image is not on this machine and could not be pulled; 'docker load' it, name another with --kind-image, or use --in-lab, which needs no registry"},
		{[]string{"already exist for a cluster with the name"}, "the name is taken; the cluster that has it was left alone"},
		{[]string{"could not find a log line that matches"}, "systemd in the node has not come up within kind's 30 s: the engine may not allow privileged containers, or the machine is too slow"},
		{[]string{"rootless provider requires"}, "a container engine without root must be given the cgroup controllers"},
		{[]string{"privileged"}, noPrivileges},
		{[]string{"operation not permitted"}, noPrivileges},
		{[]string{"kubeadm", "timed out"}, tooSlow},
		{[]string{"kubeadm", "deadline exceeded"}, tooSlow},
		{[]string{"kubeadm", "timeout"}, tooSlow},
		{[]string{"glibc_"}, "this pinlab needs a newer C library than the node has: build it with CGO_ENABLED=0"},
		{[]string{"exec format error"}, "this pinlab is built for another kind of machine than the node: build it for GOOS=linux and the node's processor"},
		{[]string{"is not running"}, "the node's container has ended"},
		{[]string{"no such container"}, "the node's container is gone"},
		{[]string{"is paused"}, "the node's container is paused"},
	}
}

// explain adds to an error of kind's what its commands printed last, and puts in
// front what that means.
func explain(err error) error {
	if err == nil {
		return nil
	}
	// The commands themselves say nothing of what went wrong: each node is asked
	// for with --privileged.
	meant := meaning(err)
	for _, run := range failed(err) {
		if output := lastLines(telling(run), 4); output != "" {
			err = fmt.Errorf("%w: %s", err, output)
		}
	}
	if meant != "" {
		return fmt.Errorf("%s: %w", meant, err)
	}
	return err
}

// meaning is what an error of kind's means to people; empty when that is not
// known.
func meaning(err error) string {
	text := err.Error()
	for _, run := range failed(err) {
		text = strings.ReplaceAll(text, run.PrettyCommand(), "") + "\n" + telling(run)
	}
	for _, h := range hints() {
		if containsAll(strings.ToLower(text), h.words) {
			return h.text
		}
	}
	return ""
}

// telling is what a command printed of its failure. Kubeadm says its requests
// with their time limits on the way and where in its code it failed at the end;
// neither is why.
func telling(run *exec.RunError) string {
	var lines, errs []string
	for line := range strings.Lines(string(run.Output)) {
		line = strings.TrimSpace(line)
		if line == "" || noise().MatchString(line) {
			continue
		}
		lines = append(lines, line)
		if low := strings.ToLower(line); strings.HasPrefix(low, "error") || strings.HasPrefix(low, "[error") || strings.HasPrefix(low, "[preflight] some fatal") {
			errs = append(errs, line)
		}
	}
	if len(errs) > 0 && slices.ContainsFunc(run.Command, func(a string) bool { return strings.HasSuffix(a, "kubeadm") }) {
		lines = errs
	}
	return strings.Join(lines, "\n")
}

// noise matches a log line that is none of an error, and the two lines of a frame
// of a stack.
func noise() *regexp.Regexp {
	return regexp.MustCompile(`^([IW]\d{4} .*|[\w./~@-]+\.[\w.()*\[\]{}-]+(\(.*\))?|\S+\.go:\d+( \+0x[0-9a-f]+)?|goroutine \d+ .*)$`)
}

// failed are the commands that an error of kind's is about.
func failed(err error) []*exec.RunError {
	all := kinderrors.Errors(err)
	if len(all) == 0 {
		all = []error{err}
	}
	var out []*exec.RunError
	for _, e := range all {
		var run *exec.RunError
		if errors.As(e, &run) {
			out = append(out, run)
		}
	}
	return out
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// lastLines are the last lines of a text that say something.
func lastLines(text string, n int) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
