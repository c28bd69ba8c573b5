// Command bare links what pinlab links and exits: what any program with the
// kubelet's code in it takes to start.
package main

import (
	_ "github.com/spf13/cobra"

	_ "github.com/pinlab/pinlab/hwprofiles"
	_ "github.com/pinlab/pinlab/scenarios/report"
	_ "github.com/pinlab/pinlab/sim/explain"
	_ "github.com/pinlab/pinlab/sim/worker"
)

func main() {}
