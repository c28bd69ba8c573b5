// Package kubelet runs one kubelet lifetime: the upstream CPU, topology and
// memory managers, wired as k8s.io/kubernetes/pkg/kubelet/cm wires them, around
// a node that the caller plays. It is the only package of pinlab that imports
// k8s.io/kubernetes.
//
// Upstream keeps feature gates and the klog logger in process-wide variables,
// so a process runs one lifetime at a time.
package kubelet

// Version is the kubelet version whose code is linked in; a test compares it
// with go.mod.
const Version = "v1.37.2"
