package kubelet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/pinlab/pinlab/sim/observe"
)

// v4Of is a state file of version 4 with this payload.
func v4Of(payload string) string {
	return fmt.Sprintf(`{"policyName":"static","defaultCpuSet":"","checksum":0,"data":%q,"dataChecksum":1}`, payload)
}

// TestUncountableStateFiles has CPU lists that upstream would count to their
// end, in every place where it parses one. None may reach it, nor pinlab's own
// reading of the file.
func TestUncountableStateFiles(t *testing.T) {
	everywhere := strings.Repeat(`"a":{"cpuSet":"0-8191"},`, 200) // one key: only one is left after decoding
	many := &strings.Builder{}
	for i := range 200 {
		fmt.Fprintf(many, `"%d":"0-8191",`, i)
	}
	for name, content := range map[string]string{
		"pool":          `{"policyName":"static","defaultCpuSet":"0-4000000000","checksum":0}`,
		"one id":        `{"policyName":"static","defaultCpuSet":"8192","checksum":0}`,
		"escaped":       `{"policyName":"static","defaultCpuSet":"0\u002d4000000000","checksum":0}`,
		"other case":    `{"policyName":"static","DEFAULTCPUSET":"0-4000000000","checksum":0}`,
		"entry":         `{"policyName":"static","defaultCpuSet":"0","entries":{"u":{"a":"1","b":"0-4000000000"}},"checksum":0}`,
		"pod entry":     `{"policyName":"static","defaultCpuSet":"0","podEntries":{"u":{"cpuSet":"+1-+4000000000"}},"checksum":0}`,
		"v1 entry":      `{"policyName":"static","defaultCpuSet":"0","entries":{"u-a":"0-4000000000"},"checksum":0}`,
		"after a fault": `{"policyName":5,"entries":{"u":7,"v":{"a":[]}},"podEntries":{"u":{"cpuSet":1},"v":{"cpuSet":"0-4000000000"}}}`,
		"overwritten":   `{"policyName":"static","podEntries":{"u":{"cpuSet":"0-4000000000"},"u":{"cpuSet":"1"}}}`,
		"payload":       v4Of(`{"policyName":"static","defaultCpuSet":"0-4000000000"}`),
		"payload entry": v4Of(`{"policyName":"static","entries":{"u":{"a":"0-4000000000"}}}`),
		"payload pod":   v4Of(`{"policyName":"static","podEntries":{"u":{"cpuSet":"0-4000000000"}}}`),
		"baseline":      v4Of(`{"policyName":"static","baselines":{"u":{"a":{"baseline":"0-4000000000"}}}}`),
		"long list":     `{"policyName":"static","defaultCpuSet":"` + strings.Repeat("0-8191,", 100) + `0"}`,
		"many lists":    `{"policyName":"static","entries":{"u":{` + many.String() + `"z":"0"}}}`,
		"one key often": `{"policyName":"static","podEntries":{` + everywhere + `"b":{"cpuSet":"0"}}}`,
		"payload often": v4Of(`{"policyName":"static","podEntries":{` + everywhere + `"b":{"cpuSet":"0"}}}`),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			started := time.Now()
			g.Expect(BoundedCPUState([]byte(content))).To(MatchError(ErrBadState))
			g.Expect(CheckCPUState([]byte(content))).To(MatchError(ErrBadState))
			_, err := ReadCPUState([]byte(content))
			g.Expect(err).To(MatchError(ErrBadState))
			p := params(t, &desk{}, static)
			g.Expect(os.WriteFile(filepath.Join(p.StateDir, observe.CPUStateFile), []byte(content), 0o600)).To(Succeed())
			err = New(p).Start()
			g.Expect(err).To(MatchError(ErrBadState))
			g.Expect(len(err.Error())).To(BeNumerically("<", 400), "a long list is not said in full")
			g.Expect(time.Since(started)).To(BeNumerically("<", 5*time.Second))
		})
	}
}

// TestStateFilesOfAnyKubelet are files that a kubelet has written, whatever the
// one that is asked says to them.
func TestStateFilesOfAnyKubelet(t *testing.T) {
	for _, version := range []string{"v1", "v2", "v3", "v4"} {
		for _, sum := range []Checksum{ChecksumValid, ChecksumZero, ChecksumWrong} {
			g := NewWithT(t)
			data, err := BuildCPUState(version, sample(true), sum)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(CheckCPUState(data)).To(Succeed(), "%s %s", version, sum)
		}
	}
	g := NewWithT(t)
	for _, content := range []string{
		`{"policyName":"none","defaultCpuSet":"","checksum":1}`,
		`{"policyName":"static","defaultCpuSet":"0-3","entries":null,"checksum":1,"added":{"later":[true]}}`,
		`{"policyName":"static","defaultCpuSet":"0","entries":{"11111111-2222-4333-8444-555555555555":{"1-2":"1"}},"checksum":1}`,
		v4Of(`{"policyName":"static","defaultCpuSet":"0-3","podEntries":{"u":{"cpuSet":"1"}},"baselines":{"u":{"a":{"baseline":"1"}}}}`),
	} {
		g.Expect(CheckCPUState([]byte(content))).To(Succeed(), content)
	}
}

func TestNoStateFiles(t *testing.T) {
	whole, err := BuildCPUState("v4", sample(true), ChecksumValid)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for content, want := range map[string]string{
		"":                                       "it is empty",
		"apiVersion: v1":                         "invalid character 'a'",
		string(whole[:60]):                       "unexpected end of JSON input",
		string(whole) + "x":                      "invalid character 'x' after top-level value",
		`[]`:                                     "want an object, got array",
		`null`:                                   "no policyName",
		`{"kind":"Pod"}`:                         "no policyName",
		v4Of(`null`):                             "data: no policyName",
		v4Of(`{`):                                "data: unexpected end of JSON input",
		`{"policyName":1}`:                       "policyName: want a text, got number",
		`{"data":{}}`:                            "data: want a text, got object",
		v4Of(`{"policyName":1}`):                 "data: policyName: want a text, got number",
		`{"policyName":"static","checksum":"x"}`: "checksum: want a whole number, got string",
		`{"policyName":"static","defaultCpuSet":["0"]}`:                      "defaultCpuSet: want a text, got array",
		`{"policyName":"static","defaultCpuSet":"0-x"}`:                      `defaultCpuSet: CPU list "0-x"`,
		`{"policyName":"static","defaultCpuSet":"3-1"}`:                      `defaultCpuSet: CPU list "3-1"`,
		`{"policyName":"static","entries":{"u":{"a":"one"}}}`:                `entries["u"]["a"]: CPU list "one"`,
		`{"policyName":"static","entries":{"u":5}}`:                          `entries["u"]: want an object, got number`,
		`{"policyName":"static","podEntries":{"u":{"cpuSet":"x"}}}`:          `podEntries["u"]: CPU list "x"`,
		v4Of(`{"policyName":"s","baselines":{"u":{"a":{"baseline":"x"}}}}`):  `data: baselines["u"]["a"]: CPU list "x"`,
		`{"policyName":"None","machineState":{},"entries":{"u":{"a":[{}]}}}`: `entries["u"]["a"]: want a text, got array`,
	} {
		t.Run(want, func(t *testing.T) {
			g := NewWithT(t)
			err := CheckCPUState([]byte(content))
			g.Expect(err).To(MatchError(ErrBadState))
			g.Expect(err).To(MatchError(ContainSubstring(want)))
			g.Expect(err.Error()).NotTo(ContainSubstring("stateFields"))
			g.Expect(BoundedCPUState([]byte(content))).To(Succeed(), "upstream can be asked")
		})
	}
}
