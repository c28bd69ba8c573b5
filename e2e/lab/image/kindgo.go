package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// etcdMain and pauseMain are the programs that no module has a main package for
// that could be built from outside.
const etcdMain = `package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
`

const pauseMain = `// Command pause holds a pod's namespaces until it is told to end.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGINT, syscall.SIGTERM)
	<-ended
}
`

// kubernetesPrograms are built from the module k8s.io/kubernetes.
func kubernetesPrograms() []string {
	return []string{"kubelet", "kubeadm", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
}

// buildControlPlane builds Kubernetes and etcd by the go.mod that pinlab is built
// with; modules that only they need are added to it.
func buildControlPlane(ctx context.Context, o Options, dir, bin string) error {
	files := map[string]string{"go.mod": string(o.GoMod), "go.sum": string(o.GoSum), "etcd/main.go": etcdMain, "pause/main.go": pauseMain}
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	env := o.goEnv("GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
	args := []string{"build", "-ldflags", versionFlags(KubeletVersion(o.GoMod)), "-o", bin + "/", "./etcd", "./pause"}
	for _, p := range kubernetesPrograms() {
		args = append(args, "k8s.io/kubernetes/cmd/"+p)
	}
	return run(ctx, dir, env, tool("go"), args...)
}

// versionFlags tell programs of Kubernetes their version, as a release does.
func versionFlags(version string) string {
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(numbers) < 2 {
		numbers = []string{"", ""}
	}
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for key, value := range map[string]string{"gitVersion": version, "gitMajor": numbers[0], "gitMinor": numbers[1], "gitTreeState": "clean"} {
			flags = append(flags, fmt.Sprintf("-X %s.%s=%s", pkg, key, value))
		}
	}
	return strings.Join(flags, " ")
}

// kindFiles is the directory of the files that kind's base image has, in kind's
// module.
func kindFiles(ctx context.Context) (string, error) {
	out, err := output(ctx, "", []string{"GOFLAGS=", "GOWORK=off"}, tool("go"), "mod", "download", "-json", "sigs.k8s.io/kind@"+KindVersion)
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &module); err != nil {
		return "", fmt.Errorf("go mod download: %w", err)
	}
	return filepath.Join(module.Dir, "images", "base", "files"), nil
}
