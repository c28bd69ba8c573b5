package hwprofiles

// SocketLabel is the kernel's id of the CPU's socket, or lscpu's where there is
// none.
func (c *CPU) SocketLabel() int {
	if c.Socket != None {
		return c.Socket
	}
	return c.Package
}

// NodeSockets tells the socket of every NUMA node with online CPUs; None where
// they are in more than one.
func (p *Profile) NodeSockets() map[int]int {
	sockets := map[int]int{}
	for i := range p.CPUs {
		c := &p.CPUs[i]
		if !c.Online {
			continue
		}
		if known, ok := sockets[c.NUMANode]; ok && known != c.SocketLabel() {
			sockets[c.NUMANode] = None
			continue
		}
		sockets[c.NUMANode] = c.SocketLabel()
	}
	return sockets
}
