package invariant

// The names of the invariants.
const (
	ExclusiveDisjoint    = "exclusive-disjoint"
	ExclusiveIsolated    = "exclusive-isolated"
	PoolAccounted        = "pool-accounted"
	ReservedNotExclusive = "reserved-not-exclusive"
	ExclusiveCount       = "exclusive-count"
	CheckpointInSync     = "checkpoint-in-sync"
	CgroupInSync         = "cgroup-in-sync"
	ThreadsInCgroup      = "threads-in-cgroup"
	NoLeak               = "no-leak"
	Aligned              = "aligned"
	RestartStarts        = "restart-starts"
	RestartKeepsPods     = "restart-keeps-pods"
	MemoryAccounted      = "memory-accounted"
	RoomAdmits           = "room-admits"
	RoomAligns           = "room-aligns"
)

// invariants lists all rules with their documentation.
func invariants() []invariant {
	return []invariant{
		{
			ExclusiveDisjoint,
			"No CPU is held by two containers. A container that pays for CPUs of its own expects that " +
				"nobody else computes on them; this is the whole point of the static CPU manager policy (KEP-3570). " +
				"Within one pod there is one exception: an init container has ended before the next container of the " +
				"pod starts, so the containers after it may be given its CPUs. A sidecar keeps running and shares with " +
				"nobody. Containers of a pod with pod-level resources may share the pod's own pool. Entries of " +
				"containers that are gone count as well.",
			exclusiveDisjoint,
		},
		{
			ExclusiveIsolated,
			"No running container's cgroup lets it run on a CPU that another running container holds. This is what a " +
				"workload feels: the manager's books may be right while a container of the shared pool still runs on " +
				"exclusive CPUs, because the runtime refused the update. The kubelet repairs the shared containers " +
				"in its reconcile loop, so it is checked once a tick has run (KEP-3570). Without a running kubelet " +
				"it is checked as long as nothing has changed since the last tick.",
			exclusiveIsolated,
		},
		{
			PoolAccounted,
			"Shared pool and assignments together are exactly the CPUs that are online, and the shared pool contains no " +
				"assigned CPU. A CPU in nobody's hands is lost until the node is repaired, and one that is offline " +
				"will be handed out and fail the container that gets it. The kubelet compares the two sets once, when " +
				"it starts (KEP-3570); a CPU that goes offline or comes online while it runs stays unnoticed, and is " +
				"reported here. A CPU to which the kernel gives no topology is invisible to the kubelet and not expected.",
			poolAccounted,
		},
		{
			ReservedNotExclusive,
			"No container holds a reserved CPU. Reserved CPUs are for the system and the kubelet itself; a busy " +
				"container on them starves both (KEP-3570). The shared pool contains all reserved CPUs, so that they only keep " +
				"their exclusive use from pods; with the option strict-cpu-reservation it contains none of them " +
				"(KEP-4540).",
			reservedNotExclusive,
		},
		{
			ExclusiveCount,
			"A container with CPUs of its own has exactly as many as it asked for, and a running container that " +
				"was promised CPUs of its own has them (KEP-3570). With fewer it is slower than it pays for; with " +
				"none it runs in the shared pool, which nobody notices but by its latency.",
			exclusiveCount,
		},
		{
			CheckpointInSync,
			"The state file on disk says what the CPU manager says: the same policy, shared pool and assignments. The file is " +
				"all that a kubelet knows of running containers after a restart. Failing writes are only logged, so " +
				"that the two can part without anybody seeing it before the next restart, when containers are moved or " +
				"CPUs given away twice (KEP-3570). A missing or unreadable file breaks the invariant as well.",
			checkpointInSync,
		},
		{
			CgroupInSync,
			"The cgroup of every running container allows exactly the CPUs the manager assigned, once a reconcile tick " +
				"has run. The difference is called drift: a failed update, a cgroup rewritten from outside, or a " +
				"manager that believes it has already written the right value and never looks again (KEP-3570).",
			cgroupInSync,
		},
		{
			ThreadsInCgroup,
			"The kernel does what the cgroups say: a cgroup's effective CPUs are those it was given, offline ones " +
				"aside, and no thread of its processes may run anywhere else; the same for the sandboxes. A parent cgroup " +
				"with fewer CPUs takes them from its children without a word. Only a real node has a kernel to ask.",
			threadsInCgroup,
		},
		{
			NoLeak,
			"Nobody holds CPUs who cannot use them: no entry belongs to a container that is gone or a pod that was rejected, " +
				"once a reconcile tick has run; and what an init container held is used by the containers after it. An init " +
				"container that asked for more CPUs than the containers after it keeps the rest for the life of the " +
				"pod: the node has them, and no one can run on them. As long as no later container runs, the init container " +
				"may have to run again and its CPUs are not counted as lost.",
			noLeak,
		},
		{
			Aligned,
			"Assignments are aligned as far as the configuration guarantees it. The option full-pcpus-only " +
				"(KEP-2625) gives whole cores only, so that no two containers share one; the pods of pod-level resources hold " +
				"whole cores as pods. Topology manager policy single-numa-node (KEP-693) keeps each container, with scope pod " +
				"each pod, on one NUMA node, the memory that the memory manager gave it (KEP-1769) included. Policy restricted uses no more nodes than needed to have that many CPUs " +
				"at all, free or not, reserved or not: this is how the kubelet's hints count. With align-by-socket (KEP-3327) " +
				"restricted counts sockets in place of nodes. Everything else is an attempt, and at most the matter of room-aligns: policies " +
				"best-effort and none, distribute-cpus-across-numa (KEP-2902), distribute-cpus-across-cores " +
				"(KEP-4176), prefer-align-cpus-by-uncorecache (KEP-4800) and prefer-closest-numa-nodes (KEP-3545). A " +
				"kubelet started with a new option keeps older assignments; they are reported, for the option does not " +
				"hold on that node.",
			aligned,
		},
		{
			RestartStarts,
			"A kubelet that ran and is restarted with the same configuration, the same hardware and the files " +
				"it left behind starts again. If it does not, every kubelet upgrade or crash of the node ends with an operator " +
				"who drains it and deletes the state file.",
			restartStarts,
		},
		{
			RestartKeepsPods,
			"A kubelet that ran and is restarted with the same configuration, the same hardware and the files " +
				"it left behind admits again every pod that ran. A running pod that is rejected ends, though nothing was wrong with " +
				"it: a kubelet upgrade takes the workload down.",
			restartKeepsPods,
		},
		{
			MemoryAccounted,
			"On every NUMA node, the memory manager's free and reserved memory add up to the allocatable memory " +
				"(KEP-1769). When they do not, pods are rejected though there is memory, or admitted though there is none.",
			memoryAccounted,
		},
		{
			RoomAdmits,
			"A pod that fits is admitted. A pod that asks for CPUs of its own and for no devices or huge pages " +
				"is not rejected by the managers while that many CPUs are free and not reserved: whole cores " +
				"of them with full-pcpus-only (KEP-2625), and on one NUMA node with single-numa-node and restricted " +
				"(KEP-693). With the memory manager's Static policy (KEP-1769) a NUMA node has the memory free, too, and its memory " +
				"is not handed out together with that of others. Counted is what it needs at a time: its init containers run one after the other, and the " +
				"containers after them may have their CPUs (KEP-753). The scheduler has counted the same CPUs and sent the " +
				"pod there; rejected, it is made anew and sent there again. Where cores differ in size it is not checked with " +
				"full-pcpus-only.",
			roomAdmits,
		},
		{
			RoomAligns,
			"A pod for which there is room in one place is put there. It is looked at when it is admitted, and has one " +
				"container with CPUs of its own and nothing else that lies on NUMA nodes. With a topology manager policy (KEP-693) " +
				"it is on no more NUMA nodes than had to be to have that many CPUs free, and with align-by-socket (KEP-3327) on one socket if " +
				"one had. Without one, distribute-cpus-across-numa (KEP-2902) gives each NUMA node the same number of CPUs, or one core more, " +
				"where each has room for that. Where it is on one NUMA node, it is given whole cores while there are some (an odd number that prefer-align-cpus-by-uncorecache is on for is not looked at), or with " +
				"distribute-cpus-across-cores (KEP-4176) CPUs of as many cores as there are; and prefer-align-cpus-by-uncorecache " +
				"(KEP-4800) keeps it under one L3 cache that had room, whole cores or not. The kubelet promises none of it where there is no room, and nothing for pods that ask for memory " +
				"of their own or devices.",
			roomAligns,
		},
	}
}
