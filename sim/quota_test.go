package sim_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/scenarios"
)

// TestCPUMax holds what no scenario of upstream's is about: quotas that the
// configuration turns off, and a kubelet that does not run and asks for none.
func TestCPUMax(t *testing.T) {
	g := NewWithT(t)
	w := newWorkbench(t)
	r := w.replay(t, w.parse(t, `
apiVersion: pinlab/v1alpha1
kind: Scenario
metadata: {name: quota}
profile: generic-1s4c
kubelet: {cpuManagerPolicy: static, reservedSystemCPUs: "0"}
steps:
- startKubelet: {}
- createPod: {name: tiny, containers: [{name: app, cpu: 1m, memory: 64Mi}, {name: free}]}
- expect: {cel: ['cpuMax["tiny"] == "max 100000"', 'cpuMax["tiny/app"] == "1000 100000"', 'cpuMax["tiny/free"] == "max 100000"']}
- restartKubelet: {config: {cpuCFSQuota: false}}
- expect: {cel: ['cpuMax["tiny/app"] == "max 100000"']}
- stopKubelet: {}
- expect: {cel: [cpuMax.size() == 0]}
`))
	g.Expect(r.Verdict).To(Equal(scenarios.Pass), r.Reason)
}
