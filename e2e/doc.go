// Package e2e holds the targets with a real kubelet: a QEMU lab, kind, and this host. They are not written yet; the simulator is the only target so far.
package e2e
