package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/pinlab/pinlab/e2e/agent"
)

// kindNodeScript does to a Debian what the Dockerfile of kind's base image does,
// and masks what only costs time on an emulated machine.
const kindNodeScript = `set -e
files=$0; root=$1
cp -r --no-preserve=mode,ownership "$files/usr" "$files/kind" "$files/etc" "$root/"
chmod 755 "$root"/usr/local/bin/* "$root"/kind "$root"/kind/bin "$root"/kind/bin/*
cd "$root"
rm -f usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
rm -f usr/lib/systemd/system/multi-user.target.wants/* etc/systemd/system/*.wants/*
rm -f usr/lib/systemd/system/local-fs.target.wants/* usr/lib/systemd/system/basic.target.wants/*
rm -f usr/lib/systemd/system/sockets.target.wants/*udev* usr/lib/systemd/system/sockets.target.wants/*initctl*
echo ReadKMsg=no >> etc/systemd/journald.conf
ln -sf /usr/lib/systemd/systemd usr/sbin/init
wants=etc/systemd/system/multi-user.target.wants
mkdir -p "$wants" etc/kubernetes/manifests kind/manifests
for s in kubelet containerd undo-mount-hacks; do ln -sf /etc/systemd/system/$s.service "$wants/$s.service"; done
for u in systemd-binfmt systemd-udevd systemd-udev-trigger systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-logind \
  systemd-networkd systemd-resolved systemd-timesyncd systemd-hwdb-update systemd-journal-catalog-update systemd-update-done \
  systemd-update-utmp systemd-update-utmp-runlevel systemd-random-seed systemd-firstboot systemd-sysusers systemd-pcrphase systemd-pstore \
  getty.target e2scrub_reap dpkg-db-backup.timer apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer; do
  case $u in *.*) ;; *) u=$u.service;; esac
  ln -sf /dev/null "etc/systemd/system/$u"
done
`

// furnishNode makes a kind node of a Debian.
func furnishNode(ctx context.Context, o Options, root, bin string) error {
	files, err := kindFiles(ctx)
	if err != nil {
		return err
	}
	if err := run(ctx, "", nil, "/bin/sh", "-c", kindNodeScript, files, root); err != nil {
		return err
	}
	for program, to := range map[string]string{
		"kubelet": "usr/bin", "kubeadm": "usr/bin", "kubectl": "usr/bin",
		"containerd": "usr/local/bin", "containerd-shim-runc-v2": "usr/local/bin", "ctr": "usr/local/bin",
	} {
		if err := copyProgram(filepath.Join(bin, program), filepath.Join(root, to, program)); err != nil {
			return err
		}
	}
	// Where kind has its runc; Debian's is somewhere else.
	if err := copyProgram(filepath.Join(root, "usr/sbin/runc"), filepath.Join(root, "usr/local/sbin/runc")); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, "kind/version"), []byte(KubeletVersion(o.GoMod)), 0o644); err != nil {
		return err
	}
	// The runtime's usual container, with kind's hook and without limits.
	const base = `ctr oci spec | jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"} | del(.process.rlimits)' > /etc/containerd/cri-base.json`
	return run(ctx, "", []string{"PATH=/usr/local/bin:/usr/sbin:/usr/bin"}, tool("chroot"), root, "/bin/bash", "-o", "pipefail", "-c", base)
}

func copyProgram(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// importScript puts images into the store of a node's container runtime, which
// runs for that alone. They are pinned: nothing could bring them back.
const importScript = `set -e
root=$0; images=$1
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mount --bind /dev "$root/dev"
mkdir "$root/run/images"; mount --bind "$images" "$root/run/images"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
chroot "$root" containerd > "$images/containerd.log" 2>&1 &
n=0
until chroot "$root" ctr version >/dev/null 2>&1; do
  n=$((n+1)); [ $n -lt 300 ] || { tail -n 5 "$images/containerd.log" >&2; exit 1; }
  sleep 0.2
done
for f in "$images"/*.tar; do
  chroot "$root" ctr --namespace=k8s.io images import --local --discard-unpacked-layers "/run/images/${f##*/}"
done
for ref in $(chroot "$root" ctr --namespace=k8s.io images ls -q); do
  chroot "$root" ctr --namespace=k8s.io images label "$ref" io.cri-containerd.pinned=pinned >/dev/null
done
kill %1; wait %1 || true
`

// controlPlaneImages are the images that kubeadm asks for, and the programs in
// them.
func controlPlaneImages(ctx context.Context, version, bin string) (map[string]string, error) {
	out, err := output(ctx, "", nil, filepath.Join(bin, "kubeadm"), "config", "images", "list", "--kubernetes-version", version)
	if err != nil {
		return nil, err
	}
	images := map[string]string{"registry.k8s.io/pause:3.10": "pause"} // kind's own sandbox image
	for _, ref := range strings.Fields(out) {
		base, _, _ := strings.Cut(ref[strings.LastIndex(ref, "/")+1:], ":")
		if _, err := os.Stat(filepath.Join(bin, base)); err == nil {
			images[ref] = base
		}
	}
	if len(images) < 6 {
		return nil, fmt.Errorf("kubeadm wants the images %q, of which too few are built here", strings.Fields(out))
	}
	return images, nil
}

// importImages makes the images and puts them into the node.
func importImages(ctx context.Context, o Options, work, node, bin string) error {
	images, err := controlPlaneImages(ctx, KubeletVersion(o.GoMod), bin)
	if err != nil {
		return err
	}
	dir := filepath.Join(work, "images")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for ref, program := range images {
		files := []agent.LayerFile{{Name: "bin/" + program, Source: filepath.Join(bin, program)}}
		if program == "pause" {
			files = append(files, agent.LayerFile{Name: "bin/sleep", Link: "pause"}) // what the image's command is
		}
		img, err := agent.ImageOf(files)
		if err != nil {
			return err
		}
		tag, err := name.NewTag(ref)
		if err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(dir, strings.NewReplacer("/", "_", ":", "_").Replace(ref)+".tar"))
		if err != nil {
			return err
		}
		if err := errors.Join(tarball.Write(tag, img, f), f.Close()); err != nil {
			return err
		}
	}
	return alone(ctx, importScript, node, dir)
}

// alone runs a script in mount and PID namespaces of its own: its mounts and its
// processes end with it.
func alone(ctx context.Context, script string, args ...string) error {
	return run(ctx, "", nil, tool("unshare"), append([]string{"--mount", "--pid", "--fork", "--kill-child", "/bin/bash", "-c", script}, args...)...)
}
