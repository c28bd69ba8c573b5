package scenarios

import (
	"flag"
	"os"
	"testing"

	"github.com/onsi/gomega"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file below testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	gomega.NewWithT(t).Expect(got).To(gomega.Equal(string(want)), "run the test with -update if this is meant")
}

// withSteps is a scenario with these steps, which begin in line 6.
func withSteps(steps string) string {
	return "apiVersion: pinlab/v1alpha1\nkind: Scenario\nmetadata: {name: test}\nprofile: p\nsteps:\n" + steps
}
