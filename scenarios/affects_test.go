package scenarios

import (
	"testing"

	"github.com/onsi/gomega"
)

// TestAffects holds that the scenario of a known bug is skipped on kubelets that do
// not have it, and that its failure tells of the other reading.
func TestAffects(t *testing.T) {
	g := gomega.NewWithT(t)
	text := func(affects, steps string) string {
		return "apiVersion: pinlab/v1alpha1\nkind: Scenario\nmetadata: {name: x}\nprofile: generic-1s4c\naffects: " + affects + "\nsteps:\n" + steps
	}
	right, wrong := "- reboot: {}\n", "- expect: {kubelet: running}\n"
	for affects, want := range map[string]Verdict{
		`{since: "1.21"}`:                  Fail,
		`{since: "1.21", until: "1.38"}`:   Fail,
		`{since: "1.21", until: "1.37.2"}`: Skip,
		`{since: "1.38"}`:                  Skip,
	} {
		r := play(t, t.Context(), newFake(), text(affects, wrong))
		g.Expect(r.Verdict).To(gomega.Equal(want), affects)
		if want == Skip {
			g.Expect(r.Reason).To(gomega.And(gomega.HavePrefix("is about a bug of kubelets since 1."), gomega.HaveSuffix(", this is v1.37.2")))
			continue
		}
		g.Expect(r.Hint).To(gomega.And(gomega.ContainSubstring("upstream may have fixed it"), gomega.ContainSubstring("test.yaml:5")))
	}
	r := play(t, t.Context(), newFake(), text(`{since: "1.21"}`, right))
	g.Expect(r.Verdict).To(gomega.Equal(Pass), r.Reason)
	g.Expect(r.Hint).To(gomega.BeEmpty())

	for affects, want := range map[string]string{
		`{since: soon}`:                  `x.yaml:5: affects.since: "soon" is no kubelet version`,
		`{since: "1.38", until: "1.37"}`: `x.yaml:5: affects: until 1.37 is not after since 1.38`,
		`{sinse: "1.2"}`:                 `did you mean "since"`,
	} {
		_, err := Loader{}.Parse([]byte(text(affects, right)), "x.yaml")
		g.Expect(err).To(gomega.MatchError(gomega.ContainSubstring(want)))
	}
}
