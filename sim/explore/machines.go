package explore

// machines are those of the random search: small, so that they fill up, and odd in
// all the ways that machines are known to be.
func machines() []string {
	return []string{
		"cores=4 threads=2", "sockets=2 cores=4 threads=2", "sockets=2 cores=4", "cores=4 threads=2",
		"sockets=2 nodes=4 cores=4 threads=2", "nodes=2 cores=4 threads=2", "sockets=2 nodes=1 cores=4 threads=2",
		"cores=2", "cores=8 threads=2 l3=2", "sockets=2 cores=8 l3=4", "sockets=2 cores=6 l3=3 nodes=4",
		"cores=3 threads=4", "cores=4 nodes=0",
		"sockets=2 cores=4,2 threads=2", "cores=5 nodes=2 node-cores=3,2 threads=2", "cores=9 nodes=3 node-cores=5,3,1",
		"sockets=2 cores=4 threads=2 node-ids=0,8", "sockets=2 cores=4 threads=2 socket-ids=0,36 core-ids=0,2,5,9",
		"sockets=2 cores=4 threads=2 numbering=adjacent", "sockets=2 cores=4 threads=2 numbering=round-robin",
		"core-i7-1370p", "core-ultra-225u", "kvm-2s2c-smt2-1node", "gpu-vm-8c-coreids", "vmware-2s8c-4n",
		"kvm-1s8c-threads2", "raspberry-pi-4", "xeon-l5640-2s", manyNodes,
	}
}

// manyNodes has as many NUMA nodes as the topology manager allows by default. Its hints
// are sets of nodes, 255 of them, and it tries all combinations of those of all
// resources: a pod that asks for several is what that shows on.
const manyNodes = "sockets=2 nodes=8 cores=8 threads=2"

// SimpleMachines are what shrinking tries in place of a scenario's machine, the
// simplest first.
func SimpleMachines() []string {
	return []string{
		"cores=2", "cores=4", "cores=4 threads=2", "sockets=2 cores=4", "sockets=2 cores=4 threads=2",
		"nodes=2 cores=4 threads=2", "sockets=2 nodes=4 cores=4 threads=2",
	}
}
