package agent

// What the agent and the wrapper around runc on the node agree on. The wrapper's
// update fails for containers that a fault was made for: a file
// FaultDir/NAMESPACE_POD_CONTAINER (or FaultDir/all) whose first line counts the
// failures still to come, 0 for no end, and whose other lines are the error.
const (
	RuntimeWrapper = "/usr/bin/pinlab-runc"
	FaultDir       = "/run/pinlab/fail-update"
	// HoldFile, while it is there, makes every update fail with HeldText. (An
	// update that waits would keep the runtime from answering what the kubelet
	// asks about the container meanwhile.)
	HoldFile = "/run/pinlab/hold-updates"
	HeldText = "pinlab holds updates until the next reconcile step"
)
