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
