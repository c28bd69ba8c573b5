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

// runtimeWrapper is what containerd calls in place of runc; package agent tells
// it what to do.
const runtimeWrapper = `#!/bin/sh
# runc, with an update that can be made to fail.
id= ; log= ; update= ; previous=
for a in "$@"; do
  case $previous in --log) log=$a;; esac
  case $a in update) update=yes;; esac
  previous=$a; id=$a
done
[ -n "$update" ] || exec /usr/bin/runc "$@"
for a in "$@"; do case $a in [0-9a-f][0-9a-f][0-9a-f][0-9a-f]*) [ ${#a} -eq 64 ] && id=$a;; esac; done
held=
if [ -d ` + agent.HoldDir + ` ]; then
  allow=$(cat ` + agent.HoldDir + `/allow 2>/dev/null); used=$(cat ` + agent.HoldDir + `/$id 2>/dev/null)
  if [ "${used:-0}" -lt "${allow:-0}" ]; then echo $((${used:-0}+1)) > ` + agent.HoldDir + `/$id
  else held=yes; fi
fi
if [ -n "$held" ]; then
  [ -n "$log" ] && echo '{"level":"error","msg":"` + agent.HeldText + `","time":"2006-01-02T15:04:05Z"}' >> "$log"
  echo '` + agent.HeldText + `' >&2
  exit 1
fi
if [ -d ` + agent.FaultDir + ` ]; then
  config=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$id/config.json
  label() { sed -n 's/.*"io.kubernetes.cri.'$1'":"\([^"]*\)".*/\1/p' "$config" 2>/dev/null; }
  for fault in ` + agent.FaultDir + `/"$(label sandbox-namespace)_$(label sandbox-name)_$(label container-name)" ` + agent.FaultDir + `/all; do
    [ -f "$fault" ] || continue
    left=$(head -n 1 "$fault"); text=$(tail -n +2 "$fault")
    if [ "$left" = 1 ]; then rm -f "$fault"
    elif [ "$left" -gt 1 ]; then { echo $((left-1)); echo "$text"; } > "$fault.new"; mv "$fault.new" "$fault"; fi
    [ -n "$log" ] && printf '{"level":"error","msg":"%s","time":"2006-01-02T15:04:05Z"}\n' "$(echo "$text" | sed 's/[\\"]/\\&/g')" >> "$log"
    echo "$text" >&2
    exit 1
  done
fi
exec /usr/bin/runc "$@"
`

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
		{strings.TrimPrefix(agent.RuntimeWrapper, "/"), runtimeWrapper, 0o755},
	}
}

// furnish makes a bootable root file system of unpacked packages.
func furnish(root, release string) error {
	for _, dir := range []string{"proc", "sys", "dev", "run", "tmp", "root", "pinlab", "sbin", "usr/sbin", "etc", "var/lib", "var/log", "mnt"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	// The modules that are needed are in the initramfs; documentation and the
	// rest only make the image large.
	for _, dir := range []string{"boot", "lib/modules", "usr/lib/modules", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/lib/x86_64-linux-gnu/gconv"} {
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
	for _, f := range guestFiles() {
		if err := os.WriteFile(filepath.Join(root, f.path), []byte(f.content), f.mode); err != nil {
			return err
		}
	}
	return nil
}
