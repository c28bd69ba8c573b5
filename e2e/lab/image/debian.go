package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// debPackage is one Debian package in the version that apt would install.
type debPackage struct{ name, version string }

// wanted are the packages of the guest. runc is linked with libc and
// libseccomp; the kubelet and pinlab with libc.
func wanted() []string { return []string{"busybox-static", "runc", "libc6", "libseccomp2"} }

// kernelPackage is a kernel for virtual machines without drivers for hardware.
const kernelPackage = "linux-image-cloud-amd64"

// resolve asks apt for the versions it would install.
func resolve(ctx context.Context) ([]debPackage, error) {
	out, err := output(ctx, "", nil, "apt-cache", "depends", "--no-recommends", "--no-suggests", kernelPackage)
	if err != nil {
		return nil, fmt.Errorf("which Debian kernel there is: %w\n%s", err, needsDebian(systemName()))
	}
	kernel := ""
	for _, line := range strings.Split(out, "\n") {
		if _, name, ok := strings.Cut(line, "Depends: "); ok && strings.HasPrefix(name, "linux-image-") {
			kernel = strings.TrimSpace(name)
		}
	}
	if kernel == "" {
		return nil, fmt.Errorf("apt knows no package behind %s\n%s", kernelPackage, needsDebian(systemName()))
	}
	args := append([]string{"show", "--no-all-versions", kernel}, wanted()...)
	out, err = output(ctx, "", nil, "apt-cache", args...)
	if err != nil {
		return nil, err
	}
	versions := map[string]string{}
	name := ""
	for _, line := range strings.Split(out, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "Package":
			name = value
		case "Version":
			versions[name] = value
		}
	}
	var packages []debPackage
	for _, name := range append([]string{kernel}, wanted()...) {
		if versions[name] == "" {
			return nil, fmt.Errorf("apt knows no package %s; run 'apt-get update' first", name)
		}
		packages = append(packages, debPackage{name, versions[name]})
	}
	return packages, nil
}

// needsDebian says what is missing where apt does not know the kernel.
func needsDebian(system string) string {
	if strings.HasPrefix(system, "Debian") {
		return "an 'apt-get update' may be missing"
	}
	return fmt.Sprintf("the lab's machines are made of Debian's packages, and apt here is that of %s: run pinlab in a container of Debian 13 (debian:trixie), with --device /dev/kvm if there is one", system)
}

// systemName is what this system calls itself.
func systemName() string {
	data, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return "another system"
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return "another system"
}

// fetch downloads packages and unpacks them below root. Nothing is installed on
// this machine.
func fetch(ctx context.Context, packages []debPackage, dir, root string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := []string{"-q", "-o", "APT::Sandbox::User=", "download"}
	for _, p := range packages {
		args = append(args, p.name+"="+p.version)
	}
	if err := run(ctx, dir, nil, "apt-get", args...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range debs {
		if err := unpackDeb(ctx, deb, root); err != nil {
			return err
		}
	}
	return nil
}

// unpackDeb unpacks a package. Directories that are links in root stay links, as
// /lib is where all of Debian is below /usr.
func unpackDeb(ctx context.Context, deb, root string) error {
	return run(ctx, "", nil, "/bin/sh", "-c", `dpkg-deb --fsys-tarfile "$0" | tar -C "$1" --keep-directory-symlink -xpf -`, deb, root)
}
