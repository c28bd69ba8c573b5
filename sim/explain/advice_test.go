package explain

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAdvice(t *testing.T) {
	const alpha = `,"featureGates":{"CPUManagerPolicyAlphaOptions":true}`
	for _, c := range []struct {
		name, config, remedy string
		remedied             bool
	}{
		{"typo", `,"cpuManagerPolicyOptions":{"full-pcpu-only":"true"}`, `unknown CPU Manager policy option "full-pcpu-only"; did you mean "full-pcpus-only"?`, true},
		{"typo with a word of another error", `,"cpuManagerPolicyOptions":{"strict-cpu-reservatio":"true"}`, `unknown CPU Manager policy option "strict-cpu-reservatio"; did you mean "strict-cpu-reservation"?`, true},
		{"typo beside the right one", `,"cpuManagerPolicyOptions":{"full-pcpu-only":"true","full-pcpus-only":"true"}`, `did you mean "full-pcpus-only"?`, true},
		{"nothing near", `,"cpuManagerPolicyOptions":{"turbo":"true"}`, `unknown CPU Manager policy option "turbo": take it out; there are align-by-socket, `, true},
		{"topology typo", `,"topologyManagerPolicy":"best-effort","topologyManagerPolicyOptions":{"prefer-closest-numa-node":"true"}`, `unknown Topology Manager policy option "prefer-closest-numa-node"; did you mean "prefer-closest-numa-nodes"?`, true},
		{"gate", `,"cpuManagerPolicyOptions":{"align-by-socket":"true"}`, "set featureGates.CPUManagerPolicyAlphaOptions to true: the option align-by-socket is at alpha level", true},
		{"two that exclude each other", `,"cpuManagerPolicyOptions":{"full-pcpus-only":"true","distribute-cpus-across-cores":"true"}` + alpha, "the options full-pcpus-only and distribute-cpus-across-cores exclude each other: take one of them out", false},
		{"topology policy", `,"topologyManagerPolicy":"single-numa-node","cpuManagerPolicyOptions":{"align-by-socket":"true"}` + alpha, "the option align-by-socket does not go with topologyManagerPolicy single-numa-node", false},
		{"value", `,"cpuManagerPolicyOptions":{"full-pcpus-only":"yes"}`, `set the option full-pcpus-only to "true" or "false"`, false},
		{"number", `,"topologyManagerPolicy":"best-effort","topologyManagerPolicyOptions":{"max-allowable-numa-nodes":"many"}`, "set the option max-allowable-numa-nodes to a whole number", false},
		{"small number", `,"topologyManagerPolicy":"best-effort","topologyManagerPolicyOptions":{"max-allowable-numa-nodes":"4"}`, "set the option max-allowable-numa-nodes to 8 or more", false},
		{"policy", `,"memoryManagerPolicy":"Statik"`, `unknown memoryManagerPolicy "Statik"; did you mean "Static"?`, false},
		{"memory", `,"memoryManagerPolicy":"Static"`, "make the sum of reservedMemory what is reserved of memory in all", false},
		{"memory of no node", `,"memoryManagerPolicy":"Static","reservedMemory":[{"numaNode":7,"limits":{"memory":"100Mi"}}]`, "name only NUMA nodes of this machine in reservedMemory: 0, 1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := inline(t, c.config, marked("", ""))
			g.Expect(r.Kubelet.Starts).To(BeFalse())
			g.Expect(r.Kubelet.Remedy).To(HaveLen(1))
			g.Expect(r.Kubelet.Remedy[0]).To(ContainSubstring(c.remedy), r.Kubelet.Error)
			g.Expect(r.Kubelet.Remedied).To(Equal(c.remedied))
			g.Expect(r.Held()).To(BeFalse())
			if c.remedied {
				g.Expect(r.Pods[0].Verdict).To(Equal(Pinned), "explained as after the remedy")
			}
		})
	}
}

func TestAdviceOnPolicyNone(t *testing.T) {
	g := NewWithT(t)
	r := inline(t, `,"cpuManagerPolicy":"none","cpuManagerPolicyOptions":{"full-pcpus-only":"true"}`, marked("", ""))
	g.Expect(r.Kubelet.Remedy).To(ConsistOf(ContainSubstring("the policy none has no options")))
}

// The kubelet itself says whether the options that are told to people exist.
func TestPolicyOptionsExist(t *testing.T) {
	for field, policy := range map[string]string{cpuOptions: "", topologyOptions: `,"topologyManagerPolicy":"best-effort"`} {
		for _, name := range policyOptions(field) {
			r := inline(t, policy+`,"`+field+`":{"`+name+`":"-"}`, marked("", ""))
			NewWithT(t).Expect(strings.ToLower(r.Kubelet.Error)).To(Or(
				ContainSubstring("bad value"), ContainSubstring("to integer"), ContainSubstring("options not enabled")), name)
		}
	}
}

func TestInShort(t *testing.T) {
	g := NewWithT(t)
	_, end, found := strings.Cut(show(t, question{pods: "workloads.yaml"}.ask(t)), "\nIn short:\n")
	g.Expect(found).To(BeTrue())
	lines := strings.Split(strings.TrimSuffix(end, "\n"), "\n")
	g.Expect(lines).To(HaveLen(5), "a line for each answer, and one for replicas with the same")
	for _, line := range lines {
		g.Expect(len([]rune(line))).To(BeNumerically("<=", 100))
	}
	g.Expect(cut("äöü€", 3)).To(Equal("äö…"))
}
