package image

import "context"

// engineScript starts the container engine of a guest that does not run, with
// the disk of that guest, and gives it the node image. It has a network of its
// own, without anything, and its cgroups are this machine's.
const engineScript = `set -e -o pipefail
root=$0; node=$1; ref=$2
mount --bind "$root" "$root" # the engine wants a root directory that is a mount
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs run "$root/run"
mount -t tmpfs tmp "$root/tmp"
mount --bind /dev "$root/dev"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DOCKER_HOST=unix:///run/docker.sock
log="$root/run/dockerd.log"
chroot "$root" dockerd --host "$DOCKER_HOST" --storage-driver overlay2 --bridge none --iptables=false --ip6tables=false --ip-forward=false > "$log" 2>&1 &
n=0
until chroot "$root" docker version >/dev/null 2>&1; do
  n=$((n+1)); [ $n -lt 300 ] && kill -0 %1 2>/dev/null || { grep -v level=info "$log" | tail -n 5 >&2; exit 1; }
  sleep 0.2
done
tar -C "$node" --numeric-owner -cf - . | chroot "$root" docker import \
  --change 'ENV container=docker' --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]' - "$ref"
kill %1; wait %1 || true
`

// importNode gives a guest's container engine the node image.
func importNode(ctx context.Context, guest, node string) error {
	return alone(ctx, engineScript, guest, node, KindNode)
}

// kindRC is what a machine for kind does after what every machine does.
const kindRC = `
mkdir -p /run/lock
echo 1 > /proc/sys/net/ipv4/ip_forward
# The node's entrypoint has rules for iptables, the engine's network is a bridge.
for m in overlay bridge veth br_netfilter nf_tables nft_compat nft_chain_nat ip_tables iptable_nat iptable_filter ip6_tables ip6table_nat \
  nf_conntrack xt_MASQUERADE xt_conntrack xt_addrtype xt_comment xt_tcpudp xt_nat; do
  modprobe $m 2>/dev/null
done
dockerd --storage-driver overlay2 --iptables=false --ip6tables=false --bridge=none > /var/log/dockerd.log 2>&1 &
n=0
until docker version >/dev/null 2>&1; do
  n=$((n+1))
  if [ $n -ge 60 ]; then echo "pinlab: the container engine does not answer"; tail -n 5 /var/log/dockerd.log; break; fi
  echo "pinlab: waiting for the container engine"; sleep 2
done
echo "pinlab: the container engine is up"
`

// kindGuestFiles are the files of a machine for kind.
func kindGuestFiles() []guestFile {
	files := []guestFile{
		{"etc/rc", rcScript + kindRC, 0o755},
		{"etc/agent", "#!/bin/sh\nexport PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root\nGOMAXPROCS=2 GOGC=200 exec /pinlab/pinlab lab agent --kind " + KindNode + "\n", 0o755},
	}
	for _, f := range guestFiles() {
		switch f.path {
		case "etc/inittab", "etc/hosts", "etc/resolv.conf", "etc/machine-id":
			files = append(files, f)
		}
	}
	return files
}
