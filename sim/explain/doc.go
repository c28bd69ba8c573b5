// Package explain says what a kubelet would do with a pod before anything is
// deployed: its QoS class and which field decides it, which containers get
// CPUs of their own and which ones, what topology admission answers and why,
// and the smallest change that would get a pod pinned.
//
// Nothing here re-implements a manager. Every answer, that of a suggested
// change included, comes from a kubelet lifetime that was asked; only the
// words around it are made here.
package explain
