package machine

import (
	"fmt"
	"strconv"
)

// Args are QEMU's arguments for the machine's CPUs, caches and NUMA nodes.
func (p *Plan) Args() []string {
	model := "Skylake-Server" // the newest model that shows siblings under TCG
	if !p.L3 {
		model += ",l3-cache=off"
	}
	var memory uint64
	args := []string{"-cpu", model, "-smp", fmt.Sprintf("%d,sockets=%d,dies=%d,cores=%d,threads=%d", p.Slots(), p.Sockets, p.Dies, p.Cores, p.Threads)}
	for i, n := range p.Nodes {
		memory += n.MemoryBytes
		node := fmt.Sprintf("node,nodeid=%d", i)
		if n.MemoryBytes > 0 {
			args = append(args, "-object", fmt.Sprintf("memory-backend-ram,reserve=off,id=node%d,size=%d", i, n.MemoryBytes))
			node += fmt.Sprintf(",memdev=node%d", i)
		}
		for _, r := range ranges(n.Slots) {
			node += ",cpus=" + r
		}
		args = append(args, "-numa", node)
	}
	for i, n := range p.Nodes {
		for j, d := range n.Distances {
			args = append(args, "-numa", fmt.Sprintf("dist,src=%d,dst=%d,val=%d", i, j, d))
		}
	}
	return append(args, "-m", fmt.Sprintf("%dM", memory>>20))
}

// ranges writes a sorted list as QEMU reads it: "0-3", "8".
func ranges(list []int) []string {
	var out []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		r := strconv.Itoa(list[i])
		if j > i {
			r += "-" + strconv.Itoa(list[j])
		}
		out = append(out, r)
		i = j + 1
	}
	return out
}
