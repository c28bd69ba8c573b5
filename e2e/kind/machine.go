package kind

import (
	"context"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/e2e/node"
	"github.com/pinlab/pinlab/hwprofiles"
)

// machine is the cluster's node as a node's target sees it.
type machine struct{ kind *Kind }

var _ node.Machine = &machine{}

// Agent implements node.Machine.
func (m *machine) Agent() node.Caller { return &caller{m.kind.link, m.kind.pods} }

// Hello implements node.Machine.
func (m *machine) Hello() agent.Hello { return m.kind.link.hello }

// Reboot implements node.Machine.
func (m *machine) Reboot(context.Context, []int) error { return errReboot() }

// Swap implements node.Machine.
func (m *machine) Swap(context.Context, *hwprofiles.Profile) error { return errSwap() }

// Close leaves the node for the next scenario, which has an agent of its own.
func (m *machine) Close() error {
	m.kind.closeLink()
	return nil
}
