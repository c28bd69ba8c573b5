package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pinlab/pinlab/e2e/agent"
)

// guestFile is a file that the guest has besides its packages.
type guestFile struct {
	path, content string
	mode          os.FileMode
}

const rcScript = `#!/bin/sh
# What a machine of the lab does before pinlab takes over.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs tmp /tmp
case " $(cat /proc/cmdline) " in
*" pinlab.cgroup=v1 "*)
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for c in $(sed '1d;s/\t.*//' /proc/cgroups); do
    mkdir /sys/fs/cgroup/$c && mount -t cgroup -o $c cgroup /sys/fs/cgroup/$c
  done
  mkdir /sys/fs/cgroup/systemd && mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
  ;;
*) mount -t cgroup2 cgroup2 /sys/fs/cgroup ;;
esac
mkdir -p /run/pinlab /var/log /var/lib/kubelet /var/lib/containerd /etc/kubernetes/manifests
hostname lab
ifconfig lo 127.0.0.1 up
# A kubelet wants an address that is not a loopback one, and a default route.
ip addr add 192.0.2.1/32 dev lo
ip route add default dev lo
echo "pinlab: the guest is up"
`

func guestFiles() []guestFile {
	return []guestFile{
		{"etc/inittab", "::sysinit:/etc/rc\n::respawn:/etc/agent\n::ctrlaltdel:/sbin/reboot\n", 0o644},
		{"etc/rc", rcScript, 0o755},
		{"etc/agent", "#!/bin/sh\nGOMAXPROCS=2 GOGC=200 exec /pinlab/pinlab lab agent\n", 0o755},
		{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644},
		{"etc/group", "root:x:0:\n", 0o644},
		{"etc/hosts", "127.0.0.1 localhost lab\n", 0o644},
		{"etc/resolv.conf", "", 0o644},
		{"etc/machine-id", "70696e6c6162000000000000000001ab\n", 0o444},
		{"etc/os-release", "ID=pinlab\nNAME=pinlab\nPRETTY_NAME=\"pinlab lab\"\n", 0o644},
		{strings.TrimPrefix(agent.RuntimeWrapper, "/"), agent.WrapperScript("/usr/bin/runc"), 0o755},
	}
}

// dropModules removes the kernel's modules: those that are needed are in the
// initramfs.
func dropModules(root string) error {
	for _, dir := range []string{"lib/modules", "usr/lib/modules"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	return nil
}

// furnish makes a bootable root file system of unpacked packages.
func furnish(root, release string, files []guestFile) error {
	for _, dir := range []string{"proc", "sys", "dev", "run", "tmp", "root", "pinlab", "sbin", "usr/sbin", "etc", "var/lib", "var/log", "mnt"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	// Documentation and the rest only make the image large.
	for _, dir := range []string{"boot", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/lib/x86_64-linux-gnu/gconv"} {
		if err := os.RemoveAll(filepath.Join(root, dir)); err != nil {
			return err
		}
	}
	out, err := exec.Command(filepath.Join(root, "bin/busybox"), "--list-full").Output()
	if err != nil {
		return err
	}
	for _, applet := range strings.Fields(string(out)) {
		link := filepath.Join(root, applet)
		if _, err := os.Lstat(link); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("/bin/busybox", link); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "lib/modules", release), 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(root, f.path), []byte(f.content), f.mode); err != nil {
			return err
		}
	}
	return nil
}
