package kind

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/log"
)

// providerVariable chooses the container engine, for kind's command as well.
const providerVariable = "KIND_EXPERIMENTAL_PROVIDER"

// detect finds the container engine as kind's command does.
func (k *Kind) detect() (provider, error) {
	var option cluster.ProviderOption
	switch asked := os.Getenv(providerVariable); asked {
	case "":
		var err error
		if option, err = cluster.DetectNodeProvider(); err != nil {
			return nil, errors.New("kind needs a container engine, and there is no docker, podman or nerdctl on this machine; --in-lab needs none")
		}
	case "docker":
		option = cluster.ProviderWithDocker()
	case "podman":
		option = cluster.ProviderWithPodman()
	case "nerdctl", "finch", "nerdctl.lima":
		option = cluster.ProviderWithNerdctl(asked)
	default:
		return nil, fmt.Errorf("%w: %s=%s: want docker, podman or nerdctl", ErrUsage, providerVariable, asked)
	}
	return cluster.NewProvider(option, cluster.ProviderWithLogger(steps{k})), nil
}

// engineOf is what leads to the container engine, as variables of the
// environment: a cluster can only be found again on the same one.
func engineOf(getenv func(string) string, there func(string) bool) string {
	name := getenv(providerVariable)
	for _, candidate := range []string{"docker", "nerdctl", "podman"} { // kind's order
		if name == "" && there(candidate) {
			name = candidate
		}
	}
	out := []string{providerVariable + "=" + name}
	for _, v := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINERD_ADDRESS"} {
		if value := getenv(v); value != "" {
			out = append(out, v+"="+value)
		}
	}
	return strings.Join(out, " ")
}

func inPath(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// steps tells the steps that kind's library takes, and its warnings.
type steps struct{ kind *Kind }

var _ log.Logger = steps{}

// stepMark is in front of each step that begins.
const stepMark = "•"

func (s steps) tell(text string) {
	if _, step, ok := strings.Cut(text, stepMark); ok {
		plain := strings.Map(func(r rune) rune {
			if r > 126 || r < 32 {
				return -1
			}
			return r
		}, step)
		s.kind.say("%s", strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(plain), "...")))
	}
}

// Warn implements log.Logger.
func (s steps) Warn(message string) { s.kind.say("%s", strings.TrimSpace(message)) }

// Warnf implements log.Logger.
func (s steps) Warnf(format string, args ...any) { s.Warn(fmt.Sprintf(format, args...)) }

// Error implements log.Logger.
func (s steps) Error(message string) { s.Warn(message) }

// Errorf implements log.Logger.
func (s steps) Errorf(format string, args ...any) { s.Warnf(format, args...) }

// V implements log.Logger; only what kind's command shows by default is told.
func (s steps) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return s
}

// Info implements log.InfoLogger.
func (s steps) Info(message string) { s.tell(message) }

// Infof implements log.InfoLogger.
func (s steps) Infof(format string, args ...any) { s.tell(fmt.Sprintf(format, args...)) }

// Enabled implements log.InfoLogger.
func (steps) Enabled() bool { return true }
