package observe

// Told is what a kubelet tells others: its metrics, and its podresources API.
type Told struct {
	// ExclusiveCPUs and SharedPoolMilliCPUs are the gauges
	// kubelet_cpu_manager_exclusive_cpu_allocation_count and
	// kubelet_cpu_manager_shared_pool_size_millicores.
	ExclusiveCPUs, SharedPoolMilliCPUs int
	// PodResources is the answer to List, in its order.
	PodResources []ListedContainer
}

// ListedContainer is one container of the podresources API.
type ListedContainer struct {
	Pod, Container string
	CPUs           CPUs
	// MemoryBytes is what the memory manager reserved.
	MemoryBytes uint64
}
