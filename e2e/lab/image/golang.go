package image

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/mod/modfile"
)

// ContainerdVersion is the containerd of the lab's machines. It is built with
// its own go.mod, so that it is the containerd that others run.
const ContainerdVersion = "v2.3.7"

// containerdTags leave out what a machine of the lab has no use for; some of it
// would need kernel headers to build.
const containerdTags = "no_btrfs no_zfs no_devmapper no_aufs no_tracing"

// buildContainerd builds containerd with its shim, and more of its programs.
func buildContainerd(ctx context.Context, o Options, bin string, more ...string) error {
	for _, name := range append([]string{"containerd", "containerd-shim-runc-v2"}, more...) {
		err := run(ctx, "", o.goEnv("GOBIN="+bin), tool("go"), "install", "-ldflags", "-s -w", "-tags", containerdTags,
			"github.com/containerd/containerd/v2/cmd/"+name+"@"+ContainerdVersion)
		if err != nil {
			return err
		}
	}
	return nil
}

// buildKubelet builds the kubelet that go.mod names.
func buildKubelet(ctx context.Context, o Options, dir, bin string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, data := range map[string][]byte{"go.mod": o.GoMod, "go.sum": o.GoSum} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	// The version is what a release build puts in; the API server of the lab
	// and reports show it.
	ldflags := "-s -w -X k8s.io/component-base/version.gitVersion=" + KubeletVersion(o.GoMod)
	return run(ctx, dir, o.goEnv("GOWORK=off"), tool("go"), "build", "-ldflags", ldflags,
		"-o", filepath.Join(bin, "kubelet"), "k8s.io/kubernetes/cmd/kubelet")
}

// KubeletVersion is the version of k8s.io/kubernetes that a go.mod requires,
// empty when it requires none.
func KubeletVersion(gomod []byte) string {
	f, err := modfile.ParseLax("go.mod", gomod, nil)
	if err != nil {
		return ""
	}
	for _, r := range f.Require {
		if r.Mod.Path == "k8s.io/kubernetes" {
			return r.Mod.Version
		}
	}
	return ""
}

// sources says what an image is made of.
func sources(packages []debPackage) []string {
	var out []string
	for _, p := range packages {
		out = append(out, p.name+" "+p.version)
	}
	return append(out, "containerd "+ContainerdVersion)
}
