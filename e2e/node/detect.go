package node

import (
	"fmt"
	"strings"
	"testing/fstest"

	"github.com/pinlab/pinlab/e2e/agent"
	"github.com/pinlab/pinlab/hwprofiles"
)

// Detect reads a machine from the sysfs that its agent sent.
func Detect(h agent.Hello) (*hwprofiles.Profile, error) {
	tree := fstest.MapFS{}
	for name, data := range h.Sys {
		if dir, ok := strings.CutSuffix(name, "/"); ok {
			tree[dir+"/.link"] = &fstest.MapFile{}
			continue
		}
		tree[name] = &fstest.MapFile{Data: data}
	}
	p, err := hwprofiles.Detect(tree)
	if err != nil {
		return nil, fmt.Errorf("what machine the node is: %w", err)
	}
	return p, nil
}
