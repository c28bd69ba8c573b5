package agent

import (
	"fmt"
	"os/exec"
	"strings"
)

// commandOutput is the last word of what a program prints: "Kubernetes v1.37.2".
func commandOutput(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	fields := strings.Fields(string(out))
	if len(fields) == 0 {
		return "", fmt.Errorf("%s %s printed nothing", name, strings.Join(args, " "))
	}
	return fields[len(fields)-1], nil
}

func kubeletVersion() (string, error) {
	return commandOutput("/usr/bin/kubelet", "--version")
}
