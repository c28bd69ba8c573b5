package kind

import (
	"errors"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	kinderrors "sigs.k8s.io/kind/pkg/errors"
	"sigs.k8s.io/kind/pkg/exec"
)

// What engines and kubeadm say when something is wrong, and what people are told.
func TestExplain(t *testing.T) {
	docker := func(output string) error {
		return kinderrors.WithStack(&exec.RunError{
			Command: []string{"docker", "run", "--privileged", "--name", "a"}, Output: []byte(output), Inner: errors.New("exit status 125"),
		})
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"no daemon":    {kinderrors.Wrap(docker("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n"), "failed to list clusters"), "no engine answers"},
		"not allowed":  {docker("permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"), "this user may not talk"},
		"no registry":  {kinderrors.Wrap(docker("Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host"), `failed to pull image "kindest/node:v1.37.0"`), "could not be pulled"},
		"unprivileged": {docker("docker: Error response from daemon: Privileged mode is incompatible with user namespaces.\n"), "does not run privileged containers"},
		"no mounts":    {docker("OCI runtime create failed: mount proc: operation not permitted"), "does not run privileged containers"},
		"disk full":    {docker("write /var/lib/docker/tmp/x: no space left on device"), "disk of the container engine is full"},
		"name taken":   {kinderrors.Errorf("node(s) already exist for a cluster with the name %q", "a"), "the name is taken"},
		"kubeadm":      {kinderrors.Wrap(docker("error: wait-control-plane: context deadline exceeded"), "failed to init node with kubeadm"), "has not come up in time"},
		"systemd":      {kinderrors.Errorf("could not find a log line that matches %q", "x"), "kind's 30 s"},
		"libc":         {docker("pinlab: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.42' not found (required by pinlab)"), "build it with CGO_ENABLED=0"},
		"processor":    {docker("exec /usr/local/bin/pinlab: exec format error"), "built for another kind of machine"},
		"hidden":       {docker("Error response from daemon: error while creating mount source path '/home/u/.cache/pinlab/kind/a.patches': mkdir /home/u/.cache: permission denied"), "set XDG_CACHE_HOME"},
		"several":      {kinderrors.NewAggregate([]error{docker("no space left on device"), docker("no space left on device")}), "disk of the container engine is full"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := explain(c.err)
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
			g.Expect(errors.Is(err, c.err)).To(BeTrue(), "what kind said is kept")
		})
	}
	g := NewWithT(t)
	// Every node is asked for with --privileged: that alone says nothing.
	g.Expect(explain(docker("port is already allocated"))).To(MatchError(HavePrefix("command")))
	g.Expect(explain(docker("port is already allocated"))).To(MatchError(HaveSuffix(": port is already allocated")))
	g.Expect(explain(nil)).To(Succeed())
	g.Expect(explain(fmt.Errorf("anything"))).To(MatchError("anything"))
}
