package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// nodePackages are what kind's base image installs, as far as a node without a
// network of pods needs it.
func nodePackages() []string {
	return []string{
		"systemd", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount", "kmod",
		"libseccomp2", "jq", "procps", "bash", "runc",
	}
}

// guestPackages are what a machine for kind runs: a container engine.
func guestPackages() []string {
	return []string{"busybox-static", "docker.io", "iptables", "kmod", "iproute2"}
}

// missingForKind says what programs are missing to build a machine for kind.
func missingForKind() error {
	var missing []string
	for _, program := range []string{"chroot", "unshare", "tar", "bash", "mount"} {
		if _, err := exec.LookPath(tool(program)); err != nil {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("missing to build a machine for kind: %s", strings.Join(missing, ", "))
	}
	return nil
}

// debianRoot makes a Debian with these packages and all that they need, in a
// directory: apt, which is told that nothing is installed, downloads them, and
// they are installed in a chroot.
func debianRoot(ctx context.Context, debs, root string, packages []string) error {
	if err := errors.Join(os.MkdirAll(filepath.Join(debs, "partial"), 0o755), os.MkdirAll(root, 0o755)); err != nil {
		return err
	}
	status := filepath.Join(debs, "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return err
	}
	args := []string{
		"-q", "-y", "-o", "Dir::State::status=" + status, "-o", "Dir::Cache::archives=" + debs, "-o", "Debug::NoLocking=1",
		"-o", "APT::Sandbox::User=", "--no-install-recommends", "--download-only", "install", "?essential",
	}
	if err := run(ctx, "", nil, "apt-get", append(args, packages...)...); err != nil {
		return err
	}
	// Debian's directories as they are since everything is below /usr.
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.MkdirAll(filepath.Join(root, "usr", dir), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+dir, filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, deb := range files {
		if err := unpackDeb(ctx, deb, root); err != nil {
			return err
		}
	}
	return configure(ctx, debs, root)
}

// configureScript installs, in a mount namespace of its own, the packages whose
// files are there already: their scripts make users, alternatives and the like.
// No service is started.
const configureScript = `set -e
root=$0; debs=$1
mount -t proc proc "$root/proc"
mount -t tmpfs dev "$root/dev"
for d in null zero random urandom; do : > "$root/dev/$d"; mount --bind "/dev/$d" "$root/dev/$d"; done
mkdir -p "$root/debs"; mount --bind "$debs" "$root/debs"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/var/lib/dpkg"; touch "$root/var/lib/dpkg/status" "$root/var/lib/dpkg/available"
[ -e "$root/etc/passwd" ] || { cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"; cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"; }
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
chroot "$root" sh -c 'dpkg --force-depends --force-unsafe-io --force-confnew --install /debs/*.deb' </dev/null
rm "$root/usr/sbin/policy-rc.d"
umount "$root/debs"; rmdir "$root/debs"
`

func configure(ctx context.Context, debs, root string) error {
	return alone(ctx, configureScript, root, debs)
}
