// Package lab makes real nodes without the hardware: virtual machines with the
// CPUs, caches and NUMA nodes of a profile, a Linux kernel, a real kubelet,
// containerd, runc and real cgroups. It implements the target "lab".
package lab
