package agent

// What the agent and the wrapper around runc on the node agree on. The wrapper's
// update fails for containers that a fault was made for: a file
// FaultDir/NAMESPACE_POD_CONTAINER (or FaultDir/all) whose first line counts the
// failures still to come, 0 for no end, and whose other lines are the error.
const (
	RuntimeWrapper = "/usr/bin/pinlab-runc"
	FaultDir       = "/run/pinlab/fail-update"
	// HoldDir, while it is there, makes updates fail with HeldText. Its file
	// allow counts the updates of each container that are let through; a file
	// for each container, those that were. (An update that waits would keep the
	// runtime from answering what the kubelet asks about the container
	// meanwhile.)
	HoldDir  = "/run/pinlab/hold-updates"
	HeldText = "pinlab holds updates until the next reconcile step"
)

// WrapperScript is what the container runtime calls in place of the runc at
// this path: runc, with an update that can be made to fail. Those of a control plane's
// containers are never: the kubelet would try them again in every tick, one after the
// other, before it comes to the scenario's.
func WrapperScript(runc string) string {
	return `#!/bin/sh
# runc, with an update that can be made to fail.
id= ; log= ; update= ; previous=
for a in "$@"; do
  case $previous in --log) log=$a;; esac
  case $a in update) update=yes;; esac
  previous=$a; id=$a
done
[ -n "$update" ] || exec ` + runc + ` "$@"
for a in "$@"; do case $a in [0-9a-f][0-9a-f][0-9a-f][0-9a-f]*) [ ${#a} -eq 64 ] && id=$a;; esac; done
config=/run/containerd/io.containerd.runtime.v2.task/k8s.io/$id/config.json
label() { sed -n 's/.*"io.kubernetes.cri.'$1'":"\([^"]*\)".*/\1/p' "$config" 2>/dev/null; }
if [ -d ` + HoldDir + ` ] || [ -d ` + FaultDir + ` ]; then
  case $(label sandbox-namespace)/$(label sandbox-name) in
  kube-system/etcd-*|kube-system/kube-apiserver-*|kube-system/kube-controller-manager-*|kube-system/kube-scheduler-*) exec ` + runc + ` "$@";;
  esac
fi
held=
if [ -d ` + HoldDir + ` ]; then
  allow=$(cat ` + HoldDir + `/allow 2>/dev/null); used=$(cat ` + HoldDir + `/$id 2>/dev/null)
  if [ "${used:-0}" -lt "${allow:-0}" ]; then echo $((${used:-0}+1)) > ` + HoldDir + `/$id
  else held=yes; fi
fi
if [ -n "$held" ]; then
  [ -n "$log" ] && echo '{"level":"error","msg":"` + HeldText + `","time":"2006-01-02T15:04:05Z"}' >> "$log"
  echo '` + HeldText + `' >&2
  exit 1
fi
if [ -d ` + FaultDir + ` ]; then
  for fault in ` + FaultDir + `/"$(label sandbox-namespace)_$(label sandbox-name)_$(label container-name)" ` + FaultDir + `/all; do
    [ -f "$fault" ] || continue
    left=$(head -n 1 "$fault"); text=$(tail -n +2 "$fault")
    if [ "$left" = 1 ]; then rm -f "$fault"
    elif [ "$left" -gt 1 ]; then { echo $((left-1)); echo "$text"; } > "$fault.new"; mv "$fault.new" "$fault"; fi
    [ -n "$log" ] && printf '{"level":"error","msg":"%s","time":"2006-01-02T15:04:05Z"}\n' "$(echo "$text" | sed 's/[\\"]/\\&/g')" >> "$log"
    echo "$text" >&2
    exit 1
  done
fi
exec ` + runc + ` "$@"
`
}
