package sim

import (
	"fmt"
	"slices"

	"github.com/pinlab/pinlab/scenarios"
)

// setHugePages changes the machine's pool; a running kubelet does not notice.
func (n *Node) setHugePages(e scenarios.SetHugePages) error {
	p, err := n.profile.WithHugePages(e.NUMANode, uint64(e.Size.Value()), e.Count)
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
	}
	for _, of := range n.profile.NUMANodes {
		if size := uint64(e.Size.Value()); of.ID == e.NUMANode {
			n.pagesWere = append(n.pagesWere, hugePages{e.NUMANode, size, int(of.HugePages[size])})
		}
	}
	n.setProfile(p)
	return nil
}

// hugePages are those of a NUMA node; size is in bytes.
type hugePages struct {
	node  int
	size  uint64
	count int
}

// bootHugePages gives the machine the huge pages that it boots with: a pool that
// was changed on a running kernel is not kept.
func (n *Node) bootHugePages() {
	for _, were := range slices.Backward(n.pagesWere) {
		if p, err := n.profile.WithHugePages(were.node, were.size, were.count); err == nil {
			n.setProfile(p) // the node may be gone with its board
		}
	}
	n.pagesWere = nil
}
