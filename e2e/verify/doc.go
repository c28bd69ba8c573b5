// Package verify audits the CPU pinning of a node that works: it reads what the
// kubelet promised (its configuration and state files), what the kernel enforces
// (cgroups, threads, memory, interrupts) and says where the two differ or where
// the promise is not worth what it costs.
//
// It reads below a root directory and writes nothing. What it cannot read is
// told as unread, and nothing is concluded from it. The rules that a simulated
// node is judged by (package invariant) are applied to what was read; beside
// them stand checks of what only a real machine has.
package verify
