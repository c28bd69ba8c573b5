package sim

import (
	"fmt"

	"github.com/pinlab/pinlab/scenarios"
)

// setHugePages changes the machine's pool; a running kubelet does not notice.
func (n *Node) setHugePages(e scenarios.SetHugePages) error {
	p, err := n.bootPages.Change(n.profile, e.NUMANode, uint64(e.Size.Value()), e.Count)
	if err != nil {
		return fmt.Errorf("%w: %w", scenarios.ErrMisuse, err)
	}
	n.setProfile(p)
	return nil
}

// bootHugePages gives the machine the huge pages that it boots with: a pool that
// was changed on a running kernel is not kept.
func (n *Node) bootHugePages() {
	if p := n.bootPages.Boot(n.profile); p != n.profile {
		n.setProfile(p)
	}
}
