package observe

// Peak adds up what the containers of a pod ask for, of one resource, to the most that
// they have at a time, as the kubelet does (KEP-753): sidecars run beside every
// container that starts after them, init containers one at a time.
type Peak struct{ sidecars, init, apps int64 }

// Add adds the next container; init containers come before the others, in their order.
func (p *Peak) Add(kind ContainerKind, n int64) {
	switch kind {
	case KindSidecar:
		p.sidecars += n
	case KindInit:
		p.init = max(p.init, p.sidecars+n)
	default:
		p.apps += n
	}
}

// Most is the sum.
func (p *Peak) Most() int64 { return max(p.init, p.sidecars+p.apps) }
