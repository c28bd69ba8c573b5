package kubelet

import (
	"runtime/debug"
	"testing"

	. "github.com/onsi/gomega"
)

func TestVersionIsTheLinkedOne(t *testing.T) {
	g := NewWithT(t)
	info, ok := debug.ReadBuildInfo()
	g.Expect(ok).To(BeTrue())
	for _, dep := range info.Deps {
		if dep.Path == "k8s.io/kubernetes" {
			g.Expect(dep.Version).To(Equal(Version))
			return
		}
	}
	t.Fatal("k8s.io/kubernetes is not linked")
}
