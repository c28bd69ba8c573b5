package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// KindVersion is the kind whose node image is built: that of go.mod's library.
const KindVersion = "v0.33.0"

// KindNode is the node image that a machine for kind has.
const KindNode = "pinlab/kind-node:offline"

// kindRootSize is the size of the root file system of a machine for kind, in
// bytes. The file is sparse.
const kindRootSize = 8 << 30

// kindInputs are what goes into a machine for kind beside packages and modules.
func kindInputs() [][]byte {
	out := [][]byte{[]byte(etcdMain + pauseMain + importScript + engineScript + kindNodeScript)}
	for _, f := range kindGuestFiles() {
		out = append(out, []byte(f.path+f.content))
	}
	return out
}

// kindRoom is the disk space that the building takes, in bytes.
const kindRoom = 12 << 30

// roomForKind says that a disk is too full, before half an hour has been spent.
func roomForKind(dir string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < kindRoom {
		return fmt.Errorf("to build a machine for kind takes %d GiB of disk, and %s has %.1f GiB free", kindRoom>>30, dir, float64(free)/(1<<30))
	}
	return nil
}

// buildKind makes a machine's files for kind in work/out: a guest with a
// container engine, whose disk has the image of a kind node, in which the
// images of the control plane are. All of it is built of Go modules and Debian
// packages, and nothing of it is loaded while a machine runs.
func buildKind(ctx context.Context, o Options, packages []debPackage, work string) error {
	if os.Geteuid() != 0 {
		return errors.New("a machine for kind is built with chroot and mounts, which takes root")
	}
	if err := missingForKind(); err != nil {
		return err
	}
	if err := roomForKind(o.Cache); err != nil {
		return err
	}
	out, bin := filepath.Join(work, "out"), filepath.Join(work, "bin")
	for _, dir := range []string{out, bin} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	o.say("building Kubernetes' and etcd's programs (8 minutes the first time, with two cores to themselves)")
	if err := buildControlPlane(ctx, o, filepath.Join(work, "mod"), bin); err != nil {
		return err
	}
	o.say("building containerd %s", ContainerdVersion)
	if err := buildContainerd(ctx, o, bin, "ctr"); err != nil {
		return err
	}
	o.say("making a Debian for the node (a minute or two)")
	node := filepath.Join(work, "node")
	if err := debianRoot(ctx, filepath.Join(work, "node-debs"), node, nodePackages()); err != nil {
		return err
	}
	if err := furnishNode(ctx, o, node, bin); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	o.say("putting the control plane's images into the node")
	if err := importImages(ctx, o, work, node, bin); err != nil {
		return err
	}
	o.say("making a Debian for the machine")
	guest := filepath.Join(work, "guest")
	if err := debianRoot(ctx, filepath.Join(work, "guest-debs"), guest, guestPackages()); err != nil {
		return err
	}
	if err := fetch(ctx, packages[:1], filepath.Join(work, "kernel"), guest); err != nil {
		return err
	}
	kernel, release, err := takeKernel(guest)
	if err != nil {
		return err
	}
	if err := os.Rename(kernel, filepath.Join(out, "vmlinuz")); err != nil {
		return err
	}
	if err := writeInitrd(guest, release, filepath.Join(out, "initrd")); err != nil {
		return err
	}
	if err := run(ctx, "", nil, tool("chroot"), guest, "depmod", release); err != nil {
		return err
	}
	if err := furnish(guest, release, kindGuestFiles()); err != nil {
		return err
	}
	o.say("putting the node image into the machine's container engine")
	if err := importNode(ctx, guest, node); err != nil {
		return err
	}
	o.say("making the root file system")
	return MakeFileSystem(ctx, guest, filepath.Join(out, "root.ext4"), kindRootSize)
}
