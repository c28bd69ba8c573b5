package observe

// Told is what a kubelet tells others: its metrics, its podresources API, and the
// quotas that it writes into cgroups.
type Told struct {
	// ExclusiveCPUs and SharedPoolMilliCPUs are the gauges
	// kubelet_cpu_manager_exclusive_cpu_allocation_count and
	// kubelet_cpu_manager_shared_pool_size_millicores.
	ExclusiveCPUs, SharedPoolMilliCPUs int
	// PodResources is the answer to List, in its order.
	PodResources []ListedContainer
	// CPUMax is the cpu.max of cgroups as the kernel has it, "max 100000" or
	// "50000 100000", keyed pod and pod/container.
	CPUMax map[string]string
}

// ListedContainer is one container of the podresources API.
type ListedContainer struct {
	Pod, Container string
	CPUs           CPUs
	// MemoryBytes is what the memory manager reserved.
	MemoryBytes uint64
}
